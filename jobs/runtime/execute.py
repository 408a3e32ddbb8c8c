"""Running the steps of a claimed job, on a step thread; touches no row."""

import random
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from jobs.domain import transitions
from jobs.domain.redaction import redact
from jobs.domain.submission import NewJob
from jobs.domain.transitions import Transition
from jobs.domain.work import CallRecord, ClaimedJob, Report, StepRecord
from jobs.runtime.asking import new_review, waiting_for, waiting_for_children
from taskflow.lib.clock import utcnow
from taskflow.lib.fields import dump_json
from taskflow.lib.ids import new_uid
from taskflow.lib.telemetry import bound, emit, rebind
from tenants.domain.connections import Connection, ConnectionUnusable, Gate, LimitReached, OpenGate
from workflows.domain.calls import ModelCall, Recall, recall_nothing
from workflows.domain.files import StoredFile
from workflows.domain.outcomes import (
    Done,
    Outcome,
    PermanentError,
    Record,
    Snooze,
    Spawn,
    StepError,
    TransientError,
    Wait,
)
from workflows.domain.retry import Failure, RetryPolicy
from workflows.domain.reviewing import Question
from workflows.kinds.base import Effect, StepContext
from workflows.runtime import Plan, PlannedStep, next_position, output_of

#: A step's output larger than this is an error of the step, in characters of JSON.
OUTPUT_LIMIT = 1_000_000
#: The merged record of all steps may be this long.
RESULT_LIMIT = 2_000_000


@dataclass(slots=True, eq=False)
class Task:
    """A claimed job with all it needs to run without the database. `policies` are the retry policies that may apply."""

    job: ClaimedJob
    plan: Plan
    tenant: dict[str, Any]
    queue: str
    policies: tuple[RetryPolicy | None, ...]
    connections: Mapping[str, Connection] = field(default_factory=dict)
    gate: Gate = field(default_factory=OpenGate)
    recall: Recall = recall_nothing
    files: tuple[StoredFile, ...] = ()
    record: Record = field(default_factory=dict)
    step: PlannedStep | None = None
    step_started: float | None = None
    attempt_started: float | None = None

    def policy(self, step: PlannedStep | None) -> RetryPolicy:
        """Return the retry policy in force: the step's, else the job's, the workflow's, the queue's, the default."""
        chain = (step.retry if step else None, *self.policies)
        return next((policy for policy in chain if policy is not None), RetryPolicy())

    def context(self, position: int, now: datetime, calls: list[ModelCall]) -> StepContext:
        """Return what the step at `position` may see; its calls to language models are added to `calls`."""
        job = self.job
        return StepContext(
            payload=job.payload,
            steps=job.outputs,
            job={
                "id": str(job.uid),
                "attempt": job.attempt,
                "priority": job.priority,
                "queue": self.queue,
                "correlation_id": job.correlation_id,
                "traceparent": job.traceparent,
                "created_at": job.created_at,
            },
            tenant=self.tenant,
            now=now,
            idempotency_key=job.idempotency_key(self.plan.steps[position].key),
            record=self.record,
            connections=self.connections,
            gate=self.gate,
            redacted=self.plan.redacted,
            calls=calls,
            recall=self.recall,
            fields=self.plan.fields,
            files=self.files,
        )


def run_task(task: Task) -> Report:
    """Run steps until the job ends or there is something to lose.

    The report has an `ending`, or it is a checkpoint: a costly or external step is done and must be stored before
    the next one starts; then `run_task` is called again with the same task.
    """
    with bound():
        return _run_task(task)


def _run_task(task: Task) -> Report:
    job, start = task.job, time.monotonic()
    task.attempt_started = task.attempt_started or start
    if not task.record:
        task.record = _merge(job, task.plan)
    report = Report(job=job, position=job.position, at=utcnow())
    while report.ending is None and report.position < len(task.plan.steps):
        if job.cancelled:
            report.ending = transitions.cancelled(reason="cancelled between two steps")
            break
        step = task.plan.steps[report.position]
        report.step_key = step.key
        _run_step(task, step, report)
        stored_first = step.effect is not Effect.PURE or report.children
        if stored_first and report.position < len(task.plan.steps):
            break
    if report.ending is None and report.position >= len(task.plan.steps):
        report.ending = _success(task, report)
    job.position = report.position
    task.step, task.step_started = None, None
    report.at, report.seconds = utcnow(), time.monotonic() - start
    return report


def _merge(job: ClaimedJob, plan: Plan) -> Record:
    record: Record = {}
    for step in plan.steps[: job.position]:
        record |= job.outputs.get(step.key, {})
    return record


def _run_step(task: Task, step: PlannedStep, report: Report) -> None:
    """Run one step and add what it gave to the report: a record, or an ending."""
    now = utcnow()
    task.step, task.step_started = step, time.monotonic()
    job, tenant = task.job, task.tenant.get("slug")
    rebind(tenant=tenant, job=job.uid, attempt=job.attempt, step=step.key, correlation_id=job.correlation_id)
    start, calls = time.perf_counter(), list[ModelCall]()
    position = report.position
    context = task.context(position, now, calls)
    try:
        outcome = step.runner.run(context)
        following = next_position(task.plan, report.position, outcome)
        question = step.asks(outcome, context)
        if question is None:
            _apply(task, step, report, outcome, following, start)
        else:
            _ask(task, step, report, question, following, start, outcome=outcome)
    except StepError as error:
        _fail_or_ask(task, step, report, error, context, start)
    except ConnectionUnusable as error:
        _fail_or_ask(task, step, report, PermanentError(str(error)), context, start)
    except LimitReached as limit:
        report.ending = transitions.snoozed(until=limit.until, reason=limit.reason, limited=True)
    except Exception as error:  # noqa: BLE001 - the boundary to code that is not ours: kept on the job
        _fail(task, step, report, failure_of(error), start)
    finally:
        # What was asked of models is kept and counted, whatever came of it.
        if calls:
            kept = redact(calls, task.plan.redacted, (job.payload, *job.outputs.values()))
            report.calls += [CallRecord(position, step.key, call) for call in kept]


