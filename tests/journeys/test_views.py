"""Views of a workflow's jobs, as people and programs use them."""

import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from openpyxl import load_workbook

from jobs.domain.states import State
from jobs.models import BulkAction, DefaultView, IndexedField, Job, JobExport, SavedView
from jobs.runtime import exports as runtime_exports
from jobs.runtime.bulk import run_bulk_action
from jobs.runtime.exports import run_export
from jobs.services.exports import continue_stale, prune_exports, take_export
from jobs.services.indexing import sync_published
from jobs.services.values import refresh_values
from taskflow.lib.cache import forget_all
from taskflow.lib.clock import utcnow
from tenants.services import create_api_key
from tests.db.test_job_values import fill
from tests.factories import Cast, make_job, make_workflow
from workflows.models import Workflow

FIELDS = [
    {"key": "question", "label": "Question", "in_list": True},
    {"key": "iban", "redact": True},
    {"key": "label", "role": "output", "in_list": True},
    {"key": "total", "type": "number", "role": "output", "in_list": True},
]
LIST = "/admin/jobs/job/of/tickets/"
VIEWS = "/admin/build/tickets/views/"


@pytest.fixture
def tickets(acme: Cast) -> Workflow:
    fields: dict[str, Any] = {"label_singular": "Ticket", "label_plural": "Tickets"}
    workflow = make_workflow(acme.tenant, "tickets", version={"fields": FIELDS}, **fields)
    for number, label in enumerate(["refund", "refund", "other", "=1+1", None]):
        result = {"label": label, "total": number * 10, "extra": "x"}
        payload = {"question": f"Question {number}", "iban": f"secret-{number}"}
        make_job(workflow, State.FAILED if number == 1 else State.SUCCEEDED, payload=payload, result=result)
    sync_published(now=utcnow())
    index(workflow)
    return workflow


def index(workflow: Workflow) -> None:
    """Let the waiting time of new fields pass, and fill them."""
    IndexedField.objects.filter(workflow=workflow).update(begins_at=utcnow().replace(year=2020))
    fill(workflow)


@pytest.fixture
def log_in(acme: Cast) -> Callable[[str], Client]:
    def logging_in(role: str) -> Client:
        client = Client()
        client.force_login(getattr(acme, role), backend="django.contrib.auth.backends.ModelBackend")
        return client

    return logging_in


def questions(answer: Any) -> list[str]:
    """Return the numbers of the questions that a list shows, in its order."""
    return [row.job.payload["question"][-1] for row in answer.context["rows"]]


def save(client: Client, name: str = "Refunds", url: str = f"{VIEWS}new/", **form: Any) -> SavedView:
    given = {"name": name, "filters-path": "result.label", "filters-op": "is", "filters-value": "refund"} | form
    answer = client.post(url, given)
    assert answer.status_code == 302, answer.context["problems"]
    return SavedView.objects.get(name=name)


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
    tickets: Workflow, log_in: Callable[[str], Client], query: str, expected: str
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
    tickets: Workflow, log_in: Callable[[str], Client], query: str, reason: str
) -> None:
    answer = log_in("viewer").get(f"{LIST}?{query}")
    assert answer.status_code == 200
    assert reason in answer.content.decode()
    assert len(answer.context["rows"]) == 5


def test_a_field_without_an_index_is_looked_for_among_the_newest_and_the_page_says_so(
    tickets: Workflow, log_in: Callable[[str], Client]
) -> None:
    answer = log_in("viewer").get(f"{LIST}?result.extra=x")
    assert "has no index yet: only the newest 2,000" in answer.content.decode()


def test_a_view_is_saved_with_columns_conditions_order_colours_and_counts(
    tickets: Workflow, log_in: Callable[[str], Client]
) -> None:
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
    tickets: Workflow, log_in: Callable[[str], Client]
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


def test_a_private_view_is_there_for_its_owner_alone(
    tickets: Workflow, acme: Cast, log_in: Callable[[str], Client]
) -> None:
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


def test_operators_share_views_and_editors_change_shared_ones(
    tickets: Workflow, log_in: Callable[[str], Client]
) -> None:
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


