"""Writing down what became of claimed jobs: one transaction for many, fenced by the claim token.

A worker whose lease was ended no longer holds the token: its reports are dropped, told in the job's log, and
nothing else is written.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, connection
from django.db.models import F

from jobs.domain.states import FINAL, AttemptOutcome, EventKind, State
from jobs.domain.submission import SubmissionError
from jobs.domain.transitions import Transition
from jobs.domain.work import ClaimedJob, Report, StepRecord
from jobs.models import Attempt, Event, Job, StepRun
from jobs.services.joins import start_join
from jobs.services.llm import record_calls
from jobs.services.submit import submit_jobs
from jobs.services.values import refresh_by_id, refresh_values
from jobs.services.waits import end_waits, open_reviews
from taskflow.lib.db import batches, database_time, in_transaction, insert_rows
from taskflow.lib.fields import dump_json
from taskflow.lib.telemetry import emit, span

EVENT_COLUMNS = ("job_id", "at", "kind", "state", "attempt", "actor", "data")
STEP_COLUMNS = (
    "job_id",
    "position",
    "run_number",
    "attempt",
    "step_key",
    "output",
    "error",
    "seconds",
    "input_tokens",
    "output_tokens",
    "cost",
    "confidence",
    "confidence_by",
    "model",
    "finished_at",
)
ATTEMPT_COLUMNS = (
    "job_id",
    "number",
    "outcome",
    "worker",
    "step_key",
    "error_class",
    "error_message",
    "traceback",
    "started_at",
    "finished_at",
)
MESSAGE_LENGTH = 20_000


class LeaseLostError(Exception):
    """Some of the jobs are no longer held by who reports on them."""


def flush(reports: Sequence[Report], *, worker: str, now: datetime) -> list[Report]:
    """Write the reports in one transaction; returns those that were written.

    The others were taken from this worker meanwhile: a LEASE_LOST line in their log is all that is left of them.
    Safe to call again after a connection broke in the middle, whether or not the transaction had been committed.
    """
    if not reports:
        return []
    with span("engine.flush", jobs=len(reports)):
        try:
            in_transaction(lambda: _write(reports, worker, now))
            return list(reports)
        except (LeaseLostError, IntegrityError):
            return in_transaction(lambda: _write_held(reports, worker, now))


def _write_held(reports: Sequence[Report], worker: str, now: datetime) -> list[Report]:
    """Write what is still held and not yet written; log the rest as lost."""
    by_id = {report.job.id: report for report in reports}
    rows = Job.objects.filter(pk__in=by_id, state=State.RUNNING.value).values_list("pk", "claim_token")
    if connection.features.has_select_for_update:
        rows = rows.select_for_update()
    held = {pk for pk, token in rows if token == by_id[pk].job.claim_token}
    written = set(StepRun.objects.filter(job_id__in=held).values_list("job_id", "position", "run_number"))
    kept = [report for report in reports if report.job.id in held]
    for report in kept:
        job = report.job
        steps = [step for step in report.steps if (job.id, step.position, job.run_number) not in written]
        if len(steps) < len(report.steps):
            # This very report was committed before the connection broke, and its sub-jobs with it.
            report.steps, report.children, report.calls = steps, [], []
    _write(kept, worker, now)
    _log_lost([report.job for report in reports if report.job.id not in held], worker, now)
    return kept


def _log_lost(jobs: Sequence[ClaimedJob], worker: str, now: datetime) -> None:
    """Log the jobs that were taken away, except those whose end was written after all, before a connection broke."""
    ended = Attempt.objects.filter(job_id__in=[job.id for job in jobs], worker=worker)
    done = set(ended.exclude(outcome=AttemptOutcome.WORKER_LOST.value).values_list("job_id", "number"))
    lost = [job for job in jobs if (job.id, job.attempt) not in done]
    if not lost:
        return
    at = database_time(now)
    insert_rows(
        Event, EVENT_COLUMNS, [(job.id, at, EventKind.LEASE_LOST.value, "", job.attempt, worker, None) for job in lost]
    )
    emit("engine.lease_lost", jobs=len(lost))


def _write(reports: Sequence[Report], worker: str, now: datetime) -> None:
    successes = [r for r in reports if r.ending is not None and r.ending.state is State.SUCCEEDED]
    for batch in batches([(report, report.ending and report.ending.result_json) for report in successes]):
        _succeed([report for report, _ in batch], now)
    for report in reports:
        if report.ending is None:
            _require(_held([report]).update(position=report.position))
        elif report.ending.state is not State.SUCCEEDED:
            _require(_held([report]).update(**_changes(report, report.ending, now)))
    _insert_steps(reports)
    _insert_attempts([r for r in reports if r.ending is not None and r.ending.outcome is not None], worker)
    _insert_events([r for r in reports if r.ending is not None], worker)
    open_reviews([report for report in reports if report.review is not None], now)
    for report in reports:
        if report.children:
            _spawn(report, now)
    record_calls([report for report in reports if report.calls])
    refresh_values((r.job.id, r.job.workflow_id) for r in reports if r.steps or r.ending is not None)
    cancel_requested([r.job.id for r in reports if r.ending is not None and r.ending.state not in FINAL], now)


def cancel_requested(ids: Sequence[int], now: datetime) -> None:
    """Cancel those of `ids` that came back from a worker unfinished and were to be cancelled."""
    rows = Job.objects.filter(pk__in=ids, cancel_requested_at__isnull=False)
    jobs = list(rows.only("id", "attempts")) if ids else []
    for job in jobs:
        changes = {"wake_at": None, "finished_at": now, "cancel_requested_at": None}
        Job.objects.filter(pk=job.pk).update(state=State.CANCELLED.value, **changes)
        Event.objects.create(
            job=job, at=now, kind=EventKind.CANCELLED.value, state=State.CANCELLED.value, attempt=job.attempts
        )
    end_waits([job.pk for job in jobs], now=now)
    refresh_by_id([job.pk for job in jobs])


def _held(reports: Sequence[Report]) -> Any:
    return Job.objects.filter(
        pk__in=[report.job.id for report in reports],
        claim_token__in={report.job.claim_token for report in reports},
        state=State.RUNNING.value,
    )


def _require(matched: int, wanted: int = 1) -> None:
    if matched != wanted:
        raise LeaseLostError(f"{wanted - matched} of {wanted} jobs are held by somebody else.")


def _succeed(reports: Sequence[Report], now: datetime) -> None:
    """Finish many jobs in one statement; written by hand because it is the engine's hottest."""
    ids = [report.job.id for report in reports]
    tokens = sorted({report.job.claim_token for report in reports})
    result = "CASE id " + "WHEN %s THEN %s " * len(ids) + "END"
    values: list[Any] = []
    for report in reports:
        values += (report.job.id, report.ending and report.ending.result_json)
    sql = (
        f"UPDATE jobs_job SET state = %s, result = {result}, finished_at = %s, lease_id = NULL, claim_token = NULL,"  # noqa: S608
        f" wake_at = NULL, error_class = '', error_message = NULL, cancel_requested_at = NULL, position = CASE id "
        + "WHEN %s THEN %s " * len(ids)
        + f"END WHERE id IN ({_marks(ids)}) AND claim_token IN ({_marks(tokens)}) AND state = %s"
    )
    positions = [value for report in reports for value in (report.job.id, report.position)]
    parameters = [State.SUCCEEDED.value, *values, database_time(now), *positions, *ids, *tokens, State.RUNNING.value]
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        _require(cursor.rowcount, len(ids))


