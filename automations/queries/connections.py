"""Where rules use a tenant's connection."""

from automations.models import AutomationRule


def list_connection_uses(tenant_id: int, slug: str) -> list[str]:
    """Return the rules that name the tenant's connection `slug`, in words for people."""
    rules = AutomationRule.objects.for_tenant(tenant_id).order_by("name", "pk")
    return [f"rule “{rule.name}”" for rule in rules if _names(rule, slug)]


def _names(rule: AutomationRule, slug: str) -> bool:
    if rule.trigger.get("measure") == "budget_used" and rule.trigger.get("of") == slug:
        return True
    return any(action.get("connection") == slug for action in rule.actions)
