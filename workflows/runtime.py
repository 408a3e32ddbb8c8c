"""Running a step, or a whole version over one input in memory. Knows nothing of jobs."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from tenants.domain.connections import Connection, ConnectionUnusable, Gate, LimitReached, OpenGate
from workflows.domain.calls import ModelCall
from workflows.domain.definition import Definition, StepDefinition
from workflows.domain.fields import InputField, read_fields
from workflows.domain.files import StoredFile
from workflows.domain.outcomes import Done, Outcome, PermanentError, Record, Snooze, Spawn, StepError, Stop, Wait
from workflows.domain.recording import Recordings, Trace, recording_key, step_print
from workflows.domain.retry import RetryPolicy
from workflows.domain.reviewing import Question
from workflows.kinds.base import Effect, StepContext, StepKind
from workflows.kinds.registry import make_gate, make_runner
from workflows.kinds.reviewing import Gate as ReviewGate
from workflows.models import Step, WorkflowVersion


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step ready to run. `timeout` is in seconds; None leaves it to the deployment's default."""

    key: str
    name: str
    kind: str
    runner: StepKind[Any]
    on_error: str = "fail"
    timeout: float | None = None
    retry: RetryPolicy | None = None
    gate: ReviewGate | None = None

    @property
    def effect(self) -> Effect:
        return self.runner.effect

    @property
    def print(self) -> str:
        """The fingerprint of its kind and config."""
        return step_print(self.kind, self.runner.config.model_dump(mode="json"))

    def recording_key(self, payload: Record, steps: Mapping[str, Record], files: Sequence[StoredFile]) -> str:
        """Return under which key its output is recorded for these inputs."""
        seen = [file.sha256 for file in files] if self.runner.needs_files else []
        return recording_key(self.print, payload, steps, seen)

    def asks(self, outcome: Outcome, context: StepContext) -> Question | None:
        """Return the question to put to a person about what the step gave, or None where its job goes on."""
        if self.gate is None:
            return None
        return self.gate.asks(outcome, context, step=self.name, schema=self.runner.output_schema())

    def asks_about(self, error: StepError, context: StepContext) -> Question | None:
        """Return the question about a check that failed, or None where the step simply failed."""
        if self.gate is None:
            return None
        return self.gate.asks_about(error, context, step=self.name, schema=self.runner.output_schema())


@dataclass(frozen=True, slots=True)
class Plan:
    """A version ready to run: its steps in order, its own retry policy, and the job's time limit in seconds.

    `redacted` are the fields whose values are left out of what is kept for audit; `needs_files` says whether a step
    reads the job's files.
    """

    version_id: int
    workflow_id: int
    steps: tuple[PlannedStep, ...]
    retry_policy: RetryPolicy | None
    timeout: float
    redacted: frozenset[str] = frozenset()
    fields: tuple[InputField, ...] = ()
    needs_files: bool = False


def build_step(step: Step) -> PlannedStep:
    """Make a step ready to run. Raises ConfigError, with the field, for an unknown kind or a wrong config."""
    runner = make_runner(step.kind, step.config)
    retry = None if step.retry is None else RetryPolicy.model_validate(step.retry)
    gate = make_gate(step.kind, step.review)
    return PlannedStep(step.key, step.name, step.kind, runner, step.on_error, step.timeout, retry, gate)


def build_plan(version: WorkflowVersion) -> Plan:
    """Make a version ready to run; raises ConfigError where a step is wrong."""
    policy = None if version.retry_policy is None else RetryPolicy.model_validate(version.retry_policy)
    steps = tuple(build_step(step) for step in version.steps.filter(enabled=True).order_by("position"))
    fields = read_fields(version.fields)
    redacted = frozenset(field.key for field in fields if field.redact)
    needs_files = any(step.runner.needs_files for step in steps)
    return Plan(version.pk, version.workflow_id, steps, policy, version.timeout, redacted, fields, needs_files)


