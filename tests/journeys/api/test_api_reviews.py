"""Reviews over REST: finding them, claiming, deciding, undoing."""

from datetime import timedelta
from typing import Any

import pytest

from jobs.domain.states import State
from jobs.models import Review
from taskflow.lib.clock import utcnow
from tenants.domain.roles import Scope
from tests.factories import Cast, make_job, make_review, make_workflow
from tests.journeys.api.client import Api, faults, read
from workflows.models import Workflow

pytestmark = pytest.mark.django_db


@pytest.fixture
def review(workflow: Workflow) -> Review:
    return ask(workflow)


def ask(workflow: Workflow, **fields: Any) -> Review:
    return make_review(make_job(workflow, State.WAITING, attempts=1), **fields)


def ids(answer: Any) -> list[str]:
    return [review["id"] for review in read(answer)["results"]]


def test_a_review_is_read_with_all_that_a_person_needs(api: Api, review: Review) -> None:
    told = read(api.get(f"reviews/{review.uid}"))
    assert (told["id"], told["state"], told["workflow"], told["job"]) == (
        str(review.uid),
        "open",
        "receipts",
        str(review.job.uid),
    )
    assert told["proposal"] == {"total": 12.5, "note": "as printed"}
    assert [(field["key"], field["type"]) for field in told["fields"]] == [("total", "number"), ("note", "text")]
    assert told["options"] == ["approve", "edit", "reject"]
    assert (told["decision"], told["claimed_by"], told["applies_at"], told["overdue"]) == (None, None, None, False)


def test_the_list_is_paged_newest_first_and_holds_open_ones_unless_told(api: Api, workflow: Workflow) -> None:
    rows = [ask(workflow, state="decided" if number == 2 else "open") for number in range(5)]
    uids = [str(row.uid) for row in reversed(rows)]
    first = read(api.get("reviews", {"page_size": 2, "state": "all"}))
    assert [each["id"] for each in first["results"]] == uids[:2]
    rest = api.get("reviews", {"page_size": 5, "state": "open,decided", "cursor": first["next_cursor"]})
    assert ids(rest) == uids[2:]
    assert read(rest)["next"] is None
    assert ids(api.get("reviews")) == [uid for uid in uids if uid != str(rows[2].uid)]


def test_the_list_is_narrowed_by_every_filter(api: Api, acme: Cast, workflow: Workflow) -> None:
    other = ask(make_workflow(acme.tenant, "others"), role="editor")
    late = ask(workflow, due_at=utcnow() - timedelta(hours=1))
    held = ask(workflow, claimed_by=f"api:{api.api_key.prefix}", claimed_until=utcnow())
    for query, found in (
        ({"workflow": "others"}, [other]),
        ({"role": "editor"}, [other]),
        ({"overdue": "true"}, [late]),
        ({"mine": "true"}, [held]),
        ({"job": str(late.job.uid)}, [late]),
        ({"state": "cancelled"}, []),
    ):
        assert ids(api.get("reviews", query)) == [str(review.uid) for review in found], query


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"state": "closed"}, "state"),
        ({"role": "boss"}, "role"),
        ({"mine": "perhaps"}, "mine"),
        ({"overdue": "1"}, "overdue"),
        ({"job": "x"}, "job"),
        ({"workflow": "nowhere"}, "workflow"),
        ({"cursor": "%%"}, "cursor"),
        ({"page_size": "0"}, "page_size"),
        ({"colour": "red"}, "colour"),
        ({"role": ["owner", "editor"]}, "role"),
    ],
)
def test_a_filter_that_is_wrong_is_named(api: Api, query: dict[str, Any], field: str) -> None:
    assert list(faults(api.get("reviews", query))) == [field]


def test_an_edit_is_decided_and_undone(api: Api, review: Review) -> None:
    body = {"decision": "edit", "output": {"total": 13}, "comment": "a typo"}
    told = read(api.post(f"reviews/{review.uid}/decide", body))
    assert (told["state"], told["decision"], told["output"]) == ("decided", "edit", {"total": 13, "note": "as printed"})
    assert told["applies_at"] > told["decided_at"]
    assert told["decided_by"] == f"api:{api.api_key.prefix}"
    told = read(api.post(f"reviews/{review.uid}/undo"))
    assert (told["state"], told["decision"], told["output"], told["decided_by"]) == ("open", None, None, None)
    assert read(api.post(f"reviews/{review.uid}/undo"), 409)["type"].endswith("not-undoable")


def test_how_long_it_took_counts_from_the_claim(api: Api, review: Review) -> None:
    told = read(api.post(f"reviews/{review.uid}/claim"))
    assert told["claimed_by"] == f"api:{api.api_key.prefix}"
    told = read(api.post(f"reviews/{review.uid}/decide", {"decision": "approve"}))
    assert told["seconds"] >= 0


def test_a_review_that_another_has_claimed_or_decided_is_409_and_says_who(acme: Cast, api: Api, review: Review) -> None:
    other = Api(acme.tenant)
    read(other.post(f"reviews/{review.uid}/claim"))
    for door, body in (("claim", None), ("decide", {"decision": "approve"})):
        refused = read(api.post(f"reviews/{review.uid}/{door}", body), 409)
        assert refused["type"].endswith("review-taken")
        assert refused["detail"] == f"api:{other.api_key.prefix} is on this review."
    assert read(other.post(f"reviews/{review.uid}/release"))["claimed_by"] is None
    read(api.post(f"reviews/{review.uid}/decide", {"decision": "reject", "comment": "no"}))
    refused = read(other.post(f"reviews/{review.uid}/decide", {"decision": "approve"}), 409)
    assert refused["type"].endswith("review-decided")
    assert f"api:{api.api_key.prefix} decided" in refused["detail"]
    assert read(other.post(f"reviews/{review.uid}/undo"), 409)["type"].endswith("not-undoable")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "decision"),
        ({"decision": "perhaps"}, "decision"),
        ({"decision": "reject"}, "comment"),
        ({"decision": "edit"}, "output"),
        ({"decision": "edit", "output": {"total": "x"}}, "output.total"),
        ({"decision": "edit", "output": {"other": 1}}, "output.other"),
        ({"decision": "edit", "output": []}, "output"),
        ({"decision": "approve", "output": {"total": 1}}, "output"),
        ({"decision": "approve", "why": "x"}, "why"),
        ({"decision": "approve", "comment": "x" * 5001}, "comment"),
    ],
)
def test_a_decision_that_does_not_fit_names_the_field(
    api: Api, review: Review, body: dict[str, Any], field: str
) -> None:
    assert list(faults(api.post(f"reviews/{review.uid}/decide", body))) == [field]
    review.refresh_from_db()
    assert review.state == "open"


def test_each_door_needs_its_scope(acme: Cast, review: Review) -> None:
    reader = Api(acme.tenant, [Scope.REVIEWS_READ])
    read(reader.get("reviews"))
    for door in ("claim", "release", "decide", "undo"):
        read(reader.post(f"reviews/{review.uid}/{door}"), 403)
    read(Api(acme.tenant, [Scope.REVIEWS_WRITE]).get("reviews"), 403)
