"""Views to look at: a shared one with colours and counts, a private one, their index, and exports."""

from datetime import datetime, timedelta

from jobs.domain.job_filter import JobFilter
from jobs.domain.view_spec import ViewSpec
from jobs.models import IndexedField, JobExport, SavedView
from jobs.services.indexing import SETTLE, take_field, work_field
from jobs.services.views import save_view
from tests.factories import Cast
from workflows.models import Workflow

SPEC = {
    "columns": [
        {"path": "payload.question"},
        {"path": "result.team"},
        {"path": "result.total", "label": "Amount"},
        {"path": "job.created"},
        {"path": "job.duration"},
    ],
    "filters": [{"path": "payload.question", "op": "contains", "value": "my"}],
    "count": "result.team",
    "colours": [
        {"path": "job.state", "op": "in", "value": "FAILED, DEAD", "colour": "red"},
        {"path": "payload.question", "op": "contains", "value": "PIN", "colour": "amber"},
        {"path": "result.team", "op": "is", "value": "Cards", "colour": "green"},
    ],
}


def add_views(cast: Cast, tickets: Workflow, now: datetime) -> None:
    """Save two views and fill their index but for one field; make exports in several states."""
    early = now - SETTLE * 2
    shared = {"name": "Cards and PINs", "shared": True}
    save_view(workflow=tickets, user=cast.editor, spec=ViewSpec.model_validate(SPEC), now=early, **shared)
    spec = ViewSpec.model_validate({"sort": "-result.total"})
    save_view(workflow=tickets, user=cast.operator, name="Largest first", spec=spec, shared=False, now=early)
    for row in IndexedField.objects.exclude(path="result.total"):
        held = take_field(field_id=row.pk, now=now)
        while held is not None and work_field(field=held, now=now):
            pass
    known = {"tenant": cast.tenant, "workflow": tickets, "wanted": JobFilter().to_json(), "actor": "operator@acme.test"}
    for number, (state, form, rows) in enumerate([("done", "xlsx", 1250), ("cancelled", "csv", 400)]):
        over = {"finished_at": now - timedelta(minutes=4), "size": 84_213 if state == "done" else 0}
        at = now - timedelta(minutes=5 + number)
        JobExport.objects.create(
            name="Cards and PINs", state=state, format=form, rows=rows, created_at=at, **over, **known
        )
    running = {"worked_at": now + timedelta(days=1), "expected": 5_000, "rows": 2_000}
    JobExport.objects.create(name="Tickets", state="running", format="jsonl", created_at=now, **running, **known)


def view_pages(cast: Cast) -> dict[str, tuple[str, str]]:
    """Return the pages of views to take pictures of."""
    operator, editor = cast.operator.username, cast.editor.username
    shared, private = SavedView.objects.get(shared=True), SavedView.objects.get(shared=False)
    running = JobExport.objects.get(state="running")
    of = "/admin/jobs/job/of/tickets/"
    return {
        "view": (operator, f"{of}?view={shared.uid}"),
        "view-with-conditions": (operator, f"{of}?view={shared.uid}&result.team=Cards&sort=payload.question"),
        "view-being-indexed": (operator, f"{of}?view={private.uid}"),
        "view-form": (editor, f"/admin/build/tickets/views/{shared.uid}/"),
        "view-form-of-another": (operator, f"/admin/build/tickets/views/{shared.uid}/"),
        "view-new": (operator, "/admin/build/tickets/views/new/?result.team=Cards"),
        "views": (operator, "/admin/build/tickets/views/"),
        "views-empty": (operator, "/admin/build/receipts/views/"),
        "exports": (operator, "/admin/jobs/jobexport/"),
        "exports-empty": ("operator@empty.test", "/admin/jobs/jobexport/"),
        "export": (operator, f"/admin/jobs/jobexport/{running.uid}/change/"),
    }
