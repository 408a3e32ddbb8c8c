"""Checking a rule whole: its form, its expressions, and that what it names is there."""

from collections.abc import Iterator

from automations.domain.actions import Action, CancelJob, CreateJobs, Notify, PauseQueue, ResumeQueue, RetryJob
from automations.domain.triggers import JobTrigger, Measure, MeasureTrigger, WebhookTrigger
from automations.models import AutomationRule, WebhookEndpoint
from automations.services.compiling import CompiledRule, compile_rule
from jobs.services.submit import find_queue
from tenants.services.connections import connection_slugs
from workflows.domain.definition import Problem
from workflows.domain.fields import InputField
from workflows.models import Workflow
from workflows.queries import NotPublished, WorkflowNotFound, get_live


class RuleInvalid(ValueError):
    """A rule cannot be stored so; `problems` holds everything that is wrong with it, by place."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def check_rule(rule: AutomationRule) -> CompiledRule:
    """Return the rule ready to run. Raises RuleInvalid with everything that is wrong."""
    compiled = compile_rule(rule)
    problems = [*_own_problems(rule), *compiled.problems, *_trigger_problems(rule, compiled)]
    for index, action in compiled.actions.items():
        problems += _action_problems(rule, compiled, f"actions.{index}", action)
    if problems:
        raise RuleInvalid(problems)
    return compiled


def _own_problems(rule: AutomationRule) -> Iterator[Problem]:
    if not rule.name.strip():
        yield Problem("name", "is missing")
    if len(rule.name) > 200:
        yield Problem("name", "is longer than 200 characters")
    if not rule.name.isprintable():
        yield Problem("name", "should be text on one line")
    if not isinstance(rule.rate_limit, int) or not 1 <= rule.rate_limit <= 1_000_000:
        yield Problem("rate_limit", "should be from 1 to 1,000,000 firings an hour")


def _trigger_problems(rule: AutomationRule, compiled: CompiledRule) -> Iterator[Problem]:
    match compiled.trigger:
        case WebhookTrigger(endpoint=endpoint):
            if rule.tenant_id is None:
                yield Problem(
                    "trigger.endpoint", "an endpoint belongs to a tenant; the operator's rules cannot use one"
                )
            elif not WebhookEndpoint.objects.for_tenant(rule.tenant_id).filter(uid=endpoint).exists():
                yield Problem("trigger.endpoint", "there is no such endpoint")
        case JobTrigger(workflows=workflows) if rule.tenant_id is not None:
            for index, slug in enumerate(workflows):
                yield from _workflow_missing(rule.tenant_id, slug, f"trigger.workflows.{index}")
        case MeasureTrigger() as trigger if trigger.of and rule.tenant_id is not None:
            yield from _measured_missing(rule.tenant_id, trigger)


def _measured_missing(tenant_id: int, trigger: MeasureTrigger) -> Iterator[Problem]:
    of, place = trigger.of or "", "trigger.of"
    if trigger.measure is Measure.QUEUE_AGE and find_queue(of) is None:
        yield Problem(place, f"there is no queue '{of}'")
    elif trigger.measure is Measure.BUDGET_USED and of not in connection_slugs(tenant_id):
        yield Problem(place, f"there is no connection '{of}'")
    elif trigger.measure in (Measure.FAILURE_RATE, Measure.OPEN_REVIEWS):
        yield from _workflow_missing(tenant_id, of, place)


def _action_problems(rule: AutomationRule, compiled: CompiledRule, place: str, action: Action) -> Iterator[Problem]:
    match action:
        case CreateJobs():
            yield from _create_problems(rule.tenant_id, place, action)
        case Notify(connection=slug) if slug and rule.tenant_id is not None:
            if slug not in connection_slugs(rule.tenant_id):
                yield Problem(f"{place}.connection", f"there is no connection '{slug}'")
        case RetryJob() | CancelJob():
            if compiled.trigger is not None and not isinstance(compiled.trigger, JobTrigger):
                yield Problem(f"{place}.kind", "there is a job only where the trigger is one of jobs")
        case PauseQueue() | ResumeQueue():
            if find_queue(action.queue) is None:
                yield Problem(f"{place}.queue", f"there is no queue '{action.queue}'")
            if action.everybody and rule.tenant_id is not None:
                yield Problem(f"{place}.everybody", "only the operator's rules hold a queue for every tenant")


def _create_problems(tenant_id: int | None, place: str, action: CreateJobs) -> Iterator[Problem]:
    for index, template in enumerate(action.jobs):
        here = f"{place}.jobs.{index}"
        if template.queue and find_queue(template.queue) is None:
            yield Problem(f"{here}.queue", f"there is no queue '{template.queue}'")
        if tenant_id is None:
            continue
        try:
            live = get_live(tenant_id, template.workflow)
        except (WorkflowNotFound, NotPublished) as error:
            yield Problem(f"{here}.workflow", str(error))
            continue
        yield from _fields_missing(f"{here}.payload", live.fields, template.payload)


def _fields_missing(place: str, fields: tuple[InputField, ...], payload: dict[str, object]) -> Iterator[Problem]:
    for field in fields:
        if field.required and field.key not in payload:
            yield Problem(f"{place}.{field.key}", "is required")


def _workflow_missing(tenant_id: int, slug: str, place: str) -> Iterator[Problem]:
    if not Workflow.objects.for_tenant(tenant_id).filter(slug=slug).exists():
        yield Problem(place, f"There is no workflow '{slug}'.")
