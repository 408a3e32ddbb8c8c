"""What a rule does, typed. Texts are templates; `{"expression": ...}` in a payload gives any value."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from automations.domain.triggers import Slug, kind_of
from workflows.domain.hints import Advanced, Computed, Duration, Fillable, Names, ShownWhen, Templated, Wording
from workflows.domain.retry import RetryPolicy
from workflows.domain.reviewing import seconds_of

MOST_ACTIONS = 20
MOST_TEMPLATES = 20
#: Jobs that one action may make for the elements of a list.
MOST_ELEMENTS = 1000
MONTH = 31 * 86_400.0
CHANNELS = ("mail", "slack", "teams", "webhook")
WAYS = Wording((("mail", "Mail"), ("slack", "Slack"), ("teams", "Microsoft Teams"), ("webhook", "Webhook")))
#: What templates of rules see besides what those of steps do; templates of jobs see the list that is gone through, too.
SEEN = ("event", "last")
ELEMENT = (*SEEN, "item", "index")


#: Seconds, which people may also write as 30m, 4h or 2d.
Delay = Annotated[float, BeforeValidator(seconds_of), Duration()]


class _Action(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class JobTemplate(_Action):
    """A job to make. `delay` is in seconds; `key` is a template: for the same text, no second job is made."""

    workflow: Annotated[Slug, Field(title="Workflow"), Names("workflow")]
    payload: Annotated[dict[str, Any], Field(title="Payload"), Fillable(ELEMENT)] = {}
    queue: Annotated[Slug | None, Field(title="Queue"), Names("queue"), Advanced()] = None
    priority: Annotated[int | None, Field(title="Priority", ge=0, le=1000), Advanced()] = None
    delay: Annotated[Delay, Field(title="Delay", ge=0, le=MONTH), Advanced()] = 0.0
    retry_policy: Annotated[RetryPolicy | None, Field(title="Retry policy"), Advanced()] = None
    key: Annotated[str, Field(title="Idempotency key", max_length=1000), Templated(ELEMENT), Advanced()] = ""


class CreateJobs(_Action):
    """Makes a job of each entry below; with “For each of”, one of each for every element of a list.

    `for_each` is an expression; the templates see the element as `item`, its place (from 0) as `index`.
    """

    model_config = ConfigDict(title="Make jobs")

    kind: Literal["create_jobs"]
    jobs: Annotated[tuple[JobTemplate, ...], Field(title="Jobs", min_length=1, max_length=MOST_TEMPLATES)]
    for_each: Annotated[str, Field(title="For each of", max_length=2000), Computed(), Advanced()] = ""
    most: Annotated[int, Field(title="At most", ge=1, le=MOST_ELEMENTS), Advanced()] = 100


class Notify(_Action):
    """Tells people by mail, in a chat or by a webhook."""

    model_config = ConfigDict(title="Tell people")

    kind: Literal["notify"]
    channel: Annotated[Literal["mail", "slack", "teams", "webhook"], Field(title="By"), WAYS]
    connection: Annotated[Slug | None, Field(title="Connection"), Names("connection", CHANNELS)] = None
    to: Annotated[
        tuple[Annotated[str, Templated(SEEN)], ...], Field(title="To", max_length=50), ShownWhen("channel", ("mail",))
    ] = ()
    subject: Annotated[str, Field(title="Subject", max_length=2000), Templated(SEEN)] = ""
    text: Annotated[str, Field(title="Text", min_length=1, max_length=50_000), Templated(SEEN)]


class RetryJob(_Action):
    """Runs the job that set the rule going again, but not more often than this rule may."""

    model_config = ConfigDict(title="Retry the job")

    kind: Literal["retry_job"]
    from_step: Annotated[str | None, Field(title="From step", max_length=50)] = None
    most: Annotated[int, Field(title="At most", ge=1, le=20)] = 3


class CancelJob(_Action):
    """Cancels the event's job."""

    model_config = ConfigDict(title="Cancel the job")

    kind: Literal["cancel_job"]


class PauseQueue(_Action):
    """Starts no more of the tenant's jobs in a queue; `everybody` (operator's rules): no jobs at all."""

    model_config = ConfigDict(title="Pause a queue")

    kind: Literal["pause_queue"]
    queue: Annotated[Slug, Field(title="Queue"), Names("queue")]
    everybody: Annotated[bool, Field(title="For every tenant")] = False


class ResumeQueue(_Action):
    """Starts the tenant's jobs in a queue again; `everybody` (operator's rules): those of all."""

    model_config = ConfigDict(title="Resume a queue")

    kind: Literal["resume_queue"]
    queue: Annotated[Slug, Field(title="Queue"), Names("queue")]
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
