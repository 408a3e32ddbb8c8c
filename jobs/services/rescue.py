"""What happens by itself: jobs that come due, jobs whose worker died, answers that never came."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection
from django.db.models import Exists, OuterRef

from jobs.domain.states import AttemptOutcome, EventKind, State
from jobs.domain.transitions import Transition, worker_lost
from jobs.models import Attempt, Event, Job, Queue, WorkerLease
from jobs.services.claim_sql import due_tenants
from jobs.services.finish import cancel_requested
from jobs.services.values import refresh_by_id, refresh_values
from jobs.services.wake import wake, wake_on_commit
from taskflow.lib.db import in_transaction

BATCH = 500
NO_ANSWER = "The answer this job waited for did not come in time."


def promote_due(*, now: datetime) -> int:
    """Make SCHEDULED jobs whose time has come PENDING, and fail WAITING ones whose answer did not come in time.

    At most `BATCH` a call; returns how many changed.
    """
    return in_transaction(lambda: _promote(now))


def _promote(now: datetime) -> int:
    rows = Job.objects.filter(wake_at__lte=now, state__in=[State.SCHEDULED.value, State.WAITING.value])
    if connection.features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=True)
    jobs = list(rows.order_by("wake_at").only("id", "state", "queue_id", "attempts")[:BATCH])
    due = [job for job in jobs if job.state == State.SCHEDULED]
    late = [job for job in jobs if job.state == State.WAITING]
    _set_pending(due, now)
    _fail_waiting(late, now)
    for queue_id in {job.queue_id for job in due}:
        wake_on_commit(queue_id=queue_id, now=now)
    return len(jobs)


def _set_pending(jobs: Sequence[Job], now: datetime) -> None:
    if not jobs:
        return
    Job.objects.filter(pk__in=[job.pk for job in jobs]).update(state=State.PENDING.value, wake_at=None)
    _log(jobs, EventKind.PROMOTED, State.PENDING, now)


def _fail_waiting(jobs: Sequence[Job], now: datetime) -> None:
    if not jobs:
        return
    Job.objects.filter(pk__in=[job.pk for job in jobs]).update(
        state=State.FAILED.value,
        wake_at=None,
        finished_at=now,
        error_class="AnswerTimeout",
        error_message=NO_ANSWER,
    )
    _log(jobs, EventKind.FAILED, State.FAILED, now, {"error": "AnswerTimeout", "message": NO_ANSWER})
    refresh_by_id([job.pk for job in jobs])


def _log(jobs: Sequence[Job], kind: EventKind, state: State, now: datetime, data: dict[str, str] | None = None) -> None:
    told = {"at": now, "kind": kind.value, "state": state.value, "actor": "engine", "data": data}
    Event.objects.bulk_create(Event(job=job, attempt=job.attempts, **told) for job in jobs)


def wake_queues_with_work(*, now: datetime) -> int:
    """Wake every queue that has due jobs and is not paused; returns how many were sent a drain."""
    queues = Queue.objects.filter(paused_at__isnull=True).values_list("pk", flat=True)
    return sum(wake(queue_id=pk, now=now) for pk in queues if due_tenants(pk))


def rescue_orphans(*, now: datetime, crash_budget: int) -> int:
    """Take back jobs whose lease has ended or is gone; returns how many. At most `BATCH` a call."""
    living = WorkerLease.objects.filter(pk=OuterRef("lease_id"), ended_at__isnull=True)
    queues = list(Queue.objects.values_list("pk", flat=True))
    orphans = Job.objects.filter(~Exists(living), queue_id__in=queues, state=State.RUNNING.value)
    ids = list(orphans.values_list("pk", flat=True)[:BATCH])
    return sum(in_transaction(lambda pk=pk: _rescue(pk, now, crash_budget)) for pk in ids)  # type: ignore[misc]


def _rescue(pk: int, now: datetime, crash_budget: int) -> bool:
    rows = Job.objects.filter(pk=pk, state=State.RUNNING.value)
    if connection.features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=True)
    job = rows.first()
    if job is None:
        return False
    lease = WorkerLease.objects.filter(pk=job.lease_id).first()
    if lease is not None and lease.ended_at is None:
        return False
    worker = str(lease) if lease else "that is gone"
    ending = worker_lost(crashes=job.crashes, budget=crash_budget, worker=worker)
    _take_back(job, ending, worker, now)
    wake_on_commit(queue_id=job.queue_id, now=now)
    return True


def _take_back(job: Job, ending: Transition, worker: str, now: datetime) -> None:
    """End the attempt of the dead worker; the row is locked."""
    failure = ending.failure
    dead = ending.state is State.DEAD
    Job.objects.filter(pk=job.pk).update(
        state=ending.state.value,
        crashes=ending.crashes,
        lease_id=None,
        claim_token=None,
        finished_at=now if dead else None,
        error_class=failure.name if failure else "",
        error_message=failure.message if failure else None,
        cancel_requested_at=None if dead else job.cancel_requested_at,
    )
    Attempt.objects.create(
        job=job,
        number=job.attempts,
        outcome=AttemptOutcome.WORKER_LOST.value,
        worker=worker,
        error_class=failure.name if failure else "",
        error_message=failure.message if failure else None,
        started_at=job.started_at or now,
        finished_at=now,
    )
    Event.objects.create(
        job=job,
        at=now,
        kind=ending.event.value,
        state=ending.state.value,
        attempt=job.attempts,
        actor="engine",
        data=ending.data,
    )
    refresh_values([(job.pk, job.workflow_id)])
    if not dead:
        cancel_requested([job.pk], now)


def release_unheld(*, lease_id: int, held: Sequence[int], now: datetime) -> int:
    """Give back jobs that point to a living lease whose process does not know of them; returns how many.

    They are left when a connection broke while a claim was being committed.
    """
    rows = Job.objects.filter(lease_id=lease_id, state=State.RUNNING.value, queue_id__in=Queue.objects.values("pk"))
    ids = list(rows.exclude(pk__in=list(held)).values_list("pk", flat=True))
    return sum(in_transaction(lambda pk=pk: _release(pk, lease_id, now)) for pk in ids)  # type: ignore[misc]


def _release(pk: int, lease_id: int, now: datetime) -> bool:
    job = Job.objects.filter(pk=pk).first()
    rows = Job.objects.filter(pk=pk, lease_id=lease_id, state=State.RUNNING.value)
    changed = job is not None and rows.update(
        state=State.PENDING.value, lease_id=None, claim_token=None, attempts=max(job.attempts - 1, 0)
    )
    if not job or not changed:
        return False
    Event.objects.create(
        job=job,
        at=now,
        kind=EventKind.RELEASED.value,
        state=State.PENDING.value,
        attempt=job.attempts,
        actor="engine",
        data={"reason": "the worker did not know it held this job"},
    )
    wake_on_commit(queue_id=job.queue_id, now=now)
    return True
