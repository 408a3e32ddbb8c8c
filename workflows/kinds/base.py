"""What a step kind is: a typed config, a declared effect, and a function from a context to an outcome."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from workflows.domain.outcomes import Outcome, Record


class Effect(StrEnum):
    """What running a step again would cost; decides when its result is made durable."""

    PURE = "pure"
    COSTLY = "costly"
    EXTERNAL = "external"


class StepConfig(BaseModel):
    """The base of every kind's config: unknown keys are errors, values do not change after validation."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class StepContext:
    """What a step may see. `steps` maps the keys of earlier steps to their outputs."""

    payload: Record
    steps: Mapping[str, Record]
    job: Mapping[str, Any]
    tenant: Mapping[str, Any]
    now: datetime
    idempotency_key: str = ""
    record: Record = field(default_factory=dict)


ConfigT = TypeVar("ConfigT", bound=StepConfig)


class StepKind(Generic[ConfigT]):
    """A kind of step. Subclasses set the class attributes and `run`; instances hold one step's validated config.

    An instance is built once per published step and used for many jobs from several threads: compile in `prepare`,
    keep no state of a run.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    Config: ClassVar[type[StepConfig]]
    effect: Effect = Effect.PURE

    def __init__(self, config: ConfigT) -> None:
        self.config = config
        self.prepare()

    def prepare(self) -> None:
        """Compile what the config holds (expressions, templates, patterns); raise `ConfigError` where it is wrong."""

    def run(self, context: StepContext) -> Outcome:
        """Do the step's work. Raises `TransientError` or `PermanentError`."""
        raise NotImplementedError

    def dry_run(self, context: StepContext) -> Outcome:
        """Do the work without effects outside; a kind with effects says what it would do."""
        return self.run(context)

    def output_schema(self) -> dict[str, Any]:
        """Return the JSON schema of the output, as far as the config tells."""
        return {"type": "object"}

    def targets(self) -> tuple[str, ...]:
        """Return the keys of the steps this one may send a job to."""
        return ()


class ConfigError(ValueError):
    """A step's config is well formed but wrong; `field` names the place in it ("routes.0.when")."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message
