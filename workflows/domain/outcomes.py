"""What a step answers: an outcome for what it meant to say, an exception for what went wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from workflows.domain.reviewing import Question

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Usage:
    """What a step consumed: tokens read and written, and cost in US dollars."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens, self.output_tokens + other.output_tokens, self.cost + other.cost
        )


@dataclass(frozen=True, slots=True)
class Done:
    """The step is finished. `output` joins the job's record; `goto` names a later step to go on with.

    `confidence` is from 0 to 1, and `confidence_by` how it was found (logprobs, samples, stated); `model` is the
    language model that answered.
    """

    output: Record
    goto: str | None = None
    confidence: float | None = None
    usage: Usage = Usage()
    confidence_by: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class Stop:
    """The job is finished here and now, successfully; `result` joins its record."""

    result: Record = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Snooze:
    """Nothing to do yet: run this step again at `until`. No attempt is charged."""

    until: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """The job waits for an answer from outside and holds no worker; the answer becomes the step's output.

    With a `question` it is put to a person, in the review inbox.
    """

    reason: str
    until: datetime | None = None
    question: "Question | None" = None


@dataclass(frozen=True, slots=True)
class ChildJob:
    """A sub-job to create: the slug of a workflow of the same tenant, and its payload."""

    workflow: str
    payload: Record
    queue: str | None = None
    priority: int | None = None


@dataclass(frozen=True, slots=True)
class Spawn:
    """Create sub-jobs together with this step's record; `output` gains their ids as `jobs`.

    With `join` the job waits until all of them are final, and the output gains `children` with their results; `fail` is
    for failing it where one did not succeed, `continue` for going on all the same.
    """

    jobs: tuple[ChildJob, ...]
    output: Record = field(default_factory=dict)
    join: Literal["continue", "fail"] | None = None


Outcome = Done | Stop | Snooze | Wait | Spawn


class StepError(Exception):
    """A step failed. `status` is the HTTP status behind it, if there was one."""

    permanent = False

    def __init__(self, message: str, *, status: int | None = None, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.details = dict(details or {})


class TransientError(StepError):
    """The step failed in a way that may pass; `retry_after` is the wait in seconds the other side asked for."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        details: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, status=status, details=details)
        self.retry_after = retry_after


class StepTimeout(TransientError):
    """The step did not finish within its time limit."""


class PermanentError(StepError):
    """The step failed and would fail again: retrying cannot help."""

    permanent = True
