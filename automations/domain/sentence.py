"""A rule as one sentence: when, for whom, if what, it does what."""

import re
from collections.abc import Iterable

from automations.domain.actions import Action, CancelJob, CreateJobs, Notify, PauseQueue, RetryJob
from automations.domain.cron import describe
from automations.domain.triggers import (
    CronTrigger,
    EventTrigger,
    JobTrigger,
    ManualTrigger,
    Measure,
    MeasureTrigger,
    Trigger,
    WebhookTrigger,
)
from workflows.domain.expressions.explain import parts_of

_JOB_EVENTS = {
    "job_created": "is created",
    "job_succeeded": "succeeds",
    "job_failed": "fails for good",
    "job_dead": "is out of retries",
    "job_cancelled": "is cancelled",
    "job_waiting": "waits for a person",
    "job_retry_scheduled": "is put off to be tried again",
    "job_retried": "is retried by somebody",
    "review_decided": "has a review decided",
    "review_escalated": "has a review escalated",
}
_ON_PLAN = re.compile(r"""tenant\.plan == ['"]([\w -]+)['"]""")
_HAVING = re.compile(r"has\(tenant\.attributes\.(\w+)\)")
_CHANGED = re.compile(r"^[a-z][\w.]*\.(\w+) != last\.\1$")
_CHANNELS = {"mail": "by mail", "slack": "in Slack", "teams": "in Teams", "webhook": "by webhook"}


def sentence(
    trigger: Trigger | None,
    *,
    zone: str,
    for_operator: bool,
    tenants: str,
    condition: str,
    actions: Iterable[Action],
    endpoint: str = "",
) -> str:
    """Return the sentence. `zone` is the time zone of a cron rule, `endpoint` the name of a webhook's."""
    parts = [_when(trigger, zone, endpoint)]
    if for_operator:
        parts.append(_for_whom(tenants))
    if condition.strip():
        parts.append("if " + " and ".join(_CHANGED.sub(r"\1 changed", part) for part in _joined(condition)))
    does = _listed([_what(action) for action in actions])
    return f"{', '.join(parts)}, {does or 'do nothing'}."


def _for_whom(tenants: str) -> str:
    """Say the usual choices of tenants in words, and others as they are written."""
    plan, having, others = "", list[str](), list[str]()
    for part in _joined(tenants):
        if (found := _ON_PLAN.fullmatch(part)) and not plan:
            plan = f"{found[1]} "
        elif found := _HAVING.fullmatch(part):
            having.append(found[1])
        else:
            others.append(part)
    words = f"for each {plan}tenant"
    words += f" with {_listed(having)}" if having else ""
    return words + (f" where {' and '.join(others)}" if others else "")


def _joined(condition: str) -> list[str]:
    """Return the parts that `and` joins; a condition with an `or` is one part."""
    text = " ".join(condition.split())
    return parts_of(text) if "||" not in text else [text]


def _when(trigger: Trigger | None, zone: str, endpoint: str) -> str:
    match trigger:
        case CronTrigger():
            return f"{describe(trigger.expression)} {zone}"
        case JobTrigger():
            return _when_job(trigger)
        case MeasureTrigger():
            return _when_measure(trigger)
        case EventTrigger():
            return f"When the event “{trigger.name}” is told"
        case WebhookTrigger():
            types = f" of type {_listed(list(trigger.events), 'or')}" if trigger.events else ""
            return f"When a message{types} comes to the webhook “{endpoint}”"
        case ManualTrigger():
            return "When somebody runs it"
        case _:
            return "Never"


def _when_job(trigger: JobTrigger) -> str:
    whose = f"a job of {_listed(list(trigger.workflows), 'or')}" if trigger.workflows else "a job"
    what = _listed([_JOB_EVENTS[event] for event in trigger.events], "or")
    state = f" and is {_listed(list(trigger.states), 'or')}" if trigger.states else ""
    labels = "".join(f" with {name} = {_shown(value)}" for name, value in trigger.labels.items())
    return f"When {whose} {what}{state}{labels}"


def _when_measure(trigger: MeasureTrigger) -> str:
    of = f" of {trigger.of}" if trigger.of else ""
    match trigger.measure:
        case Measure.QUEUE_AGE:
            return f"When the oldest job{f' in {trigger.of}' if trigger.of else ''} waits more than {trigger.above:g} s"
        case Measure.FAILURE_RATE:
            return f"When more than {trigger.above:.0%} of jobs{of} fail in {trigger.window / 60:g} minutes"
        case Measure.OPEN_REVIEWS:
            return f"When more than {trigger.above:g} reviews{of} are open"
        case _:
            return f"When more than {trigger.above:.0%} of the budget{of} is used"


def _what(action: Action) -> str:
    match action:
        case CreateJobs():
            jobs = _listed([template.workflow for template in action.jobs])
            each = f" for each of {action.for_each.strip()}" if action.for_each.strip() else ""
            return f"create {jobs}{each}"
        case Notify():
            whom = f" {_listed(list(action.to))}" if action.to else ""
            return f"tell{whom or ' people'} {_CHANNELS[action.channel]}"
        case RetryJob():
            return "retry the job"
        case CancelJob():
            return "cancel the job"
        case PauseQueue():
            return f"pause the queue {action.queue}{' for every tenant' if action.everybody else ''}"
        case _:
            return f"resume the queue {action.queue}{' for every tenant' if action.everybody else ''}"


def _listed(items: list[str], word: str = "and") -> str:
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {word} {items[-1]}"


def _shown(value: object) -> str:
    return f"“{value}”" if isinstance(value, str) else str(value)
