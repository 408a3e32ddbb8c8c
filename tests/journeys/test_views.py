"""Views of a workflow's jobs, as people use them."""

import pytest
from django.http import QueryDict

from jobs.domain.states import State
from jobs.models import BulkAction, DefaultView, IndexedField, Job, SavedView
from jobs.runtime.bulk import run_bulk_action
from jobs.services.values import refresh_values
from taskflow.lib.cache import forget_all
from tests.factories import Cast, make_job
from tests.journeys.ticket_views import LIST, VIEWS, LogIn, index, logging_in_to, make_tickets, questions, save
from workflows.models import Workflow


@pytest.fixture
def tickets(acme: Cast) -> Workflow:
    return make_tickets(acme)


@pytest.fixture
def log_in(acme: Cast) -> LogIn:
    return logging_in_to(acme)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("result.label=refund", "10"),
        ("result.label:not=refund", "432"),
        ("result.label:in=refund,other", "210"),
        ("result.label:empty=true", "4"),
        ("result.label:contains=FUN", "10"),
        ("result.total:gte=10&result.total:lt=30", "21"),
        ("result.label=refund&result.total:gt=0", "1"),
        ("result.label=refund&state=failed", "1"),
        ("result.label=refund&job.state:not=FAILED", "0"),
        ("sort=-result.total", "43210"),
        ("sort=result.total&result.total:lte=20", "012"),
        ("payload.question=Question 3", "3"),
        ("result.extra=x&result.total=20", "2"),
    ],
)
def test_a_list_is_filtered_and_sorted_by_its_address(
    tickets: Workflow, log_in: LogIn, query: str, expected: str
) -> None:
    answer = log_in("viewer").get(f"{LIST}?{query}")
    assert answer.context["filters"].problems == []
    assert "".join(questions(answer)) == expected


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("result.label:like=x", "There is no comparison"),
        ("result.total:gte=", "Write a value"),
        ("payload.iban=secret-1", "is redacted"),
        ("job.colour=red", "There is no &#x27;job.colour&#x27;"),
        ("job.state=ASLEEP", "There is no state"),
        ("sort=job.state", "cannot be sorted"),
        ("result.=x", "There is no field"),
    ],
)
def test_a_condition_that_makes_no_sense_is_told_and_left_out(
    tickets: Workflow, log_in: LogIn, query: str, reason: str
) -> None:
    answer = log_in("viewer").get(f"{LIST}?{query}")
    assert answer.status_code == 200
    assert reason in answer.content.decode()
    assert len(answer.context["rows"]) == 5


def test_what_an_address_filters_by_is_said_and_can_be_taken_back(tickets: Workflow, log_in: LogIn) -> None:
    asked = {"waits": "person", "from": "2026-03-01T10:00:00Z", "to": "2026-03-31", "queue": "default", "q": "abc"}
    answer = log_in("viewer").get(LIST, {"view": "all", "result.label": "refund"} | asked)
    filters = answer.context["filters"]
    assert {chip.text: set(asked) - set(QueryDict(chip.without)) for chip in filters.chips} == {
        "Id is abc": {"q"},
        "Queue is default": {"queue"},
        "Came in from 01 Mar 2026, 10:00": {"from"},
        "Came in up to 2026-03-31": {"to"},
        "Wait for a review": {"waits"},
    }
    assert filters.cleared == "view=all"
    nonsense = log_in("viewer").get(LIST, {"queue": "nowhere", "from": "soon", "waits": "x"}).context["filters"]
    assert (len(nonsense.problems), nonsense.chips) == (3, [])


def test_a_field_without_an_index_is_looked_for_among_the_newest_and_the_page_says_so(
    tickets: Workflow, log_in: LogIn
) -> None:
    answer = log_in("viewer").get(f"{LIST}?result.extra=x")
    assert "has no index yet: only the newest 2,000" in answer.content.decode()


def test_a_view_is_saved_with_columns_conditions_order_colours_and_counts(tickets: Workflow, log_in: LogIn) -> None:
    client = log_in("operator")
    form = {
        "columns-path": ["result.label", "result.extra", "job.cost"],
        "columns-label": ["Kind", "", ""],
        "filters-path": "result.total",
        "filters-op": "gte",
        "filters-value": "10",
        "sort": "result.total",
        "count": "result.label",
        "colours-path": "result.label",
        "colours-op": "is",
        "colours-value": "refund",
        "colours-colour": "red",
    }
    view = save(client, "Mine", **form)
    answer = client.get(f"{LIST}?view={view.uid}")
    assert questions(answer) == ["1", "2", "3", "4"]
    page = answer.content.decode()
    assert "<th>Kind</th>" in page
    assert "<th>Queue</th>" not in page
    assert page.count('class="tfv-red"') == 1
    counts = {link.text: link.count for link in answer.context["value_counts"]["links"]}
    assert counts == {"refund": 1, "other": 1, "=1+1": 1, "empty": 1}
    (link,) = [link for link in answer.context["value_counts"]["links"] if link.text == "other"]
    assert questions(client.get(f"{LIST}?{link.query}")) == ["2"]
    assert questions(client.get(f"{LIST}?view={view.uid}&result.label=other")) == ["2"]


