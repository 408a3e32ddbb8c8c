"""What sets a rule going, typed."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from automations.domain.cron import CronError, Missed, check_cron
from jobs.domain.states import EventKind, State
from workflows.domain.hints import Advanced, Duration, Names, Wording
from workflows.domain.reviewing import seconds_of

DAY = 86_400
NAME = r"^[A-Za-z][A-Za-z0-9_.:-]{0,99}$"
Slug = Annotated[str, Field(pattern=r"^[-a-zA-Z0-9_]{1,63}$")]
Scalar = str | int | float | bool | None
#: Whole seconds, which people may also write as 30m, 4h or 2d.
Seconds = Annotated[int, BeforeValidator(seconds_of), Duration()]
MISSED = Wording((("skip", "Let them go"), ("one", "Make up for the last one"), ("all", "Make up for each")))
JOB_EVENTS = Wording(
    (
        ("job_created", "It is created"),
        ("job_succeeded", "It succeeds"),
        ("job_failed", "It fails for good"),
        ("job_dead", "It is out of retries"),
        ("job_cancelled", "It is cancelled"),
        ("job_waiting", "It waits for a person"),
        ("job_retry_scheduled", "It is put off to be tried again"),
        ("job_retried", "Somebody retries it"),
        ("review_decided", "A review of it is decided"),
        ("review_escalated", "A review of it is escalated"),
    )
)
MEASURES = Wording(
    (
        ("queue_age", "How long the oldest job waits (seconds)"),
        ("failure_rate", "Which share of jobs fail (0 to 1)"),
        ("open_reviews", "How many reviews are open"),
        ("budget_used", "Which share of a budget is used (0 to 1)"),
    )
)


class JobEvent(StrEnum):
    """What a rule may hear of a job."""

    CREATED = "job_created"
    SUCCEEDED = "job_succeeded"
    FAILED = "job_failed"
    DEAD = "job_dead"
    CANCELLED = "job_cancelled"
    WAITING = "job_waiting"
    RETRY_SCHEDULED = "job_retry_scheduled"
    RETRIED = "job_retried"
    REVIEW_DECIDED = "review_decided"
    REVIEW_ESCALATED = "review_escalated"


#: By which lines of a job's log each is known.
LINES: dict[JobEvent, tuple[EventKind, ...]] = {
    JobEvent.CREATED: (EventKind.CREATED,),
    JobEvent.SUCCEEDED: (EventKind.SUCCEEDED,),
    JobEvent.FAILED: (EventKind.FAILED,),
    JobEvent.DEAD: (EventKind.DEAD,),
    JobEvent.CANCELLED: (EventKind.CANCELLED,),
    JobEvent.WAITING: (EventKind.WAITING,),
    JobEvent.RETRY_SCHEDULED: (EventKind.RETRY_SCHEDULED,),
    JobEvent.RETRIED: (EventKind.RETRIED, EventKind.REQUEUED),
    JobEvent.REVIEW_DECIDED: (EventKind.DECIDED,),
    JobEvent.REVIEW_ESCALATED: (EventKind.ESCALATED,),
}
EVENT_OF_LINE = {line.value: event for event, lines in LINES.items() for line in lines}


class Measure(StrEnum):
    """What an alert looks at, of one tenant."""

    QUEUE_AGE = "queue_age"
    FAILURE_RATE = "failure_rate"
    OPEN_REVIEWS = "open_reviews"
    BUDGET_USED = "budget_used"


class _Trigger(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    def listens_to(self) -> str:
        """By which name it is found; empty where the kind alone says it."""
        return ""


class CronTrigger(_Trigger):
    """At times of the day, week and month. Without a time zone: the tenant's own, for operator's rules UTC.

    `window` is how many seconds back missed times are made up for.
    """

    model_config = ConfigDict(title="At times of the day, week or month")

    kind: Literal["cron"]
    expression: Annotated[str, Field(title="When", min_length=1, max_length=200)]
    time_zone: Annotated[str | None, Field(title="Time zone")] = None
    missed: Annotated[Missed, Field(title="Missed runs"), MISSED, Advanced()] = Missed.ONE
    window: Annotated[Seconds, Field(title="Made up for within", ge=60, le=31 * DAY), Advanced()] = DAY

    @field_validator("expression")
    @classmethod
    def _is_cron(cls, expression: str) -> str:
        try:
            check_cron(expression)
        except CronError as error:
            raise ValueError(str(error)) from None
        return " ".join(expression.split())

    @field_validator("time_zone")
    @classmethod
    def _is_zone(cls, zone: str | None) -> str | None:
        if zone and zone not in available_timezones():
            raise ValueError(f"'{zone}' is not a time zone; use an IANA name such as Europe/Berlin")
        return zone or None


class JobTrigger(_Trigger):
    """When something happens to a job: of these workflows, coming into one of these states, with these results.

    `labels` are values that the job's result must have, by name; a dotted name reaches inside.
    """

    model_config = ConfigDict(title="Something that happens to a job")

    kind: Literal["job"]
    events: Annotated[tuple[JobEvent, ...], Field(title="Events", min_length=1), JOB_EVENTS]
    workflows: Annotated[tuple[Annotated[Slug, Names("workflow")], ...], Field(title="Workflows", max_length=50)] = ()
    states: Annotated[tuple[State, ...], Field(title="States"), Advanced()] = ()
    labels: Annotated[dict[str, Scalar], Field(title="Labels", max_length=20), Advanced()] = {}

    @property
    def lines(self) -> frozenset[str]:
        """The kinds of lines in a job's log that it listens to."""
        return frozenset(line.value for event in self.events for line in LINES[event])


