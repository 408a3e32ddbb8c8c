"""What a rule does, typed. Texts are templates; `{"expression": ...}` in a payload gives any value."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from automations.domain.triggers import Slug, kind_of
from workflows.domain.retry import RetryPolicy

MOST_ACTIONS = 20
MOST_TEMPLATES = 20
#: Jobs that one action may make for the elements of a list.
MOST_ELEMENTS = 1000
MONTH = 31 * 86_400.0


class _Action(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class JobTemplate(_Action):
    """A job to make. `delay` is in seconds; `key` is a template: for the same text, no second job is made."""

    workflow: Annotated[Slug, Field(title="Workflow")]
    payload: Annotated[dict[str, Any], Field(title="Payload")] = {}
    queue: Annotated[Slug | None, Field(title="Queue")] = None
    priority: Annotated[int | None, Field(title="Priority", ge=0, le=1000)] = None
    delay: Annotated[float, Field(title="Delay", ge=0, le=MONTH)] = 0.0
    retry_policy: Annotated[RetryPolicy | None, Field(title="Retry policy")] = None
    key: Annotated[str, Field(title="Idempotency key", max_length=1000)] = ""


class CreateJobs(_Action):
    """Makes jobs: one of each template, or, with `for_each`, one of each template for every element of a list.

    `for_each` is an expression; the templates see the element as `item`, its place (from 0) as `index`.
    """

    kind: Literal["create_jobs"]
    jobs: Annotated[tuple[JobTemplate, ...], Field(title="Jobs", min_length=1, max_length=MOST_TEMPLATES)]
    for_each: Annotated[str, Field(title="For each of", max_length=2000)] = ""
    most: Annotated[int, Field(title="At most", ge=1, le=MOST_ELEMENTS)] = 100


class Notify(_Action):
    """Tells people, as the step of that name does."""

    kind: Literal["notify"]
    channel: Annotated[Literal["mail", "slack", "teams", "webhook"], Field(title="By")]
    connection: Annotated[Slug | None, Field(title="Connection")] = None
    to: Annotated[tuple[str, ...], Field(title="To", max_length=50)] = ()
    subject: Annotated[str, Field(title="Subject", max_length=2000)] = ""
    text: Annotated[str, Field(title="Text", min_length=1, max_length=50_000)]


class RetryJob(_Action):
    """Runs the event's job again, `most` times by this rule."""

    kind: Literal["retry_job"]
    from_step: Annotated[str | None, Field(title="From step", max_length=50)] = None
    most: Annotated[int, Field(title="At most", ge=1, le=20)] = 3


class CancelJob(_Action):
    """Cancels the event's job."""

    kind: Literal["cancel_job"]


class PauseQueue(_Action):
    """Starts no more of the tenant's jobs in a queue; `everybody` (operator's rules): no jobs at all."""

    kind: Literal["pause_queue"]
    queue: Annotated[Slug, Field(title="Queue")]
    everybody: Annotated[bool, Field(title="For every tenant")] = False


class ResumeQueue(_Action):
    """Starts the tenant's jobs in a queue again; `everybody` (operator's rules): those of all."""

    kind: Literal["resume_queue"]
    queue: Annotated[Slug, Field(title="Queue")]
    everybody: Annotated[bool, Field(title="For every tenant")] = False


Action = CreateJobs | Notify | RetryJob | CancelJob | PauseQueue | ResumeQueue
ACTIONS: dict[str, type[Action]] = {
    "create_jobs": CreateJobs,
    "notify": Notify,
    "retry_job": RetryJob,
    "cancel_job": CancelJob,
    "pause_queue": PauseQueue,
    "resume_queue": ResumeQueue,
}


def read_action(data: Any) -> Action:
    """Return plain data as a typed action. Raises UnknownKind, and pydantic's ValidationError."""
    return kind_of(data, ACTIONS).model_validate(data)
