"""Exports: started, taken up by a worker, recorded part by part, ended, and thrown away after some days."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import F, Q

from jobs.domain.job_filter import JobFilter
from jobs.domain.view_spec import ViewSpec
from jobs.models import IndexedField, JobExport
from jobs.queries.indexed import get_fields
from jobs.queries.job_pages import count_up_to, last_id
from jobs.queries.value_pages import Place
from jobs.services.indexing import sync_fields
from taskflow.lib import wake
from taskflow.lib.telemetry import emit
from workflows.models import Workflow

if TYPE_CHECKING:
    from django.contrib.auth.models import User

TASK = "jobs.work_export"
STALE = timedelta(seconds=15)
#: Counting what comes stops here.
COUNT_LIMIT = 10_000
PRUNE_AT_ONCE = 100


class NotReady(ValueError):
    """What the export asks by has no index, or not yet; says so in words for people. `path` names it."""

    def __init__(self, path: str, message: str, *, filling: bool = False) -> None:
        self.path = path
        self.filling = filling
        super().__init__(message)


def start_export(
    *,
    workflow: Workflow,
    name: str,
    spec: ViewSpec,
    wanted: JobFilter,
    form: str,
    actor: str,
    now: datetime,
    user: "User | None" = None,
) -> JobExport:
    """Begin to write the jobs that `wanted` means as a file, with the columns and the order of `spec`.

    Jobs that are made later are not in it. Raises NotReady.
    """
    require_index(workflow.pk, [*(each.path for each in wanted.values), *([spec.sort_path] if spec.sort else [])])
    count = count_up_to(workflow.tenant_id, wanted, COUNT_LIMIT + 1)
    export = JobExport.objects.create(
        tenant_id=workflow.tenant_id,
        workflow=workflow,
        name=name[:100],
        format=form,
        spec=spec.to_json(),
        wanted=wanted.to_json(),
        end_id=last_id(),
        expected=None if count > COUNT_LIMIT else count,
        actor=actor[:100],
        created_by=user,
        created_at=now,
    )
    transaction.on_commit(lambda: hint(export.pk))
    return export


def require_index(workflow_id: int, paths: Sequence[str]) -> None:
    """Raise NotReady unless all of these fields are indexed, for every job."""
    known = get_fields(workflow_id)
    for path in paths:
        row = known.get(path)
        if row is None:
            raise NotReady(path, f"'{path}' has no index. Save a view that asks for it, or mark it to show in lists.")
        if row.state == IndexedField.State.FILLING:
            message = f"'{path}' is still being indexed: {row.percent} %. Wait until it is done."
            raise NotReady(path, message, filling=True)


def hint(export_id: int) -> None:
    """Tell a worker that the export has work; a hint that is lost is made up for by `continue_stale`."""
    wake.send(TASK, pool="default", export_id=export_id)


def continue_stale(*, now: datetime) -> int:
    """Send a hint for every export that nobody works on; returns how many there were."""
    idle = Q(worked_at__lt=now - STALE) | Q(worked_at=None, created_at__lt=now - STALE)
    rows = JobExport.objects.filter(idle, state=JobExport.State.RUNNING)
    stale = list(rows.values_list("pk", flat=True)[:100])
    for export_id in stale:
        hint(export_id)
    return len(stale)


def take_export(*, export_id: int, now: datetime) -> JobExport | None:
    """Make this process the one that works on the export; None when it is over or another one is at it."""
    free = Q(worked_at=None) | Q(worked_at__lt=now - STALE)
    taken = JobExport.objects.filter(free, pk=export_id, state=JobExport.State.RUNNING).update(worked_at=now)
    rows = JobExport.objects.select_related("workflow__live_version", "tenant")
    return rows.get(pk=export_id) if taken else None


def release_export(*, export: JobExport) -> None:
    """Let any process go on with the export at once."""
    _held(export).update(worked_at=None)
    hint(export.pk)


def beat(*, export: JobExport, now: datetime) -> bool:
    """Say that this process is still at it; False where it has lost the export."""
    return _record(export, now)


def add_part(*, export: JobExport, key: str, rows: int, place: Place, now: datetime) -> bool:
    """Record a part that is stored, and where the next one goes on; False where the export is lost, or over."""
    parts, cursor = [*export.parts, key], [place.value, place.job_id]
    if not _record(export, now, parts=parts, cursor=cursor, rows=F("rows") + rows):
        return False
    export.parts, export.cursor = parts, cursor
    emit("export.part", rows=rows, tenant=export.tenant_id)
    return True


def end_export(*, export: JobExport, now: datetime, key: str = "", size: int = 0, problem: str = "") -> bool:
    """End an export with its file, or with what went wrong; False where it is lost, or over."""
    state = JobExport.State.FAILED if problem else JobExport.State.DONE
    changes = {"state": state, "stored_as": key, "size": size, "error_message": problem, "finished_at": now}
    if not _record(export, now, **changes):
        return False
    _drop_parts(export)
    sync_fields(workflow=export.workflow, now=now)
    return True


def cancel_export(*, export: JobExport, actor: str, now: datetime) -> bool:
    """End an export and throw its parts away. False where it was over already."""
    rows = JobExport.objects.filter(pk=export.pk, state=JobExport.State.RUNNING)
    changed = rows.update(
        state=JobExport.State.CANCELLED, finished_at=now, error_message=f"Cancelled by {actor}.", worked_at=None
    )
    if changed:
        export.refresh_from_db()
        _drop_parts(export)
        sync_fields(workflow=export.workflow, now=now)
    return bool(changed)


def prune_exports(*, now: datetime, keep_days: int) -> int:
    """Throw away exports that are over and older than `keep_days`, with their files; returns how many."""
    old = JobExport.objects.filter(finished_at__lt=now - timedelta(days=keep_days)).order_by("pk")[:PRUNE_AT_ONCE]
    count = 0
    for export in old:
        _drop_parts(export)
        if export.stored_as:
            default_storage.delete(export.stored_as)
        export.delete()
        count += 1
    return count


def _record(export: JobExport, now: datetime, **changes: Any) -> bool:
    changed = _held(export).update(worked_at=now, **changes)
    if changed:
        export.worked_at = now
    return bool(changed)


def _held(export: JobExport) -> Any:
    return JobExport.objects.filter(pk=export.pk, worked_at=export.worked_at, state=JobExport.State.RUNNING)


def _drop_parts(export: JobExport) -> None:
    for key in export.parts:
        default_storage.delete(key)
