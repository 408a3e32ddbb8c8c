"""What a tenant has of automations, for the walk over every route."""

import hashlib
from dataclasses import dataclass

from automations.models import (
    AutomationEvent,
    AutomationRule,
    Firing,
    JobLink,
    Notice,
    RuleMemory,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookRefusal,
    WebhookReplay,
)
from automations.services.endpoints import Issued, create_endpoint
from jobs.models import Job
from tenants.models import Tenant
from tests.factories import NOW

WEBHOOK = "api/v1/events/webhook/<str:key>"


@dataclass(frozen=True)
class Automations:
    """The rows of one tenant; `spare` is for whatever deletes."""

    webhook: Issued
    spare: WebhookEndpoint
    delivery: WebhookDelivery
    rule: AutomationRule
    spare_rule: AutomationRule
    firing: Firing

    def values(self, route: str) -> list[dict[str, str]] | None:
        """Return what to put into a route of ours; None for other routes."""
        if route == WEBHOOK:
            return [{"key": self.webhook.key}]
        if route == "api/v1/webhook-endpoints/<uuid:uid>":
            return [{"uid": str(self.spare.uid)}]
        if route.startswith("api/v1/webhook-endpoints/"):
            return [{"uid": str(self.webhook.endpoint.uid), "delivery": str(self.delivery.uid)}]
        if route == "api/v1/automation-rules/<uuid:uid>":
            return [{"uid": str(self.spare_rule.uid)}]
        if route.startswith("api/v1/automation-rules/"):
            return [{"uid": str(self.rule.uid), "firing": str(self.firing.uid)}]
        if route.startswith("admin/automations/"):
            return [self.values_of_page(route)]
        return None

    def values_of_page(self, route: str) -> dict[str, str]:
        """Return what to put into the route of a page."""
        if "/webhooks/" in route:
            return {"uid": str(self.webhook.endpoint.uid), "delivery": str(self.delivery.uid)}
        return {"uid": str(self.firing.uid if "/firings/" in route else self.rule.uid)}


def furnish_automations(tenant: Tenant, slug: str, job: Job) -> Automations:
    """Make a row of everything, `slug` in each of them."""
    issued = create_endpoint(tenant=tenant, name=slug, scheme="github", now=NOW)
    spare = create_endpoint(tenant=tenant, name=slug, scheme="github", now=NOW).endpoint
    WebhookRefusal.objects.create(endpoint=issued.endpoint, cause="wrong", reason=slug, first_at=NOW, last_at=NOW)
    delivery = WebhookDelivery.objects.create(
        tenant=tenant, endpoint=issued.endpoint, delivery_id=slug, event_type=slug, headers={"x": slug},
        body=slug.encode(), payload={"text": slug}, state="fired", reason=slug, received_at=NOW,
    )  # fmt: skip
    WebhookReplay.objects.create(delivery=delivery, by=slug, at=NOW)
    event = AutomationEvent.objects.create(
        tenant=tenant, name=slug, key=slug, payload={"text": slug}, source=slug, created_at=NOW
    )
    rule, spare_rule = (make_rule(tenant, slug) for _ in range(2))
    RuleMemory.objects.create(rule=rule, tenant=tenant, last={"text": slug}, updated_at=NOW)
    firing = Firing.objects.create(
        key=hashlib.sha256(slug.encode()).hexdigest(), rule=rule, rule_uid=rule.uid, rule_name=slug, tenant=tenant,
        trigger_kind="event", occurrence=slug, delivery=delivery, told_event=event, event={"text": slug}, state="done",
        reason=slug, error=slug, due_at=NOW, created_at=NOW, finished_at=NOW,
    )  # fmt: skip
    JobLink.objects.create(firing=firing, job=job, position=0, depth=1)
    content = {"text": slug}
    Notice.objects.create(firing=firing, tenant=tenant, position=0, content=content, state="sent", due_at=NOW)
    return Automations(issued, spare, delivery, rule, spare_rule, firing)


def make_rule(tenant: Tenant, slug: str) -> AutomationRule:
    """Make a rule that listens to an event of the tenant's name."""
    return AutomationRule.objects.create(
        tenant=tenant, name=slug, description=slug, trigger={"kind": "event", "name": slug}, trigger_kind="event",
        listens_to=slug, created_at=NOW, updated_at=NOW,
        actions=[{"kind": "notify", "channel": "mail", "to": ["a@b.example"], "text": slug}],
    )  # fmt: skip