def test_a_persons_list_opens_with_the_view_they_chose(
    tickets: Workflow, acme: Cast, log_in: Callable[[str], Client]
) -> None:
    client = log_in("operator")
    view = save(client, shared="1")
    client.post(f"{VIEWS}{view.uid}/default/")
    assert client.get(LIST).url == f"{LIST}?view={view.uid}"
    assert len(client.get(f"{LIST}?view=all").context["rows"]) == 5
    assert log_in("viewer").get(LIST).status_code == 200
    client.post(f"{VIEWS}{view.uid}/default/")
    assert not DefaultView.objects.exists()


def test_a_view_that_cannot_be_saved_says_why_and_loses_nothing(
    tickets: Workflow, log_in: Callable[[str], Client]
) -> None:
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


def test_a_condition_is_added_by_the_small_form(tickets: Workflow, log_in: Callable[[str], Client]) -> None:
    client = log_in("viewer")
    answer = client.get(LIST, {"f": "result.total", "is": "gte", "v": "30", "state": "succeeded"})
    assert answer.status_code == 302
    assert questions(client.get(answer.url)) == ["4", "3"]
    assert client.get(LIST, {"f": "nonsense", "is": "is", "v": "x"}).url == f"{LIST}?view=all"


def test_a_bulk_action_reaches_all_that_match_a_view(
    tickets: Workflow, acme: Cast, log_in: Callable[[str], Client]
) -> None:
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


@pytest.fixture
def ask(acme: Cast, client: Client) -> Callable[..., Any]:
    _, clear = create_api_key(tenant=acme.tenant, name="test")

    def asking(path: str, body: Any = None, **query: str) -> Any:
        headers = {"HTTP_AUTHORIZATION": f"Bearer {clear}"}
        if body is None:
            return client.get(f"/api/v1/{path}", query, **headers)
        return client.post(f"/api/v1/{path}", body, content_type="application/json", **headers)

    return asking


def test_the_api_filters_by_fields_and_by_shared_views(
    tickets: Workflow, ask: Callable[..., Any], log_in: Callable[[str], Client]
) -> None:
    found = ask("jobs", **{"workflow": "tickets", "result.total:gte": "20", "page_size": "2"}).json()
    assert [job["result"]["total"] for job in found["results"]] == [40, 30]
    rest = ask("jobs", **{"workflow": "tickets", "result.total:gte": "20", "cursor": found["next_cursor"]}).json()
    assert [job["result"]["total"] for job in rest["results"]] == [20]
    private, shared = save(log_in("operator"), "Mine"), save(log_in("operator"), "Ours", shared="1")
    assert [job["result"]["total"] for job in ask("jobs", view=str(shared.uid)).json()["results"]] == [10, 0]
    assert ask("jobs", view=str(private.uid)).status_code == 404
    assert [view["name"] for view in ask("views").json()["results"]] == ["Ours"]


@pytest.mark.parametrize(
    ("query", "status", "field", "reason"),
    [
        ({"workflow": "tickets", "result.nothing": "x"}, 400, "result.nothing", "has no index"),
        ({"workflow": "tickets", "result.label:near": "x"}, 400, "result.label:near", "There is no comparison"),
        ({"workflow": "tickets", "payload.iban": "x"}, 400, "payload.iban", "is redacted"),
        ({"result.label": "x"}, 400, "result.label", "workflow=SLUG"),
        ({"workflow": "tickets", "label": "x"}, 400, "label", "There is no such filter."),
    ],
)
def test_the_api_refuses_a_field_it_cannot_filter_by(
    tickets: Workflow, ask: Callable[..., Any], query: dict[str, str], status: int, field: str, reason: str
) -> None:
    answer = ask("jobs", **query)
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    (error,) = answer.json()["errors"]
    assert error["field"] == field
    assert reason in error["reason"]


def test_the_api_says_that_a_field_is_still_being_indexed(tickets: Workflow, ask: Callable[..., Any]) -> None:
    IndexedField.objects.filter(path="result.label").update(state="filling", last_id=None)
    answer = ask("jobs", **{"workflow": "tickets", "result.label": "refund"})
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:taskflow:problem:still-indexing")


def rows_of(export: JobExport, client: Client) -> Any:
    answer = client.get(f"/admin/jobs/jobexport/{export.uid}/download/")
    data = b"".join(answer.streaming_content)
    if export.format == "xlsx":
        return [list(row) for row in load_workbook(BytesIO(data)).active.values]
    if export.format == "jsonl":
        return [json.loads(line) for line in data.decode().splitlines()]
    return [line.split(",") for line in data.decode("utf-8-sig").splitlines()]


