"""What the form of a rule offers to choose from."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from automations.models import AutomationEvent, AutomationRule, Firing, WebhookDelivery, WebhookEndpoint
from jobs.models import Queue
from tenants.models import Connection, Tenant
from workflows.admin.config_form import EditorContext
from workflows.domain.fields import InputField, Role
from workflows.models import Workflow
from workflows.queries import NotPublished, WorkflowNotFound, get_live
from workflows.services.variables import Variable

MOST = 200
MOST_FOUND = 40
GIVEN = (
    ("event.name", "Name of what happened", "text"),
    ("event.at", "When it happened", "datetime"),
    ("job.workflow", "The job's workflow", "text"),
    ("job.state", "The job's state", "text"),
    ("job.queue", "The job's queue", "text"),
    ("job.attempts", "How often the job was tried", "integer"),
    ("job.priority", "The job's priority", "integer"),
    ("job.error_class", "Kind of the job's error", "text"),
    ("job.error_message", "The job's error in words", "text"),
    ("tenant.name", "Tenant's name", "text"),
    ("tenant.slug", "Tenant's short name", "text"),
    ("tenant.plan", "Plan", "text"),
    ("now", "Now", "datetime"),
)
_OF_KIND: dict[str, list[tuple[str, str, str]]] = {
    "cron": [("event.scheduled_for", "The time it was due at", "datetime")],
    "job": [("event.state", "State the job came into", "text"), ("event.actor", "Who did it", "text")],
    "measure": [("event.value", "The value that was measured", "number"), ("event.above", "The threshold", "number")],
    "webhook": [("event.headers", "Headers of the message", "")],
    "manual": [("event.by", "Who runs it", "text")],
}
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "text", list: "list"}


def rule_context(tenant: Tenant | None, trigger: Mapping[str, Any], rule: AutomationRule | None) -> EditorContext:
    """Return what the form of a rule of `tenant` (None: the operator's) offers, as its trigger stands now."""
    queues = [(slug, slug) for slug in Queue.objects.order_by("slug").values_list("slug", flat=True)[:MOST]]
    found = [*_incoming(tenant, trigger, rule), *_attributes(tenant), *_remembered(rule)]
    given = [*_OF_KIND.get(str(trigger.get("kind")), ()), *GIVEN]
    variables = [*found[:MOST_FOUND], *(Variable(*each) for each in given)]
    if tenant is None:
        slugs = Workflow.objects.order_by("slug").values_list("slug", flat=True).distinct()[:MOST]
        names = [(slug, slug) for slug in slugs]
        return EditorContext(variables, workflows=names, others={"queue": queues, "endpoint": []})
    workflows = Workflow.objects.for_tenant(tenant).order_by("name").values_list("slug", "name")[:MOST]
    connections = Connection.objects.for_tenant(tenant).order_by("slug").values_list("slug", "kind", "name")[:MOST]
    endpoints = WebhookEndpoint.objects.for_tenant(tenant).order_by("name").values_list("uid", "name")[:MOST]
    return EditorContext(
        variables,
        connections=list(connections),
        workflows=list(workflows),
        others={"queue": queues, "endpoint": [(str(uid), name) for uid, name in endpoints]},
    )


def _incoming(tenant: Tenant | None, trigger: Mapping[str, Any], rule: AutomationRule | None) -> Iterator[Variable]:
    """Name what comes in: the fields of the workflow whose jobs are meant, else what is in an example."""
    slugs: Sequence[Any] = trigger.get("workflows") or ()
    if tenant is None or trigger.get("kind") != "job" or len(slugs) != 1:
        yield from _paths("payload", _example(tenant, trigger, rule))
        return
    for field in _live_fields(tenant, str(slugs[0])):
        if field.role is Role.INPUT:
            yield Variable(f"payload.{field.key}", field.shown_label, field.type.value)
        else:
            yield Variable(f"job.result.{field.key}", f"Result: {field.shown_label}", field.type.value)


def _example(tenant: Tenant | None, trigger: Mapping[str, Any], rule: AutomationRule | None) -> Any:
    """Return an example of what comes in: of the endpoint or the event, else of the last firing."""
    if tenant is not None and trigger.get("kind") == "webhook":
        rows = WebhookDelivery.objects.for_tenant(tenant).filter(endpoint__uid=_uid(trigger.get("endpoint")))
        return rows.exclude(payload=None).order_by("-pk").values_list("payload", flat=True).first()
    if tenant is not None and trigger.get("kind") == "event":
        events = AutomationEvent.objects.for_tenant(tenant).filter(name=str(trigger.get("name") or ""))
        told = events.order_by("-pk").first()
        return None if told is None else told.payload
    last = None if rule is None or rule.pk is None else Firing.objects.filter(rule=rule).order_by("-pk").first()
    return None if last is None else last.event.get("payload")


def fields_of_jobs(tenant: Tenant | None, actions: Any) -> dict[str, list[dict[str, Any]]]:
    """Return by workflow the fields that a payload may hold, of the workflows that these actions make jobs of."""
    made = [each for each in actions if isinstance(each, dict) and each.get("kind") == "create_jobs"]
    slugs = {str(job.get("workflow") or "") for each in made for job in each.get("jobs") or () if isinstance(job, dict)}
    if tenant is None:
        return {}
    return {
        slug: [
            {"key": field.key, "label": field.shown_label, "required": field.required}
            for field in _live_fields(tenant, slug)
            if field.role is Role.INPUT
        ]
        for slug in sorted(slugs)[:MOST_FOUND]
    }


def _live_fields(tenant: Tenant, slug: str) -> tuple[InputField, ...]:
    try:
        return get_live(tenant.pk, slug).fields
    except (NotPublished, WorkflowNotFound):
        return ()


def _uid(value: Any) -> str:
    try:
        return str(UUID(str(value)))
    except ValueError:
        return "00000000-0000-0000-0000-000000000000"


def _attributes(tenant: Tenant | None) -> Iterator[Variable]:
    owner = tenant or Tenant.objects.exclude(attributes="{}").order_by("pk").first()
    yield from _paths("tenant.attributes", owner.attributes if owner is not None else {})


def _remembered(rule: AutomationRule | None) -> Iterator[Variable]:
    for name in rule.remember if rule is not None and isinstance(rule.remember, dict) else ():
        yield Variable(f"last.{name}", f"{name} last time")


def _paths(start: str, data: Any, depth: int = 2) -> Iterator[Variable]:
    """Name what is in an example, two levels deep."""
    if not isinstance(data, dict):
        return
    for key, value in list(data.items())[:MOST_FOUND]:
        if not str(key).isidentifier():
            continue
        path = f"{start}.{key}"
        if isinstance(value, dict) and depth > 1:
            yield from _paths(path, value, depth - 1)
        else:
            label = path.split(".", start.count(".") + 1)[1]
            yield Variable(path, label.replace(".", ", "), _TYPES.get(type(value), ""))