def plan_of(definition: Definition, *, workflow_id: int = 0) -> Plan:
    """Make a definition ready to run that is not, or not any more, what rows say; raises ConfigError."""
    steps = tuple(_planned(step) for step in definition.steps if step.enabled)
    fields = definition.fields
    redacted = frozenset(field.key for field in fields if field.redact)
    needs_files = any(step.runner.needs_files for step in steps)
    policy = definition.retry_policy
    return Plan(0, workflow_id, steps, policy, definition.timeout, redacted, fields, needs_files)


def _planned(step: StepDefinition) -> PlannedStep:
    runner, gate = make_runner(step.kind, step.config), make_gate(step.kind, step.review)
    return PlannedStep(step.key, step.shown_name, step.kind, runner, step.on_error, step.timeout, step.retry, gate)


@lru_cache(maxsize=1024)
def get_plan(version_id: int) -> Plan:
    """Return the plan of a published version, which never changes; raises WorkflowVersion.DoesNotExist."""
    return build_plan(WorkflowVersion.objects.get(pk=version_id, number__isnull=False))


def next_position(plan: Plan, position: int, outcome: Outcome) -> int:
    """Return where a job goes on after `outcome` at `position`; `len(plan.steps)` when it is finished.

    Raises PermanentError for a `goto` to no step, or to one that is not further on.
    """
    if isinstance(outcome, Stop):
        return len(plan.steps)
    if not isinstance(outcome, Done) or outcome.goto is None:
        return position + 1
    for later in range(position + 1, len(plan.steps)):
        if plan.steps[later].key == outcome.goto:
            return later
    key = plan.steps[position].key
    raise PermanentError(f"Step '{key}' sends the job to '{outcome.goto}', which is not a step further on.")


def output_of(outcome: Outcome) -> Record:
    """Return what a finished step adds to the record."""
    if isinstance(outcome, Stop):
        return outcome.result
    if isinstance(outcome, (Done, Spawn)):
        return outcome.output
    return {}


@dataclass(slots=True)
class RunResult:
    """What a run in memory gave.

    `outputs` by step key in the order they ran, the merged `record`, and the error of the step that ended the run.
    `skipped_errors` are those of steps that go on after an error. `paused` is set where a job would wait or snooze,
    `limited` where that is for a limit of a connection. `calls` are those to language models, `traces` tell of each
    step.
    """

    outputs: dict[str, Record] = field(default_factory=dict)
    record: Record = field(default_factory=dict)
    failed_step: str | None = None
    error: StepError | None = None
    skipped_errors: dict[str, StepError] = field(default_factory=dict)
    paused: Outcome | None = None
    calls: list[ModelCall] = field(default_factory=list)
    reviews: dict[str, Question] = field(default_factory=dict)
    limited: bool = False
    traces: dict[str, Trace] = field(default_factory=dict)


class UnexpectedError(PermanentError):
    """The code of a step raised something that is no step error; `__cause__` is what it raised."""


def run_step(step: PlannedStep, context: StepContext) -> Outcome:
    """Run one step without effects outside. Raises StepError, also for what its code did not expect.

    A step that asks a language model does ask it, and that costs money: how else would its answers be tested?
    """
    runner = step.runner
    if step.effect is Effect.EXTERNAL and type(runner).dry_run is StepKind.dry_run:
        # Of a kind that says nothing of dry runs only this is known: that it must not run.
        return Done({"would_run": step.kind})
    try:
        return runner.dry_run(context)
    except (StepError, LimitReached):
        raise
    except ConnectionUnusable as error:
        raise PermanentError(str(error)) from None
    except Exception as error:
        raise UnexpectedError(f"{type(error).__name__}: {error}") from error