@pytest.mark.parametrize("form", ["csv", "xlsx", "jsonl"])
def test_a_list_is_exported_in_parts_by_several_workers_with_its_columns_order_and_no_formula(
    tickets: Workflow, log_in: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setattr(runtime_exports, "PART_ROWS", 2)
    client = log_in("viewer")
    query = "result.total:gte=10&sort=result.total"
    client.post("/admin/jobs/jobexport/of/tickets/start/", {"query": query, "format": form})
    export = JobExport.objects.get()
    make_job(tickets, State.SUCCEEDED, payload={"question": "late"}, result={"label": "late", "total": 50})
    run_export(export.pk, slice_seconds=-1)
    export.refresh_from_db()
    assert (export.state, export.rows, export.worked_at) == ("running", 2, None)
    assert client.get(f"/admin/jobs/jobexport/{export.uid}/download/").status_code == 404
    died = take_export(export_id=export.pk, now=utcnow())
    assert died is not None
    run_export(export.pk)
    assert JobExport.objects.get().rows == 2
    later = utcnow().replace(year=2099)
    assert continue_stale(now=later) == 1
    JobExport.objects.update(worked_at=None)
    run_export(export.pk)
    export.refresh_from_db()
    assert (export.state, export.rows) == ("done", 4)
    rows = rows_of(export, log_in("reviewer"))
    if form == "jsonl":
        assert [row["result.label"] for row in rows] == ["refund", "other", "=1+1", None]
        assert rows[0]["job.created"] == "2026-03-02T09:00:00+00:00"
    else:
        label = rows[0].index("Label")
        assert [row[label] for row in rows[1:]] == ["refund", "other", "'=1+1", None if form == "xlsx" else ""]
        assert str(rows[1][rows[0].index("Created")]) == "2026-03-02 09:00:00"
        assert [row[rows[0].index("Total")] for row in rows[1:]] == (
            [10, 20, 30, 40] if form == "xlsx" else ["10", "20", "30", "40"]
        )
    assert prune_exports(now=utcnow(), keep_days=7) == 0
    assert prune_exports(now=later, keep_days=7) == 1
    assert not default_storage.exists(export.stored_as)
    assert not any(default_storage.exists(part) for part in export.parts)


def test_an_export_is_stopped_by_who_began_it_or_an_operator(
    tickets: Workflow, log_in: Callable[[str], Client]
) -> None:
    log_in("viewer").post("/admin/jobs/jobexport/of/tickets/start/", {"query": "", "format": "csv"})
    export = JobExport.objects.get()
    url = f"/admin/jobs/jobexport/{export.uid}/cancel/"
    assert log_in("reviewer").post(url).status_code == 403
    assert JobExport.objects.get().state == "running"
    log_in("viewer").post(url)
    run_export(export.pk)
    assert JobExport.objects.get().state == "cancelled"
    refused = log_in("viewer").post(
        "/admin/jobs/jobexport/of/tickets/start/", {"query": "result.extra=x", "format": "csv"}, follow=True
    )
    assert "has no index" in refused.content.decode()
    assert JobExport.objects.count() == 1


def test_the_api_exports_and_hands_out_the_file(tickets: Workflow, ask: Callable[..., Any]) -> None:
    body = {
        "workflow": "tickets",
        "format": "jsonl",
        "columns": ["result.total"],
        "filters": {"result.label": "refund"},
        "sort": "-result.total",
    }
    made = ask("exports", body)
    assert made.status_code == 202
    where = made["Location"].removeprefix("/api/v1/")
    assert ask(f"{where}/download").status_code == 409
    run_export(JobExport.objects.get().pk)
    assert ask(where).json() | {"state": "done", "rows": 2, "expected": 2} == ask(where).json()
    data = b"".join(ask(f"{where}/download").streaming_content)
    assert [json.loads(line)["result.total"] for line in data.decode().splitlines()] == [10, 0]
    assert ask(f"{where}/cancel", {}).status_code == 409
    for wrong in ({"format": "pdf"}, {"columns": ["nowhere"]}, {"sort": "result.nothing"}, {"filters": {"x": "y"}}):
        assert ask("exports", body | wrong).status_code == 400, wrong
