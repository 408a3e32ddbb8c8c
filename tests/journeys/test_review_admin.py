"""The review inbox and the history, through the pages: who may do what, and what comes of it."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from jobs.domain.states import State
from jobs.models import Review
from taskflow.lib.clock import utcnow
from tests.factories import Cast, make_job, make_review, make_workflow

pytestmark = pytest.mark.django_db
INBOX = "/admin/jobs/review/inbox/"
FIELDS: list[dict[str, Any]] = [
    {"key": "company", "required": True},
    {"key": "total", "type": "number"},
    {"key": "count", "type": "integer"},
    {"key": "paid", "type": "boolean"},
    {"key": "kind", "type": "choice", "choices": ["a", "b"]},
    {"key": "day", "type": "date"},
    {"key": "tags", "type": "list"},
    {"key": "lines", "type": "list"},
    {"key": "more", "type": "object"},
    {"key": "note"},
]
PROPOSAL = {
    "company": "OJC",
    "total": 12.5,
    "count": 2,
    "paid": True,
    "kind": "a",
    "day": "2026-03-01",
    "tags": ["x", "y"],
    "lines": [{"sum": 1}],
    "more": {"a": 1},
    "note": "long " * 30,
    "extra": "seen",
}


def browser(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def ask(cast: Cast, slug: str = "receipts", **fields: Any) -> Review:
    found = cast.tenant.workflows.filter(slug=slug).first()
    workflow = found or make_workflow(cast.tenant, slug, label_plural=f"{slug} items")
    payload = {"text": "OJC\nTOTAL 12.50\n" + "and so on " * 10, "shop": "No. 7"}
    job = make_job(workflow, State.WAITING, payload=payload)
    return make_review(job, **{"fields": FIELDS, "proposal": PROPOSAL} | fields)


def text_of(client: Client, address: str, status: int = 200) -> str:
    answer = client.get(address)
    assert answer.status_code == status
    return str(answer.content.decode())


def decide(client: Client, review: Review, **form: Any) -> Any:
    answer = client.post(f"/admin/jobs/review/{review.uid}/decide/", form, follow=True)
    review.refresh_from_db()
    return answer


def unchanged() -> dict[str, str]:
    """Return the form as the browser sends it when nothing was typed."""
    values = {"total": "12.5", "count": "2", "paid": "true", "kind": "a", "day": "2026-03-01", "tags": "x\r\ny"}
    return {f"field-{key}": text for key, text in {"company": "OJC", "note": "long " * 30, **values}.items()}


def test_the_oldest_review_is_shown_with_its_input_beside_its_output(acme: Cast) -> None:
    first = ask(acme)
    ask(acme)
    shown = text_of(browser(acme.reviewer), INBOX)
    assert str(first.uid) in shown
    assert '<mark title="Company">OJC</mark>' in shown
    assert '<mark title="Total">12.50</mark>' in shown
    assert "No. 7" in shown
    assert "2 open" in shown


def test_a_review_that_somebody_is_at_is_passed_over_and_says_who_when_looked_at(acme: Cast) -> None:
    first, second = ask(acme), ask(acme)
    assert browser(acme.owner).post(f"/admin/jobs/review/{first.uid}/claim/").json() == {"claimed": True}
    reviewer = browser(acme.reviewer)
    assert f'data-review="{second.uid}"' in text_of(reviewer, INBOX)
    assert "owner@acme.test</strong> is on it" in text_of(reviewer, f"{INBOX}?item={first.uid}")
    answer = reviewer.post(f"/admin/jobs/review/{first.uid}/claim/").json()
    assert answer == {"claimed": False, "reason": "owner@acme.test is on this review."}
    assert "is on this review" in decide(reviewer, first, decision="approve").content.decode()
    assert first.state == "open"
    browser(acme.owner).post(f"/admin/jobs/review/{first.uid}/release/")
    assert decide(reviewer, first, decision="approve").status_code == 200
    assert first.state == "decided"


def test_an_approval_leads_to_the_next_and_can_be_undone(acme: Cast) -> None:
    first, second = ask(acme), ask(acme)
    client = browser(acme.reviewer)
    shown = decide(client, first, decision="approve").content.decode()
    assert f'data-review="{second.uid}"' in shown
    assert f"/admin/jobs/review/{first.uid}/undo/" in shown
    assert (first.decision, first.decided_by) == ("approve", "reviewer@acme.test")
    answer = client.post(f"/admin/jobs/review/{first.uid}/undo/", follow=True)
    assert f'data-review="{first.uid}"' in answer.content.decode()
    first.refresh_from_db()
    assert first.state == "open"
    assert (
        "There is no decision to undo"
        in client.post(f"/admin/jobs/review/{first.uid}/undo/", follow=True).content.decode()
    )


def test_only_what_was_changed_in_the_form_is_an_edit(acme: Cast) -> None:
    client, review = browser(acme.reviewer), ask(acme)
    typed = {
        "total": "1 313.5",
        "count": "3",
        "paid": "false",
        "kind": "b",
        "day": "",
        "tags": "x\r\n\r\nz ",
        "note": "short",
    }
    decide(client, review, decision="edit", **unchanged() | {f"field-{key}": text for key, text in typed.items()})
    changed = {
        "total": 1313.5,
        "count": 3,
        "paid": False,
        "kind": "b",
        "day": None,
        "tags": ["x", "z"],
        "note": "short",
    }
    assert (review.decision, review.output) == ("edit", PROPOSAL | changed)
    review = ask(acme)
    decide(client, review, decision="edit", **unchanged())
    assert (review.decision, review.output) == ("approve", PROPOSAL)


def test_what_does_not_fit_is_shown_at_its_field_with_what_was_typed(acme: Cast) -> None:
    client, review = browser(acme.reviewer), ask(acme)
    form = unchanged() | {"field-total": "much", "field-company": "", "field-paid": "perhaps"}
    shown = decide(client, review, decision="edit", **form).content.decode()
    assert review.state == "open"
    assert "must be a number, not text" in shown
    assert "is required" in shown
    assert 'value="much"' in shown
    assert "data-edit action" in shown.replace("data-edit  action", "data-edit action")


def test_a_rejection_without_a_reason_asks_for_it(acme: Cast) -> None:
    client, review = browser(acme.reviewer), ask(acme)
    assert "Say why it is rejected." in decide(client, review, decision="reject").content.decode()
    decide(client, review, decision="reject", comment="no receipt")
    assert (review.decision, review.comment) == ("reject", "no receipt")
    assert client.post(f"/admin/jobs/review/{review.uid}/decide/", {"decision": "maybe"}).status_code == 404


def test_a_viewer_looks_and_does_not_answer(acme: Cast) -> None:
    client, review = browser(acme.viewer), ask(acme)
    shown = text_of(client, f"{INBOX}?item={review.uid}")
    assert "data-buttons" not in shown
    for door in ("claim", "release", "decide", "undo"):
        assert client.post(f"/admin/jobs/review/{review.uid}/{door}/", {"decision": "approve"}).status_code == 403
    review.refresh_from_db()
    assert review.state == "open"


def test_a_review_for_others_is_not_in_the_inbox_and_says_whom_it_is_for(acme: Cast) -> None:
    review = ask(acme, role="editor")
    client = browser(acme.reviewer)
    assert "All done" in text_of(client, INBOX)
    assert "for the role editor" in text_of(client, f"{INBOX}?item={review.uid}")
    assert client.get("/admin/jobs/review/count/").json() == {"open": 0}
    assert browser(acme.editor).get("/admin/jobs/review/count/").json() == {"open": 1}


def test_the_inbox_is_narrowed_by_workflow_and_to_mine(acme: Cast) -> None:
    ask(acme)
    other = ask(acme, "tickets")
    client = browser(acme.reviewer)
    assert f'data-review="{other.uid}"' in text_of(client, f"{INBOX}?workflow=tickets")
    assert "All done" in text_of(client, f"{INBOX}?mine=1")
    other.assignee = "reviewer@acme.test"
    other.save()
    assert f'data-review="{other.uid}"' in text_of(client, f"{INBOX}?mine=1&workflow=nowhere")


def test_the_live_part_tells_the_count_the_overdue_and_the_state(acme: Cast) -> None:
    client, review = browser(acme.reviewer), ask(acme, due_at=utcnow() - timedelta(minutes=1))
    part = text_of(client, f"{INBOX}?item={review.uid}&part=1")
    assert 'data-item-state="open"' in part
    assert "1 overdue" in part
    assert "1 to look at" in text_of(client, f"{INBOX}?part=1")
    assert 'data-count-url="/admin/jobs/review/count/">1<' in text_of(client, "/admin/")


def test_the_history_lists_decisions_by_page_and_state(acme: Cast) -> None:
    told = {
        "state": "decided",
        "decision": "edit",
        "output": PROPOSAL | {"total": 13},
        "decided_by": "ada",
        "seconds": 4,
    }
    rows = [ask(acme, title=f"number {number}", decided_at=utcnow(), **told) for number in range(52)]
    ask(acme, title="still open")
    ask(acme, "tickets", title="gone", state="cancelled")
    client = browser(acme.viewer)
    shown = text_of(client, "/admin/jobs/review/")
    assert "number 51" in shown
    assert "number 1<" not in shown
    assert "number 1<" in text_of(client, f"/admin/jobs/review/?before={rows[2].pk}")
    assert "still open" in text_of(client, "/admin/jobs/review/?state=open")
    assert "gone" in text_of(client, "/admin/jobs/review/?state=all&workflow=tickets")
    page = text_of(client, f"/admin/jobs/review/{rows[0].uid}/change/")
    assert "edited and approved it" in page
    assert "<del>12.5</del>" in page
    assert "No reviews here" in text_of(client, "/admin/jobs/review/?state=nonsense&workflow=tickets")
