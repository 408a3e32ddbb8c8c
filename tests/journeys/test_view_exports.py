"""Views over the API, and exports of what lists show."""

import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from openpyxl import load_workbook

from jobs.domain.states import State
from jobs.models import IndexedField, JobExport
from jobs.runtime import exports as runtime_exports
from jobs.runtime.exports import run_export
from jobs.services.exports import continue_stale, prune_exports, take_export
from taskflow.lib.clock import utcnow
from tenants.services import create_api_key
from tests.factories import Cast, make_job
from tests.journeys.ticket_views import LogIn, logging_in_to, make_tickets, save
from workflows.models import Workflow


@pytest.fixture
def tickets(acme: Cast) -> Workflow:
    return make_tickets(acme)


@pytest.fixture
def log_in(acme: Cast) -> LogIn:
    return logging_in_to(acme)


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
    tickets: Workflow, ask: Callable[..., Any], log_in: LogIn
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
    tickets: Workflow, log_in: LogIn, monkeypatch: pytest.MonkeyPatch, form: str
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


def test_an_export_is_stopped_by_who_began_it_or_an_operator(tickets: Workflow, log_in: LogIn) -> None:
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
