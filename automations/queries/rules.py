"""Questions about rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Max, OuterRef, Q, QuerySet, Subquery

from automations.domain.states import FiringState, TriggerKind
from automations.domain.triggers import CronTrigger
from automations.models import AutomationRule, Firing
from tenants.models import Tenant

RECENT = timedelta(days=1)
#: What a rule did lately that did nothing.
NOTHING: Mapping[str, Any] = {"failures": 0, "waiting": 0, "failed_id": None}


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
    return healths_of([rule], now=now, tenant=tenant)[rule.pk]


def healths_of(
    rules: Sequence[AutomationRule], *, now: datetime, tenant: Tenant | None = None
) -> dict[int, RuleHealth]:
    """Return by primary key how rules do, for one tenant or for all, in a handful of queries."""
    ids = [rule.pk for rule in rules]
    firings = Firing.objects.order_by() if tenant is None else Firing.objects.for_tenant(tenant).order_by()
    mine = firings.filter(rule=OuterRef("pk")).order_by("-id")
    marks = AutomationRule.objects.filter(pk__in=ids).annotate(
        last_id=Subquery(mine.values("pk")[:1]),
        matched_at=Subquery(mine.filter(matched=True).values("finished_at")[:1]),
    )
    seen = {pk: (last, at) for pk, last, at in marks.values_list("pk", "last_id", "matched_at")}
    failed, pending = (Q(state=state.value) for state in (FiringState.FAILED, FiringState.PENDING))
    counts = firings.filter(rule__in=ids, created_at__gte=now - RECENT).values("rule")
    counted = counts.annotate(failures=Count("pk", filter=failed), waiting=Count("pk", filter=pending))
    recent = {each["rule"]: each for each in counted.annotate(failed_id=Max("pk", filter=failed))}
    shown = [last for last, _ in seen.values() if last] + [each["failed_id"] for each in recent.values()]
    known = Firing.objects.defer("event").in_bulk([pk for pk in shown if pk])
    return {
        rule.pk: _health(rule, seen.get(rule.pk, (None, None)), recent.get(rule.pk, NOTHING), known) for rule in rules
    }


def _health(
    rule: AutomationRule,
    seen: tuple[int | None, datetime | None],
    recent: Mapping[str, Any],
    known: Mapping[int, Firing],
) -> RuleHealth:
    failed = known.get(recent["failed_id"] or 0)
    return RuleHealth(
        last=known.get(seen[0] or 0),
        last_match_at=seen[1],
        next_at=rule.next_at if rule.enabled and rule.trigger_kind == TriggerKind.CRON else None,
        failures=recent["failures"],
        waiting=recent["waiting"],
        error="" if failed is None else failed.error,
    )
