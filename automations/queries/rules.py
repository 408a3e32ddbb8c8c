"""Questions about rules."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from automations.domain.states import FiringState, TriggerKind
from automations.domain.triggers import CronTrigger
from automations.models import AutomationRule, Firing
from tenants.models import Tenant

RECENT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class RuleHealth:
    """How a rule does: its last firing, the next one of a cron rule, and what went wrong in the last day."""

    last: Firing | None
    last_match_at: datetime | None
    next_at: datetime | None
    failures: int
    waiting: int
    error: str


def zone_of(rule: AutomationRule, trigger: CronTrigger) -> str:
    """Return the time zone of a cron rule: its own, else the tenant's, else UTC."""
    if trigger.time_zone:
        return trigger.time_zone
    return "UTC" if rule.tenant is None else rule.tenant.time_zone


def list_rules(tenant: Tenant) -> QuerySet[AutomationRule]:
    """Return the tenant's own rules, by name."""
    return AutomationRule.objects.for_tenant(tenant).select_related("tenant")


def operator_rules() -> QuerySet[AutomationRule]:
    """Return the operator's rules, by name."""
    return AutomationRule.objects.filter(tenant=None)


def find_rule(tenant: Tenant | None, uid: UUID) -> AutomationRule | None:
    """Return the tenant's rule with this uid (without a tenant, the operator's), or None."""
    return AutomationRule.objects.filter(tenant=tenant, uid=uid).select_related("tenant").first()


def health_of(rule: AutomationRule, *, now: datetime, tenant: Tenant | None = None) -> RuleHealth:
    """Return how the rule does, for one tenant or for all."""
    mine = Q(rule=rule) if tenant is None else Q(rule=rule, tenant=tenant)
    firings = Firing.objects.filter(mine)
    recent = firings.filter(created_at__gte=now - RECENT)
    failed = recent.filter(state=FiringState.FAILED.value)
    latest: Any = failed.order_by("-id").values_list("error", flat=True).first()
    matched = firings.filter(matched=True).order_by("-id").values_list("finished_at", flat=True).first()
    return RuleHealth(
        last=firings.order_by("-id").first(),
        last_match_at=matched,
        next_at=rule.next_at if rule.enabled and rule.trigger_kind == TriggerKind.CRON else None,
        failures=failed.count(),
        waiting=recent.filter(state=FiringState.PENDING.value).count(),
        error=latest or "",
    )