def _marks(values: Sequence[object]) -> str:
    return ", ".join(["%s"] * len(values))


def _changes(report: Report, ending: Transition, now: datetime) -> dict[str, Any]:
    """Return the columns of a job whose attempt ended otherwise than well."""
    final = ending.state in (State.FAILED, State.DEAD, State.CANCELLED)
    changes: dict[str, Any] = {
        "state": ending.state.value,
        "position": report.position,
        "lease_id": None,
        "claim_token": None,
        "wake_at": ending.wake_at,
        "finished_at": now if final else None,
    }
    if ending.due_at is not None:
        changes["due_at"] = ending.due_at
    if ending.failures is not None:
        changes["failures"] = ending.failures
    if ending.crashes is not None:
        changes["crashes"] = ending.crashes
    if ending.failure is not None:
        changes["error_class"] = ending.failure.name[:100]
        changes["error_message"] = ending.failure.message[:MESSAGE_LENGTH]
    if ending.outcome is None:
        changes["attempts"] = F("attempts") - 1
    if final:
        changes["cancel_requested_at"] = None
    return changes


def _insert_steps(reports: Sequence[Report]) -> None:
    insert_rows(StepRun, STEP_COLUMNS, [_step_row(report.job, step) for report in reports for step in report.steps])


def _step_row(job: ClaimedJob, step: StepRecord) -> tuple[object, ...]:
    return (
        job.id,
        step.position,
        job.run_number,
        job.attempt,
        step.key,
        step.output_json,
        None if step.error is None else dump_json(step.error),
        step.seconds,
        step.usage.input_tokens,
        step.usage.output_tokens,
        step.usage.cost,
        step.confidence,
        step.confidence_by,
        step.model,
        database_time(step.finished_at),
    )


