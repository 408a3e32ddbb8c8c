"""A stored rule as a sentence for people."""

from automations.domain.sentence import sentence
from automations.domain.triggers import CronTrigger, WebhookTrigger
from automations.models import AutomationRule, WebhookEndpoint
from automations.queries.rules import zone_of
from automations.services.compiling import compile_rule


def sentence_of(rule: AutomationRule) -> str:
    """Return the rule as one sentence: "Every day at 07:00 UTC, for each tenant where …, create billing."."""
    compiled = compile_rule(rule)
    trigger = compiled.trigger
    return sentence(
        trigger,
        zone=zone_of(rule, trigger) if isinstance(trigger, CronTrigger) else "",
        for_operator=rule.tenant_id is None,
        tenants=rule.for_each_tenant,
        condition=rule.condition,
        actions=compiled.actions.values(),
        endpoint=_endpoint(rule, trigger) if isinstance(trigger, WebhookTrigger) else "",
    )


def _endpoint(rule: AutomationRule, trigger: WebhookTrigger) -> str:
    found = WebhookEndpoint.objects.filter(tenant=rule.tenant, uid=trigger.endpoint)
    return found.values_list("name", flat=True).first() or str(trigger.endpoint)
