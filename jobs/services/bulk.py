"""A change to many jobs in the background: kept as a row, worked through in chunks, taken up again if a worker dies."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import F, Q

from jobs.domain.job_filter import BULK_KINDS, JobFilter
from jobs.models import BulkAction, Job
from jobs.queries.job_pages import count_up_to, last_id, list_ids
from jobs.services.control import NotCancellableError, NotRetryableError, cancel_job, retry_job
from jobs.services.versioning import LeftAlone, move_job, rerun_job
from taskflow.lib import wake
from taskflow.lib.db import in_transaction
from taskflow.lib.telemetry import emit
from tenants.models import Tenant
from workflows.models import WorkflowVersion

if TYPE_CHECKING:
    from django.contrib.auth.models import User

CHUNK = 200
TASK = "jobs.work_bulk_action"
#: An action nobody has worked on for this long is taken up by the tick.
STALE = timedelta(seconds=15)
#: Counting stops here; a larger action says "more than" and shows its progress by ids.
COUNT_LIMIT = 10_000
#: Why a job is left alone whose state changed while the action was on its way.
MOVED_ON = "had moved on to another state"


def start_bulk_action(
    *,
    tenant: Tenant,
    kind: str,
    wanted: JobFilter,
    user: "User",
    now: datetime,
    version: WorkflowVersion | None = None,
) -> BulkAction:
    """Store an action on every job of `tenant` that is there now and matches `wanted`, and send it on its way.

    Jobs are moved to, or run again on, `version`; without one, on the live version of their workflow. Raises ValueError
    for a `kind` that is not one of BULK_KINDS.
    """
    if kind not in BULK_KINDS:
        raise ValueError(f"There is no bulk action '{kind}'. Known: {', '.join(BULK_KINDS)}.")
    action = BulkAction.objects.create(
        tenant=tenant,
        kind=kind,
        filters={
            "wanted": wanted.to_json(),
            "expected": expected(tenant_id=tenant.pk, kind=kind, wanted=wanted),
            "version_id": version and version.pk,
            "version": version and version.number,
        },
        end_id=last_id(),
        created_by=user,
        created_at=now,
    )
    transaction.on_commit(lambda: hint(action.pk))
    return action


def expected(*, tenant_id: int, kind: str, wanted: JobFilter) -> int | None:
    """Return how many jobs an action would change at most; None when they are more than COUNT_LIMIT."""
    states = wanted.for_kind(kind)
    count = count_up_to(tenant_id, wanted.in_states(states), COUNT_LIMIT + 1) if states else 0
    return None if count > COUNT_LIMIT else count


def hint(action_id: int) -> None:
    """Tell a worker that the action has work; a hint that is lost is made up for by `continue_stale`."""
    wake.send(TASK, pool="default", action_id=action_id)


def stop_bulk_action(*, action: BulkAction, actor: str, now: datetime) -> bool:
    """End an action after its present chunk; False where it was over already. What is done stays done."""
    reason = f"Stopped by {actor}."
    return bool(BulkAction.objects.filter(pk=action.pk, finished_at=None).update(finished_at=now, error_message=reason))


def continue_stale(now: datetime) -> int:
    """Send a hint for every action that nobody works on; returns how many there were."""
    idle = Q(worked_at__lt=now - STALE) | Q(worked_at=None, created_at__lt=now - STALE)
    stale = list(BulkAction.objects.filter(idle, finished_at=None).values_list("pk", flat=True)[:100])
    for action_id in stale:
        hint(action_id)
    return len(stale)


def take_bulk_action(*, action_id: int, now: datetime) -> BulkAction | None:
    """Make this process the one that works on the action; None when it is over or another one is at it."""
    free = Q(worked_at=None) | Q(worked_at__lt=now - STALE)
    taken = BulkAction.objects.filter(free, pk=action_id, finished_at=None).update(worked_at=now)
    return BulkAction.objects.select_related("created_by").get(pk=action_id) if taken else None


def work_chunk(*, action: BulkAction, now: datetime) -> bool:
    """Change the next jobs of an action that this process holds, and record how far it is, in one transaction.

    Returns whether more is to do. `worked_at` is the fence: whoever finds another value in the row has lost the action
    and writes nothing.
    """
    return in_transaction(lambda: _work_chunk(action, now))


def release_bulk_action(*, action: BulkAction) -> None:
    """Let any process go on with the action at once."""
    BulkAction.objects.filter(pk=action.pk, worked_at=action.worked_at, finished_at=None).update(worked_at=None)
    hint(action.pk)


def _work_chunk(action: BulkAction, now: datetime) -> bool:
    held = BulkAction.objects.select_for_update().filter(pk=action.pk, finished_at=None, worked_at=action.worked_at)
    row = held.first()
    if row is None:
        return False
    jobs = _next_jobs(row)
    change = _changer(row, str(row.created_by or "")[:100], now)
    reasons = Counter(map(change, jobs))
    changed = reasons.pop("", 0)
    done = len(jobs) < CHUNK
    BulkAction.objects.filter(pk=row.pk).update(
        last_id=jobs[-1].pk if jobs else row.end_id,
        seen=F("seen") + len(jobs),
        changed=F("changed") + changed,
        skipped=F("skipped") + len(jobs) - changed,
        filters=row.filters | {"skipped": dict(reasons + Counter(row.filters.get("skipped", {})))},
        worked_at=now,
        finished_at=now if done else None,
    )
    action.worked_at = now
    emit("bulk.chunk", kind=row.kind, tenant=row.tenant_id, seen=len(jobs), changed=changed)
    return not done


def _next_jobs(action: BulkAction) -> list[Job]:
    wanted = JobFilter.from_json(action.filters["wanted"])
    states = wanted.for_kind(action.kind)
    if not states:
        return []
    left = Q(pk__lte=action.end_id)
    ids = list_ids(action.tenant_id, wanted.in_states(states), after=action.last_id, size=CHUNK, extra=left)
    return list(Job.objects.filter(pk__in=ids).select_related("workflow__live_version").order_by("pk"))


def _changer(action: BulkAction, actor: str, now: datetime) -> Callable[[Job], str]:
    """Return what is done to one job: it says why the job was left alone, or nothing."""
    version_id = action.filters.get("version_id")
    version = WorkflowVersion.objects.filter(pk=version_id).first() if version_id else None

    def change(job: Job) -> str:
        try:
            if action.kind in ("move", "rerun"):
                _reversion(action.kind, job, version or job.workflow.live_version, actor, now)
            else:
                (cancel_job if action.kind == "cancel" else retry_job)(job=job, actor=actor, now=now)
        except (NotCancellableError, NotRetryableError):
            return MOVED_ON
        except LeftAlone as reason:
            return str(reason)
        return ""

    return change


def _reversion(kind: str, job: Job, version: WorkflowVersion | None, actor: str, now: datetime) -> None:
    if version is None or version.workflow_id != job.workflow_id:
        raise LeftAlone("have a workflow without that version")
    (move_job if kind == "move" else rerun_job)(job=job, version=version, actor=actor, now=now)