class MeasureTrigger(_Trigger):
    """When a measure crosses a threshold: raised above `above`, resolved at or below `below` (90 % of it by itself).

    `of` is the queue, the workflow or the connection that is measured; empty: all. `window` is the seconds a rate is
    taken over, `cooldown` the least seconds between two raisings, `least` the jobs below which there is no rate.
    Ages are in seconds, rates and budgets in parts of 1.
    """

    model_config = ConfigDict(title="A measure that crosses a threshold")

    kind: Literal["measure"]
    measure: Annotated[Measure, Field(title="Measure"), MEASURES]
    of: Annotated[Slug | None, Field(title="Of")] = None
    above: Annotated[float, Field(title="Above", ge=0, allow_inf_nan=False)]
    below: Annotated[float | None, Field(title="Resolved at", ge=0, allow_inf_nan=False), Advanced()] = None
    window: Annotated[Seconds, Field(title="Over", ge=60, le=7 * DAY)] = 900
    cooldown: Annotated[Seconds, Field(title="Cooldown", ge=0, le=7 * DAY), Advanced()] = 600
    least: Annotated[int, Field(title="At least so many jobs", ge=1, le=10_000), Advanced()] = 10
    tell_resolved: Annotated[bool, Field(title="Fire when resolved too"), Advanced()] = True

    @model_validator(mode="after")
    def _is_in_order(self) -> "MeasureTrigger":
        if self.below is not None and self.below > self.above:
            raise ValueError("`below` must not be more than `above`")
        if self.measure is Measure.BUDGET_USED and not self.of:
            raise ValueError("`of` must name the connection whose budget it is")
        return self

    @property
    def resolved_at(self) -> float:
        """At or below which value it is resolved."""
        return self.above * 0.9 if self.below is None else self.below


class EventTrigger(_Trigger):
    """When another system tells an event of this name."""

    model_config = ConfigDict(title="An event that another system tells")

    kind: Literal["event"]
    name: Annotated[str, Field(title="Name", pattern=NAME)]

    @property
    def listens_to(self) -> str:
        return self.name


class WebhookTrigger(_Trigger):
    """When a message comes to a webhook endpoint, of one of these types where any are named."""

    model_config = ConfigDict(title="A message to a webhook")

    kind: Literal["webhook"]
    endpoint: Annotated[UUID, Field(title="Endpoint"), Names("endpoint")]
    events: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=200)], ...], Field(title="Types")] = ()

    @property
    def listens_to(self) -> str:
        return str(self.endpoint)


class ManualTrigger(_Trigger):
    """When somebody presses “Run now”, and never by itself."""

    model_config = ConfigDict(title="Somebody who runs it")

    kind: Literal["manual"]


Trigger = CronTrigger | JobTrigger | MeasureTrigger | EventTrigger | WebhookTrigger | ManualTrigger
TRIGGERS: dict[str, type[Trigger]] = {
    "cron": CronTrigger,
    "job": JobTrigger,
    "measure": MeasureTrigger,
    "event": EventTrigger,
    "webhook": WebhookTrigger,
    "manual": ManualTrigger,
}


def read_trigger(data: Any) -> Trigger:
    """Return plain data as a typed trigger. Raises UnknownKind, and pydantic's ValidationError."""
    return kind_of(data, TRIGGERS).model_validate(data)


class UnknownKind(ValueError):
    """Plain data names no kind there is."""


T = TypeVar("T", bound=type)


def kind_of(data: Any, kinds: Mapping[str, T]) -> T:
    """Return the class for the `kind` that plain data names. Raises UnknownKind."""
    kind = data.get("kind") if isinstance(data, Mapping) else None
    if not isinstance(kind, str) or kind not in kinds:
        named = f"'{kind}' is not known" if isinstance(kind, str) else "is missing"
        raise UnknownKind(f"{named}; there are {', '.join(kinds)}")
    return kinds[kind]


def has_labels(result: Any, labels: dict[str, Scalar]) -> bool:
    """Say whether a job's result has these values; a dotted name reaches inside."""
    return all(_at(result, name) == wanted for name, wanted in labels.items())


_NOTHING = object()


def _at(value: Any, name: str) -> Any:
    for key in name.split("."):
        if not isinstance(value, dict) or key not in value:
            return _NOTHING
        value = value[key]
    return value
