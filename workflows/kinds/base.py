"""What a step kind is: a typed config, a declared effect, and a function from a context to an outcome."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from tenants.domain.connections import (
    Connection,
    ConnectionUnusable,
    Gate,
    OpenGate,
    find_connection,
    llm_connection,
)
from workflows.domain.calls import ModelCall, Recall, recall_nothing
from workflows.domain.expressions import ROOTS, Expression, ExpressionError, compile_expression
from workflows.domain.fields import InputField
from workflows.domain.files import StoredFile
from workflows.domain.outcomes import Outcome, PermanentError, Record
from workflows.templating import Template, TemplateError, compile_template

NO_LANGUAGE_MODEL = (
    "This step asks a language model, and there is no connection to a language model: add one under Settings, "
    "Connections, then retry the job."
)


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
    """What a step may see. `steps` maps the keys of earlier steps to their outputs, `fields` are the workflow's.

    A step that asks a language model adds to `calls` whatever comes of it, keeps the fields `redacted` out of what is
    kept for audit, and finds earlier answers with `recall`.
    """

    payload: Record
    steps: Mapping[str, Record]
    job: Mapping[str, Any]
    tenant: Mapping[str, Any]
    now: datetime
    idempotency_key: str = ""
    record: Record = field(default_factory=dict)
    connections: Mapping[str, Connection] = field(default_factory=dict)
    gate: Gate = field(default_factory=OpenGate)
    redacted: frozenset[str] = frozenset()
    calls: list[ModelCall] = field(default_factory=list)
    recall: Recall = recall_nothing
    fields: tuple[InputField, ...] = ()
    files: tuple[StoredFile, ...] = ()

    def connection(self, slug: str) -> Connection:
        """Return the tenant's connection of this name. Raises PermanentError where there is none that can be used."""
        try:
            return find_connection(self.connections, slug)
        except ConnectionUnusable as error:
            raise PermanentError(str(error)) from None

    def language_model(self, slug: str | None) -> Connection:
        """Return the connection to a language model of this name, without one the tenant's choice.

        Raises PermanentError where there is none that can be used.
        """
        try:
            found = llm_connection(self.connections, slug)
        except ConnectionUnusable as error:
            raise PermanentError(str(error)) from None
        if found is not None:
            return found
        if slug is None:
            raise PermanentError(NO_LANGUAGE_MODEL)
        if slug in self.connections:
            kind = self.connections[slug].kind
            raise PermanentError(f"The connection '{slug}' leads to no language model: its kind is {kind}.")
        raise PermanentError(f"There is no connection '{slug}': add it, or name another in the step.")

    def names(self) -> dict[str, Any]:
        """Return what expressions and templates see, by name."""
        return {
            "payload": self.payload,
            "steps": self.steps,
            "record": self.record,
            "job": self.job,
            "tenant": self.tenant,
            "now": self.now,
        }


@dataclass(frozen=True, slots=True)
class StepReference:
    """A step's config names another step: `field` is the place in it, `key` the other step's key."""

    field: str
    key: str


@dataclass(frozen=True, slots=True)
class Reading:
    """A step's config reads a value: `field` is the place in it, `path` the keys from the root on."""

    field: str
    path: tuple[str, ...]


ConfigT = TypeVar("ConfigT", bound=StepConfig)


class StepKind(Generic[ConfigT]):
    """A kind of step. Subclasses set the class attributes and `run`; instances hold one step's validated config.

    An instance is built once per published step and used for many jobs from several threads: compile in `prepare`,
    keep no state of a run. A kind with `needs_files` finds the job's files in its context. `references` are the steps
    whose outputs its expressions and templates read, `aims` the steps it may send a job to, `readings` the values that
    must be there. A kind that `builds_on_itself` puts each value into the record before it makes the next.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    Config: ClassVar[type[StepConfig]]
    effect: Effect = Effect.PURE
    needs_files: ClassVar[bool] = False
    builds_on_itself: ClassVar[bool] = False

    def __init__(self, config: ConfigT) -> None:
        self.config = config
        self.readings: list[Reading] = []
        self.references: list[StepReference] = []
        self.aims: list[StepReference] = []
        self._problems: list[tuple[str, str]] = []
        self.prepare()
        if self._problems:
            raise ConfigError(*self._problems[0], problems=self._problems)

    def prepare(self) -> None:
        """Compile what the config holds (expressions, templates, patterns); report with `problem` where it is wrong."""

    def problem(self, field: str, message: str) -> None:
        """Report that the config is wrong at `field`; the step is refused with all problems after `prepare`."""
        self._problems.append((field, message))

    def expression(self, field: str, source: str, *, extra: Iterable[str] = ()) -> Expression:
        """Compile the expression at `field`, which may also read the names `extra`.

        A wrong one is reported, and something harmless stands in for it.
        """
        try:
            compiled = compile_expression(source, names=ROOTS.union(extra))
        except ExpressionError as error:
            self.problem(field, str(error))
            return compile_expression("true")
        self.refer(field, compiled.step_keys)
        self.readings += [Reading(field, path) for path in compiled.paths]
        return compiled

    def template(
        self,
        field: str,
        source: str,
        *,
        extra: Iterable[str] = (),
        quote: Callable[[str], str] | None = None,
        quote_all: bool = False,
    ) -> Template:
        """Compile the template at `field`. A wrong one is reported, and an empty one stands in for it."""
        try:
            compiled = compile_template(source, names=ROOTS.union(extra), quote=quote, quote_all=quote_all)
        except TemplateError as error:
            self.problem(field, str(error))
            return compile_template("")
        self.refer(field, compiled.step_keys)
        self.readings += [Reading(field, path) for path in compiled.paths]
        return compiled

    def refer(self, field: str, step_keys: Iterable[str]) -> None:
        """Note that `field` reads the outputs of these steps."""
        self.references += [StepReference(field, key) for key in step_keys]

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
        return tuple(aim.key for aim in self.aims)


class ConfigError(ValueError):
    """A step's config is well formed but wrong; `field` names the place in it ("routes.0.when").

    `problems` holds every (field, message) that was found, the first of which is the error's own.
    """

    def __init__(self, field: str, message: str, problems: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.field = field
        self.message = message
        self.problems = tuple(problems) or ((field, message),)
