"""Which fields have an index, and filling or dropping what a change of that leaves to do, in the background.

A new field is filled from the newest job down, a chunk in a transaction with how far it is. It begins some seconds
after the field was added: by then every process writes the field for whatever it changes, and what was changed before
holds its job's lock until it is committed, which the filling waits for.
"""

from datetime import datetime, timedelta

from django.db import connection
from django.db.models import BigIntegerField, F, Q, Value
from django.db.models.functions import Coalesce

from jobs.domain.job_filter import JobFilter
from jobs.domain.view_paths import is_fixed
from jobs.models import IndexedField, Job, JobValue, ValueIndex
from jobs.queries.indexed import CACHE_SECONDS, Indexed, wanted_paths
from jobs.queries.job_pages import last_id, list_ids
from jobs.services.values import write_values
from taskflow.lib import wake
from taskflow.lib.db import in_transaction
from taskflow.lib.telemetry import emit
from workflows.models import Workflow
from workflows.services.locks import lock_workflow

TASK = "jobs.work_index"
CHUNK, DROP_CHUNK = 500, 2_000
#: A field nobody has worked on for this long is taken up by the tick.
STALE = timedelta(seconds=15)
SETTLE = timedelta(seconds=CACHE_SECONDS + 4)
SYNC_AT_ONCE = 50


def sync_fields(*, workflow: Workflow, now: datetime) -> None:
    """Bring the list of indexed fields in line with what the workflow's list and views ask for."""
    in_transaction(lambda: _sync(workflow, now))


def _sync(workflow: Workflow, now: datetime) -> None:
    lock_workflow(workflow)
    wanted = wanted_paths(workflow)
    rows = {row.path: row for row in IndexedField.objects.filter(workflow=workflow)}
    begins_at, top = now + SETTLE, last_id()
    bottom = Job.objects.filter(workflow=workflow).order_by("pk").values_list("pk", flat=True).first() or top
    fresh = {"state": IndexedField.State.FILLING, "begins_at": begins_at, "top_id": top, "bottom_id": bottom}
    for path in wanted:
        row = rows.get(path)
        if row is None:
            IndexedField.objects.create(workflow=workflow, path=path, **fresh)
        elif row.state == IndexedField.State.DROPPING:
            IndexedField.objects.filter(pk=row.pk).update(last_id=None, worked_at=None, **fresh)
    unused = [row.pk for path, row in rows.items() if path not in wanted and row.state != IndexedField.State.DROPPING]
    changes = {"state": IndexedField.State.DROPPING, "begins_at": begins_at, "worked_at": None}
    IndexedField.objects.filter(pk__in=unused).update(**changes)
    versions = {"version_id": workflow.live_version_id or 0, "next_version_id": workflow.next_version_id or 0}
    ValueIndex.objects.update_or_create(workflow=workflow, defaults=versions)


def sync_published(*, now: datetime) -> int:
    """Do so for workflows whose live or released version is another than the last time; returns how many."""
    released = Coalesce(F("next_version_id"), Value(0), output_field=BigIntegerField())
    same = Q(value_index__version_id=F("live_version_id"), value_index__next_version_id=released)
    rows = Workflow.objects.filter(Q(value_index=None) | ~same, live_version__isnull=False).select_related(
        "live_version", "next_version"
    )
    workflows = list(rows[:SYNC_AT_ONCE])
    for workflow in workflows:
        sync_fields(workflow=workflow, now=now)
    return len(workflows)


def continue_stale(*, now: datetime) -> int:
    """Send a hint for every field with work that nobody is at; returns how many there were."""
    idle = Q(worked_at=None) | Q(worked_at__lt=now - STALE)
    unready = (IndexedField.State.FILLING, IndexedField.State.DROPPING)
    rows = IndexedField.objects.filter(idle, state__in=unready, begins_at__lte=now)
    stale = list(rows.values_list("pk", flat=True)[:100])
    for field_id in stale:
        hint(field_id)
    return len(stale)


def hint(field_id: int) -> None:
    """Tell a worker that a field has work; a hint that is lost is made up for by `continue_stale`."""
    wake.send(TASK, pool="default", field_id=field_id)


def take_field(*, field_id: int, now: datetime) -> IndexedField | None:
    """Make this process the one that works on the field; None when there is nothing to do or another one is at it."""
    free = Q(worked_at=None) | Q(worked_at__lt=now - STALE)
    rows = IndexedField.objects.filter(free, pk=field_id, begins_at__lte=now).exclude(state=IndexedField.State.READY)
    return IndexedField.objects.select_related("workflow").get(pk=field_id) if rows.update(worked_at=now) else None


def release_field(*, field: IndexedField) -> None:
    """Let any process go on with the field at once."""
    IndexedField.objects.filter(pk=field.pk, worked_at=field.worked_at).update(worked_at=None)
    hint(field.pk)


def work_field(*, field: IndexedField, now: datetime) -> bool:
    """Fill or drop the next values of a field that this process holds; returns whether more is to do."""
    dropping = field.state == IndexedField.State.DROPPING
    return in_transaction(lambda: (_drop if dropping else _fill)(field, now))


def _held(field: IndexedField) -> IndexedField | None:
    rows = IndexedField.objects.select_for_update()
    return rows.filter(pk=field.pk, state=field.state, worked_at=field.worked_at).first()


def _fill(field: IndexedField, now: datetime) -> bool:
    row = _held(field)
    if row is None:
        return False
    wanted = JobFilter(workflow_id=row.workflow_id)
    ids = list_ids(field.workflow.tenant_id, wanted, before=row.last_id, size=CHUNK)
    low = ids[-1] if len(ids) == CHUNK else 0
    locked = _lock_jobs(row.workflow_id, low, row.last_id)
    for start in range(0, len(locked), CHUNK):
        write_values(locked[start : start + CHUNK], [Indexed(row.pk, row.path, is_fixed(row.path))])
    state = IndexedField.State.FILLING if low else IndexedField.State.READY
    IndexedField.objects.filter(pk=row.pk).update(state=state, last_id=low, worked_at=now if low else None)
    field.worked_at = now
    emit("index.chunk", path=row.path, jobs=len(locked))
    return bool(low)


def _lock_jobs(workflow_id: int, low: int, high: int | None) -> list[int]:
    """Lock a workflow's jobs in a range of ids, waiting for those that are just being written; returns their ids."""
    rows = Job.objects.filter(workflow_id=workflow_id, pk__gte=low)
    rows = rows if high is None else rows.filter(pk__lt=high)
    if connection.features.has_select_for_update:
        rows = rows.select_for_update()
    return list(rows.order_by("pk").values_list("pk", flat=True))


def _drop(field: IndexedField, now: datetime) -> bool:
    row = _held(field)
    if row is None:
        return False
    values = JobValue.objects.filter(field_id=row.pk)
    ids = list(values.values_list("job_id", flat=True)[:DROP_CHUNK])
    if not ids:
        IndexedField.objects.filter(pk=row.pk).delete()
        return False
    with connection.cursor() as cursor:
        marks = ", ".join(["%s"] * len(ids))
        cursor.execute(f"DELETE FROM jobs_jobvalue WHERE field_id = %s AND job_id IN ({marks})", [row.pk, *ids])  # noqa: S608
    IndexedField.objects.filter(pk=row.pk).update(worked_at=now)
    field.worked_at = now
    return True
