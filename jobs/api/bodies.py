"""What the job endpoints take: the shape of each body, and its faults as (field, reason) pairs."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from django.conf import settings
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SkipValidation,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from jobs.domain.reviews import LONGEST_COMMENT
from jobs.domain.submission import LOWEST_PRIORITY
from taskflow.lib.bodies import Body as Body
from taskflow.lib.bodies import faults_of as faults_of
from taskflow.lib.bodies import plain_text as plain_text
from taskflow.lib.bodies import read_body as read_body
from taskflow.lib.clock import YEARS, YEARS_IN_WORDS
from taskflow.lib.fields import dump_json
from taskflow.lib.problems import FieldError
from workflows.domain.retry import RetryPolicy

MOST_JOBS = 1000
LONGEST_CORRELATION_ID = 100


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


class DecideBody(Body):
    """What a person, or a system for one, decided."""

    decision: Literal["approve", "edit", "reject"]
    output: dict[str, Any] | None = Field(None, description="With `edit`: the fields that change, with their values.")
    comment: Annotated[str, Field(max_length=LONGEST_COMMENT)] = Field("", description="Why; needed with `reject`.")


class PauseBody(Body):
    """Which jobs of the queue are meant."""

    whole: Annotated[bool, Field(strict=True)] = Field(
        False, description="True for the jobs of every tenant; needs the scope `fleet`."
    )


def check_size(payload: dict[str, Any], *, sent: int) -> list[FieldError]:
    """Return a fault if the payload is over MAX_PAYLOAD_BYTES; `sent` is the size in bytes of what it came in."""
    if sent <= settings.MAX_PAYLOAD_BYTES or len(dump_json(payload).encode()) <= settings.MAX_PAYLOAD_BYTES:
        return []
    return [("payload", f"Larger than {settings.MAX_PAYLOAD_BYTES} bytes.")]
