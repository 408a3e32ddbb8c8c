"""What people do to a job: cancel it, retry it, answer it."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import connection

from jobs.domain.states import CANCELLABLE, RETRYABLE, EventKind, State
from jobs.domain.submission import SubmissionError
from jobs.models import Event, Job, Join, Review, StepRun
from jobs.services.figures import uncount
from jobs.services.values import refresh_values
from jobs.services.waits import end_waits
from jobs.services.wake import wake_on_commit
from taskflow.lib.db import in_transaction
from workflows.domain.fields import check_payload
from workflows.models import Step


class NotCancellableError(Exception):
    """The job is final already."""


class NotRetryableError(Exception):
    """The job is not FAILED, DEAD or CANCELLED."""


class UnknownStepError(ValueError):
    """The job's version has no such step, or the job never came that far."""


class NotWaitingError(Exception):
    """The job does not wait for an answer."""


def cancel_job(*, job: Job, actor: str, now: datetime) -> Job:
    """Cancel a job: at once when nothing runs it, else at its next step. Asking again changes nothing.

    Returns the job as it is now. Raises NotCancellableError when it is final already.
    """
    return _locked(job.pk, lambda row: _cancel(row, actor, now))


def _cancel(job: Job, actor: str, now: datetime) -> Job:
    if job.state == State.CANCELLED or job.cancel_requested_at is not None:
        return job
    if job.state in CANCELLABLE:
        waited = job.state == State.WAITING
        job.state, job.wake_at, job.finished_at = State.CANCELLED.value, None, now
        job.save(update_fields=["state", "wake_at", "finished_at"])
        _log(job, EventKind.CANCELLED, actor, now, state=State.CANCELLED)
        if waited:
            end_waits([job.pk], now=now)
        refresh_values([(job.pk, job.workflow_id)])
    elif job.state == State.RUNNING:
        job.cancel_requested_at = now
        job.save(update_fields=["cancel_requested_at"])
        _log(job, EventKind.CANCEL_REQUESTED, actor, now)
    else:
        raise NotCancellableError(f"The job is {job.state} already.")
    return job


def retry_job(
    *, job: Job, actor: str, now: datetime, from_step: str | None = None, payload: dict[str, Any] | None = None
) -> Job:
    """Run a FAILED, DEAD or CANCELLED job again: from where it stopped, or from `from_step`, with fresh budgets.

    An edited payload starts it from the first step unless `from_step` says otherwise. Returns the job as it is now.
    Raises NotRetryableError, UnknownStepError, or SubmissionError for a payload that does not fit the fields.
    """
    return _locked(job.pk, lambda row: _retry(row, actor, now, from_step, payload))


def _retry(job: Job, actor: str, now: datetime, from_step: str | None, payload: dict[str, Any] | None) -> Job:
    if job.state not in RETRYABLE:
        raise NotRetryableError(f"The job is {job.state}; only FAILED, DEAD and CANCELLED jobs can be retried.")
    if payload is not None:
        _check(job, payload)
        job.payload = payload
    before = job.position
    if from_step is not None:
        job.position = _position_of(job, from_step)
    elif payload is not None:
        job.position = 0
    steps = Step.objects.filter(version_id=job.version_id)
    if job.position >= steps.count():
        job.position = max(steps.count() - 1, 0)
    data = {"from_step": _step_key(job), "was": job.state, "payload_edited": payload is not None}
    data["position"] = job.position
    uncount(job, now=now)
    _reset(job, now)
    job.save()
    refresh_values([(job.pk, job.workflow_id)], payload=payload is not None)
    kind = EventKind.REQUEUED if data["was"] == State.DEAD and before == job.position else EventKind.RETRIED
    _log(job, kind, actor, now, state=State.PENDING, data=data)
    wake_on_commit(queue_id=job.queue_id, now=now)
    return job


def _reset(job: Job, now: datetime) -> None:
    """Make the job due again, as its next run; what it did stays in its history."""
    job.state = State.PENDING.value
    job.due_at = now
    job.failures = job.crashes = 0
    job.run_number += 1
    job.result = job.error_message = job.finished_at = job.wake_at = job.cancel_requested_at = None
    job.error_class = ""


def _check(job: Job, payload: dict[str, Any]) -> None:
    problems = [
        (f"payload.{problem.field}" if problem.field else "payload", problem.message)
        for problem in check_payload(job.version.fields, payload)
    ]
    if problems:
        raise SubmissionError(problems)


def _position_of(job: Job, key: str) -> int:
    """Return the position of a step the job may start again from: one it has passed, or stands at."""
    keys = list(Step.objects.filter(version_id=job.version_id).order_by("position").values_list("key", flat=True))
    if key not in keys:
        raise UnknownStepError(f"There is no step '{key}'. The steps are: {', '.join(keys)}.")
    position = keys.index(key)
    if position > job.position:
        raise UnknownStepError(f"The job has not reached the step '{key}' yet; it stopped at '{keys[job.position]}'.")
    return position


def _step_key(job: Job) -> str:
    step = Step.objects.filter(version_id=job.version_id).order_by("position")[job.position : job.position + 1].first()
    return step.key if step else ""


def answer_job(*, job: Job, output: dict[str, Any], actor: str, now: datetime) -> Job:
    """Give a WAITING job the answer it waits for: the output of the step it stands at; it goes on with the next.

    Raises NotWaitingError.
    """
    return _locked(job.pk, lambda row: _answer(row, output, actor, now))


def _answer(job: Job, output: dict[str, Any], actor: str, now: datetime) -> Job:
    if job.state != State.WAITING:
        raise NotWaitingError(f"The job is {job.state}; it does not wait for an answer.")
    key = _step_key(job)
    if Review.objects.filter(job=job, run_number=job.run_number, position=job.position).exists():
        raise NotWaitingError("The job waits for a reviewer; decide its review.")
    if Join.objects.filter(pk=job.pk).exists():
        raise NotWaitingError("The job waits for its sub-jobs.")
    StepRun.objects.create(
        job=job,
        position=job.position,
        run_number=job.run_number,
        attempt=job.attempts,
        step_key=key,
        output=output,
        seconds=0.0,
        finished_at=now,
    )
    job.state, job.due_at, job.wake_at = State.PENDING.value, now, None
    job.position += 1
    job.save(update_fields=["state", "due_at", "wake_at", "position"])
    refresh_values([(job.pk, job.workflow_id)])
    _log(job, EventKind.ANSWERED, actor, now, state=State.PENDING, data={"step": key})
    wake_on_commit(queue_id=job.queue_id, now=now)
    return job


def _locked(pk: int, work: Callable[[Job], Job]) -> Job:
    """Do `work` on the job's row under its lock, in one transaction."""

    def locking() -> Job:
        rows = Job.objects.all()
        if connection.features.has_select_for_update:
            rows = rows.select_for_update()
        return work(rows.get(pk=pk))

    return in_transaction(locking)


def _log(
    job: Job,
    kind: EventKind,
    actor: str,
    now: datetime,
    *,
    state: State | None = None,
    data: dict[str, Any] | None = None,
) -> None:
    Event.objects.create(
        job=job,
        at=now,
        kind=kind.value,
        state=state.value if state else "",
        attempt=job.attempts,
        actor=actor,
        data=data,
    )