def _apply(task: Task, step: PlannedStep, report: Report, outcome: Outcome, following: int, start: float) -> None:
    if isinstance(outcome, Snooze):
        report.ending = transitions.snoozed(until=outcome.until, reason=outcome.reason)
        return
    if isinstance(outcome, Wait) and outcome.question is not None:
        _ask(task, step, report, outcome.question, following, start)
        return
    if isinstance(outcome, Wait):
        report.ending = transitions.waiting(reason=outcome.reason, until=outcome.until)
        return
    output = output_of(outcome)
    if isinstance(outcome, Spawn):
        children = [_child(task.job, outcome_job, report) for outcome_job in outcome.jobs]
        report.children += children
        output = output | {"jobs": [str(child.uid) for child in children]}
    _record(task, step, report, output, start, outcome=outcome)
    if isinstance(outcome, Spawn) and outcome.join is not None and outcome.jobs:
        report.join, report.ending = outcome.join, waiting_for_children(len(outcome.jobs), step=step.key)
        return
    report.position = following


def _ask(
    task: Task,
    step: PlannedStep,
    report: Report,
    question: Question,
    following: int,
    start: float,
    *,
    outcome: Outcome | None = None,
) -> None:
    """Put what the step gave to a person. It is stored with the question, so that nothing is run twice."""
    shown = _to_json(dict(question.shown), "What is shown with the question")
    _record(task, step, report, dict(question.proposal), start, outcome=outcome)
    report.review = new_review(
        question,
        step_key=step.key,
        position=report.position,
        resume_at=following,
        proposal_json=report.steps[-1].output_json,
        shown_json=shown,
    )
    report.ending = waiting_for(report.review)


def _record(
    task: Task,
    step: PlannedStep,
    report: Report,
    output: Record,
    start: float,
    *,
    outcome: Outcome | None = None,
    error: dict[str, Any] | None = None,
) -> None:
    done = outcome if isinstance(outcome, Done) else Done(output)
    report.steps.append(
        StepRecord(
            position=report.position,
            key=step.key,
            kind=step.kind,
            output_json=_to_json(output, f"The output of step '{step.key}'"),
            seconds=time.perf_counter() - start,
            finished_at=utcnow(),
            error=error,
            usage=done.usage,
            confidence=done.confidence,
            confidence_by=done.confidence_by,
            model=done.model,
        )
    )
    task.job.outputs[step.key] = output
    task.record = task.record | output


def _to_json(value: Record, what: str, limit: int = OUTPUT_LIMIT) -> str:
    try:
        text = dump_json(value)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise PermanentError(f"{what} cannot be stored as JSON: {error}") from error
    if len(text) > limit:
        raise PermanentError(f"{what} is {len(text):,} characters long; the limit is {limit:,}.")
    return text


def _child(job: ClaimedJob, child: Any, report: Report) -> NewJob:
    return NewJob(
        uid=new_uid(),
        workflow=child.workflow,
        payload=child.payload,
        queue=child.queue,
        priority=job.priority if child.priority is None else child.priority,
        correlation_id=job.correlation_id,
        traceparent=job.traceparent,
        parent_id=job.id,
        source=f"job:{job.uid}",
    )


def _fail_or_ask(
    task: Task, step: PlannedStep, report: Report, error: StepError, context: StepContext, start: float
) -> None:
    try:
        question = step.asks_about(error, context)
        if question is not None:
            _ask(task, step, report, question, report.position + 1, start)
            return
    except StepError as unstorable:
        error = unstorable
    _fail(task, step, report, failure_of(error), start)


def _fail(task: Task, step: PlannedStep, report: Report, failure: Failure, start: float) -> None:
    emit("engine.step_failed", error_class=failure.name, permanent=failure.permanent, status=failure.status)
    if step.on_error == "continue":
        error = {"class": failure.name, "message": failure.message}
        _record(task, step, report, {}, start, error=error)
        report.position += 1
        return
    report.ending = failed(task, step, failure)


def failed(task: Task, step: PlannedStep | None, failure: Failure) -> Transition:
    """Return what follows from `failure` of the task's job at `step`, by the retry policy in force."""
    return transitions.failed(
        failure=failure,
        step=step.key if step else "",
        failures=task.job.failures,
        policy=task.policy(step),
        now=utcnow(),
        chance=random.random(),  # noqa: S311 - jitter
    )


def failure_of(error: BaseException) -> Failure:
    """Return an exception as the engine keeps it. One that a step kind did not declare may pass: it is retried."""
    return Failure(
        name=type(error).__name__,
        message=str(error) or type(error).__name__,
        permanent=isinstance(error, StepError) and error.permanent,
        status=error.status if isinstance(error, StepError) else None,
        retry_after=error.retry_after if isinstance(error, TransientError) else None,
        traceback="".join(traceback.format_exception(error)),
    )


def _success(task: Task, report: Report) -> Transition:
    try:
        return transitions.succeeded(_to_json(task.record, "The job's result", RESULT_LIMIT))
    except PermanentError as error:
        return failed(task, None, failure_of(error))