def run_plan(
    plan: Plan,
    payload: Record,
    *,
    tenant: Mapping[str, Any],
    now: datetime,
    job: Mapping[str, Any] | None = None,
    connections: Mapping[str, Connection] = MappingProxyType({}),
    gate: Gate | None = None,
    files: tuple[StoredFile, ...] = (),
    recordings: Recordings | None = None,
    given: Mapping[str, Record] = MappingProxyType({}),
    last: str | None = None,
) -> RunResult:
    """Run every step of `plan` over `payload` in memory, without effects outside; an error ends it and is returned.

    The first outcome that would make a job wait (Wait, Snooze, a limit that is reached) ends the run too. `connections`
    are the tenant's, without which no language model can be asked, and `gate` holds them to their limits. With
    `recordings`, steps that cost something are not run where the same was recorded. With `last`, only the step of that
    key is tried: it ends the run, and of the steps before it those take their output from `given` that are there.
    """
    result = RunResult()
    context = StepContext(
        payload=payload,
        steps=result.outputs,
        job=job or {"id": "sample"},
        tenant=tenant,
        now=now,
        connections=connections,
        gate=gate or OpenGate(),
        calls=result.calls,
        fields=plan.fields,
        files=files,
    )
    position = 0
    while position < len(plan.steps):
        step = plan.steps[position]
        following: int | None = position + 1
        if step.key != last and step.key in given:
            result.outputs[step.key] = given[step.key]
            result.record = result.record | given[step.key]
        else:
            following = _run_next(plan, position, replace(context, record=result.record), result, recordings)
        position = len(plan.steps) if following is None or step.key == last else following
    return result


@dataclass(slots=True)
class _Ran:
    """What a step gave or was recorded to have given; `would` is what it would have done outside."""

    outcome: Outcome | None = None
    reused: bool = False
    would: Record | None = None


def _run_recorded(step: PlannedStep, context: StepContext, recordings: Recordings | None) -> _Ran:
    if recordings is None or step.effect is Effect.PURE:
        outcome = run_step(step, context)
        return _Ran(outcome, would=_would(outcome))
    key = step.recording_key(context.payload, context.steps, context.files)
    found = recordings.find(key)
    if step.effect is Effect.EXTERNAL:
        # What it would do is told in any case; what came back when it was done is there for the steps behind it.
        outcome = run_step(step, context)
        return _Ran(outcome if found is None else found.outcome(), found is not None, _would(outcome))
    if found is not None:
        return _Ran(found.outcome(), reused=True)
    outcome = run_step(step, context)
    if isinstance(outcome, Done) and outcome.goto is None:
        recordings.keep(key, outcome)
    return _Ran(outcome)


def _would(outcome: Outcome) -> Record | None:
    said = outcome.output if isinstance(outcome, Done) else {}
    return {key: value for key, value in said.items() if key.startswith("would_")} or None


def _run_next(
    plan: Plan, position: int, context: StepContext, result: RunResult, recordings: Recordings | None
) -> int | None:
    """Run the step at `position`, note in `result` what came of it, and return where to go on; None at the end."""
    step, start, calls = plan.steps[position], time.perf_counter(), len(result.calls)
    ran = _Ran()
    try:
        ran = _run_recorded(step, context, recordings)
        outcome = ran.outcome or Done({})
        following = next_position(plan, position, outcome)
        question = step.asks(outcome, context)
    except LimitReached as limit:
        result.paused, result.limited = Snooze(limit.until, limit.reason), True
        return None
    except StepError as error:
        question = step.asks_about(error, context)
        if question is None and step.on_error != "continue":
            result.failed_step, result.error = step.key, error
            return None
        if question is None:
            result.skipped_errors[step.key] = error
        outcome, following = Done({}), position + 1
    finally:
        cost = sum(call.usage.cost for call in result.calls[calls:])
        result.traces[step.key] = _trace(step, ran, time.perf_counter() - start, cost)
    if isinstance(outcome, (Wait, Snooze)):
        result.paused = outcome
        return None
    output = output_of(outcome)
    if question is not None:
        result.reviews[step.key] = question
        output = {**question.proposal, **question.stamp}
    result.outputs[step.key] = output
    result.record = result.record | output
    return following


def _trace(step: PlannedStep, ran: _Ran, seconds: float, cost: float) -> Trace:
    confidence = ran.outcome.confidence if isinstance(ran.outcome, Done) else None
    return Trace(step.key, step.name, step.kind, seconds, cost, confidence, ran.reused, ran.would)