def _insert_attempts(reports: Sequence[Report], worker: str) -> None:
    insert_rows(Attempt, ATTEMPT_COLUMNS, [_attempt_row(report, worker) for report in reports])


def _attempt_row(report: Report, worker: str) -> tuple[object, ...]:
    job, ending = report.job, report.ending
    failure = ending.failure if ending else None
    return (
        job.id,
        job.attempt,
        ending.outcome.value if ending and ending.outcome else "",
        worker,
        report.step_key,
        failure.name[:100] if failure else "",
        failure.message[:MESSAGE_LENGTH] if failure else None,
        failure.traceback[:MESSAGE_LENGTH] if failure and failure.traceback else None,
        database_time(job.started_at),
        database_time(report.at),
    )


def _insert_events(reports: Sequence[Report], worker: str) -> None:
    rows = []
    for report in reports:
        ending = report.ending
        if ending is None:
            continue
        at = database_time(report.at)
        data = None if ending.data is None else dump_json(ending.data)
        rows.append((report.job.id, at, ending.event.value, ending.state.value, report.job.attempt, worker, data))
    insert_rows(Event, EVENT_COLUMNS, rows)


def _spawn(report: Report, now: datetime) -> None:
    """Create a job's sub-jobs in the transaction that stores the step which asked for them."""
    job = report.job
    children = submit_jobs(tenant_id=job.tenant_id, requests=report.children, now=now)
    made = sorted((child for child in children if isinstance(child, Job)), key=lambda child: child.pk)
    if report.join is not None:
        start_join(job_id=job.id, children=made, on_child_failure=report.join, now=now)
    data: dict[str, Any] = {"jobs": [str(child.uid) for child in children if not isinstance(child, SubmissionError)]}
    refused = [str(child) for child in children if isinstance(child, SubmissionError)]
    if refused:
        data["refused"] = refused
    row = (job.id, database_time(now), EventKind.SPAWNED.value, "", job.attempt, "", dump_json(data))
    insert_rows(Event, EVENT_COLUMNS, [row])


def count_outcomes(reports: Sequence[Report]) -> dict[str, int]:
    """Return how many attempts of `reports` ended in which outcome, for the metrics."""
    outcomes: Counter[str] = Counter()
    for report in reports:
        if report.ending is not None:
            outcome = report.ending.outcome or AttemptOutcome.RELEASED
            final = report.ending.state in (State.FAILED, State.DEAD)
            outcomes[report.ending.state.value.lower() if final else outcome.value] += 1
    return dict(outcomes)