def test_a_new_field_of_a_view_is_indexed_in_the_background_and_dropped_with_its_last_use(
    tickets: Workflow, log_in: LogIn
) -> None:
    client = log_in("operator")
    view = save(client, **{"filters-path": "result.extra", "filters-value": "x"})
    answer = client.get(f"{LIST}?view={view.uid}")
    assert "still being indexed: 0 %" in answer.content.decode()
    forget_all()
    late = make_job(tickets, State.SUCCEEDED, payload={"question": "Question 5"}, result={"extra": "x"})
    refresh_values([(late.pk, tickets.pk)])
    assert questions(client.get(f"{LIST}?view={view.uid}")) == ["5"]
    index(tickets)
    answer = client.get(f"{LIST}?view={view.uid}")
    assert "still being indexed" not in answer.content.decode()
    assert questions(answer) == ["5", "4", "3", "2", "1", "0"]
    client.post(f"{VIEWS}{view.uid}/delete/")
    assert IndexedField.objects.get(path="result.extra").state == "dropping"
    index(tickets)
    assert not IndexedField.objects.filter(path="result.extra").exists()


def test_a_private_view_is_there_for_its_owner_alone(tickets: Workflow, acme: Cast, log_in: LogIn) -> None:
    view = save(log_in("viewer"))
    for role in ("owner", "editor", "operator"):
        client = log_in(role)
        for url in (f"{LIST}?view={view.uid}", f"{VIEWS}{view.uid}/"):
            assert client.get(url).status_code == 404
        for verb in ("delete", "default"):
            assert client.post(f"{VIEWS}{view.uid}/{verb}/").status_code == 404
        assert client.post(
            "/admin/jobs/bulkaction/start/",
            {"kind": "retry", "scope": "all", "workflow": "tickets", "query": f"view={view.uid}"},
        ).status_code in (403, 404)
        assert "Refunds" not in client.get(VIEWS).content.decode()
    assert view == SavedView.objects.get()


def test_operators_share_views_and_editors_change_shared_ones(tickets: Workflow, log_in: LogIn) -> None:
    viewers = save(log_in("viewer"), "Of a viewer", shared="1")
    assert not viewers.shared
    view = save(log_in("operator"), "Shared", shared="1")
    assert view.shared
    assert questions(log_in("viewer").get(f"{LIST}?view={view.uid}")) == ["1", "0"]
    url = f"{VIEWS}{view.uid}/"
    save(log_in("reviewer"), "Copy", url=url)
    assert SavedView.objects.get(pk=view.pk).name == "Shared"
    assert not SavedView.objects.get(name="Copy").shared
    assert log_in("reviewer").post(f"{url}delete/").status_code == 403
    renamed = save(log_in("editor"), "Renamed", url=url, shared="1")
    assert (renamed.pk, renamed.owner) == (view.pk, view.owner)
    log_in("editor").post(f"{url}delete/")
    assert not SavedView.objects.filter(pk=view.pk).exists()


def test_a_persons_list_opens_with_the_view_they_chose(tickets: Workflow, acme: Cast, log_in: LogIn) -> None:
    client = log_in("operator")
    view = save(client, shared="1")
    client.post(f"{VIEWS}{view.uid}/default/")
    assert client.get(LIST).url == f"{LIST}?view={view.uid}"
    assert len(client.get(f"{LIST}?view=all").context["rows"]) == 5
    assert log_in("viewer").get(LIST).status_code == 200
    client.post(f"{VIEWS}{view.uid}/default/")
    assert not DefaultView.objects.exists()


def test_a_view_that_cannot_be_saved_says_why_and_loses_nothing(tickets: Workflow, log_in: LogIn) -> None:
    form = {
        "name": "",
        "filters-path": ["payload.iban", "result.total"],
        "filters-op": ["is", "gte"],
        "filters-value": ["x", ""],
        "columns-path": ["result.label", "result.label"],
        "columns-label": ["", ""],
    }
    answer = log_in("operator").post(f"{VIEWS}new/", form)
    assert "is there twice" in answer.content.decode()
    answer = log_in("operator").post(f"{VIEWS}new/", form | {"columns-path": ["result.label", ""]})
    page = answer.content.decode()
    assert "Give it a name." in page
    assert "is redacted" in page
    assert "Write a value to compare with." in page
    assert not SavedView.objects.exists()


def test_a_condition_is_added_by_the_small_form(tickets: Workflow, log_in: LogIn) -> None:
    client = log_in("viewer")
    answer = client.get(LIST, {"f": "result.total", "is": "gte", "v": "30", "state": "succeeded"})
    assert answer.status_code == 302
    assert questions(client.get(answer.url)) == ["4", "3"]
    assert client.get(LIST, {"f": "nonsense", "is": "is", "v": "x"}).url == f"{LIST}?view=all"


def test_a_bulk_action_reaches_all_that_match_a_view(tickets: Workflow, acme: Cast, log_in: LogIn) -> None:
    client = log_in("operator")
    view = save(client)
    form = {"kind": "retry", "scope": "all", "workflow": "tickets", "query": f"view={view.uid}", "confirmed": "1"}
    client.post("/admin/jobs/bulkaction/start/", form)
    run_bulk_action(BulkAction.objects.get().pk)
    assert list(Job.objects.filter(state="PENDING").values_list("payload", flat=True)) == [
        {"question": "Question 1", "iban": "secret-1"}
    ]
    answer = client.post("/admin/jobs/bulkaction/start/", form | {"query": "result.extra=x"}, follow=True)
    assert "has no index yet" in answer.content.decode()
    assert BulkAction.objects.count() == 1
