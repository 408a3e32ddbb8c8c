"""Running a step, or a whole version over one input in memory. Knows nothing of jobs."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from workflows.domain.outcomes import Done, Outcome, PermanentError, Record, Spawn, StepError, Stop
from workflows.domain.retry import RetryPolicy
from workflows.kinds.base import ConfigError, Effect, StepContext, StepKind
from workflows.kinds.registry import KINDS
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

    @property
    def effect(self) -> Effect:
        return self.runner.effect


@dataclass(frozen=True, slots=True)
class Plan:
    """A version ready to run: its steps in order, the version's own retry policy, and the job's time limit in seconds."""

    version_id: int
    workflow_id: int
    steps: tuple[PlannedStep, ...]
    retry_policy: RetryPolicy | None
    timeout: float

    def position_of(self, key: str) -> int:
        """Return the position of the step `key`; raises KeyError."""
        for position, step in enumerate(self.steps):
            if step.key == key:
                return position
        raise KeyError(key)


def build_step(step: Step) -> PlannedStep:
    """Make a step ready to run. Raises ConfigError, with the field, for an unknown kind or a wrong config."""
    kind = KINDS.get(step.kind)
    if kind is None:
        raise ConfigError("kind", f"There is no step kind '{step.kind}'. Known: {', '.join(sorted(KINDS))}.")
    try:
        config = kind.Config.model_validate(step.config)
        retry = None if step.retry is None else RetryPolicy.model_validate(step.retry)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(".".join(map(str, first["loc"])), first["msg"]) from error
    return PlannedStep(step.key, step.name, step.kind, kind(config), step.on_error, step.timeout, retry)


def build_plan(version: WorkflowVersion) -> Plan:
    """Make a version ready to run; raises ConfigError where a step is wrong."""
    policy = None if version.retry_policy is None else RetryPolicy.model_validate(version.retry_policy)
    steps = tuple(build_step(step) for step in version.steps.order_by("position"))
    return Plan(version.pk, version.workflow_id, steps, policy, version.timeout)


@lru_cache(maxsize=1024)
def get_plan(version_id: int) -> Plan:
    """Return the plan of a published version, which never changes; raises WorkflowVersion.DoesNotExist."""
    return build_plan(WorkflowVersion.objects.get(pk=version_id, number__isnull=False))


def next_position(plan: Plan, position: int, outcome: Outcome) -> int:
    """Return where a job goes on after `outcome` at `position`; `len(plan.steps)` when it is finished."""
    if isinstance(outcome, Stop):
        return len(plan.steps)
    if isinstance(outcome, Done) and outcome.goto is not None:
        target = plan.position_of(outcome.goto)
        if target <= position:
            raise PermanentError(
                f"Step '{plan.steps[position].key}' may only send a job forward, not to '{outcome.goto}'."
            )
        return target
    return position + 1


def output_of(outcome: Outcome) -> Record:
    """Return what a finished step adds to the record."""
    if isinstance(outcome, Stop):
        return outcome.result
    if isinstance(outcome, (Done, Spawn)):
        return outcome.output
    return {}


@dataclass(slots=True)
class RunResult:
    """What a run in memory gave: outputs by step key, the merged record, and the error of the step that failed."""

    outputs: dict[str, Record] = field(default_factory=dict)
    record: Record = field(default_factory=dict)
    failed_step: str | None = None
    error: StepError | None = None


def run_plan(
    plan: Plan, payload: Record, *, tenant: Mapping[str, Any], now: datetime, job: Mapping[str, Any] | None = None
) -> RunResult:
    """Run every step of `plan` over `payload` in memory, without effects outside; an error ends the run and is returned.

    The first outcome that would make a job wait (Wait, Snooze) ends the run too.
    """
    result = RunResult()
    context = StepContext(payload=payload, steps=result.outputs, job=job or {"id": "sample"}, tenant=tenant, now=now)
    position = 0
    while position < len(plan.steps):
        step = plan.steps[position]
        try:
            outcome = step.runner.dry_run(replace(context, record=result.record))
            following = next_position(plan, position, outcome)
        except StepError as error:
            if step.on_error != "continue":
                result.failed_step, result.error = step.key, error
                return result
            outcome, following = Done({}), position + 1
        if not isinstance(outcome, (Done, Stop, Spawn)):
            return result
        result.outputs[step.key] = output_of(outcome)
        result.record = result.record | output_of(outcome)
        position = following
    return result
