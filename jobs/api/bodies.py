"""What the job endpoints take: the shape of each body, and its faults as (field, reason) pairs."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from django.conf import settings
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SkipValidation,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from jobs.domain.submission import LOWEST_PRIORITY
from taskflow.lib.clock import YEARS, YEARS_IN_WORDS
from taskflow.lib.fields import dump_json
from taskflow.lib.problems import FieldError, Refused, invalid
from workflows.domain.retry import RetryPolicy

MOST_JOBS = 1000
LONGEST_CORRELATION_ID = 100
REASONS = {
    "missing": "This field is required.",
    "extra_forbidden": "This field is not known.",
    "dict_type": "Must be a JSON object.",
    "model_type": "Must be a JSON object.",
    "list_type": "Must be a list.",
    "string_type": "Must be text.",
    "bool_type": "Must be true or false.",
    "int_type": "Must be a whole number.",
}
_SUBJECT = re.compile(r"^(Input|String|List) should")
BodyT = TypeVar("BodyT", bound=BaseModel)


class Body(BaseModel):
    """The base of every body: a key that is not known is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def parse_instant(value: object) -> datetime:
    """Return an ISO 8601 timestamp with an offset as a UTC datetime; raises PydanticCustomError."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        reason = "Must be a timestamp with an offset, such as 2026-03-02T14:00:00Z."
        raise PydanticCustomError("instant", reason)
    if moment.year not in YEARS:
        raise PydanticCustomError("instant", YEARS_IN_WORDS)
    return moment.astimezone(UTC)


def plain_text(value: str) -> str:
    """Return `value` unless it is blank or holds control characters; raises PydanticCustomError."""
    if not value.strip() or any(letter < " " or letter == "\x7f" for letter in value):
        raise PydanticCustomError("plain_text", "Must be text without control characters, and not blank.")
    return value


Slug = Annotated[str, Field(pattern=r"^[-a-zA-Z0-9_]+$", max_length=63)]
Instant = Annotated[datetime, BeforeValidator(parse_instant), WithJsonSchema({"type": "string", "format": "date-time"})]
CorrelationId = Annotated[str, Field(min_length=1, max_length=LONGEST_CORRELATION_ID), AfterValidator(plain_text)]


class NewJobBody(Body):
    """A job to create."""

    workflow: Slug = Field(description="The slug of a published workflow.")
    payload: dict[str, Any] = Field(description="The input; it must fit the workflow's fields.")
    queue: Slug | None = Field(None, description="The slug of a queue; without one, the workflow's own.")
    priority: Annotated[int, Field(strict=True, ge=0, le=LOWEST_PRIORITY)] | None = Field(
        None, description="Lower runs first, among the jobs of one tenant; 100 if not given."
    )
    run_at: Instant | None = Field(None, description="Not before this time; at once if not given or past.")
    correlation_id: CorrelationId | None = Field(None, description="Joins what belongs together across systems.")
    retry_policy: RetryPolicy | None = Field(None, description="Overrides the workflow's own.")


class BulkBody(Body):
    """Up to 1,000 jobs; each is a NewJobBody and is checked by itself."""

    # Typed for the document only: one bad item must not refuse the others.
    jobs: Annotated[list[SkipValidation[NewJobBody]], Field(min_length=1, max_length=MOST_JOBS)]


class RetryBody(Body):
    """How to retry a job: from where it stopped, from a step, or with another payload."""

    from_step: Annotated[str, Field(min_length=1, max_length=50)] | None = Field(
        None, description="The key of a step that the job has reached."
    )
    payload: dict[str, Any] | None = Field(None, description="Replaces the payload; without from_step, starts anew.")


class PauseBody(Body):
    """Which jobs of the queue are meant."""

    whole: Annotated[bool, Field(strict=True)] = Field(
        False, description="True for the jobs of every tenant; needs the scope `fleet`."
    )


def read_body(model: type[BodyT], data: Any) -> BodyT:
    """Return `data` as a `model`. Raises Refused, naming every field that is wrong."""
    if not isinstance(data, Mapping):
        raise Refused("The body must be a JSON object.", code="invalid-request")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise invalid(faults_of(error)) from error


def faults_of(error: ValidationError) -> list[FieldError]:
    """Return what pydantic found as (dotted field, reason) pairs."""
    return [(".".join(map(str, fault["loc"]))[:200], _reason(fault)) for fault in error.errors(include_url=False)]


def _reason(fault: ErrorDetails) -> str:
    kind = fault["type"]
    if kind == "string_pattern_mismatch":
        return "Must be a slug: letters, digits, hyphens and underscores."
    if kind in REASONS:
        return REASONS[kind]
    return _SUBJECT.sub("Must", fault["msg"]).removesuffix(".") + "."


def check_size(payload: dict[str, Any], *, sent: int) -> list[FieldError]:
    """Return a fault if the payload is over MAX_PAYLOAD_BYTES; `sent` is the size in bytes of what it came in."""
    if sent <= settings.MAX_PAYLOAD_BYTES or len(dump_json(payload).encode()) <= settings.MAX_PAYLOAD_BYTES:
        return []
    return [("payload", f"Larger than {settings.MAX_PAYLOAD_BYTES} bytes.")]
