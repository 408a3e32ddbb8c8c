"""Cron rules that are due: each (rule, tenant, scheduled time) gets one firing, whoever looks and however often.

Whoever moves `next_at` on makes the firings in the same transaction, and the firing's key is one besides. So neither
two beats nor a crash at any point loses a time or fires twice.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from automations.domain import occurrences
from automations.domain.cron import Due, decide_due
from automations.domain.states import TriggerKind
from automations.domain.triggers import CronTrigger
from automations.models import AutomationRule
from automations.queries.names import tenant_names
from automations.queries.rules import zone_of
from automations.services.compiling import CompiledRule, compile_rule
from automations.services.occurrences import make_firings, new_firing
from taskflow.lib.db import in_transaction
from taskflow.lib.telemetry import emit
from tenants.models import Tenant
from workflows.domain.expressions import ExpressionError

#: Rules looked at in one tick.
SLICE = 200


def fire_due_rules(*, now: datetime) -> bool:
    """Make the firings of cron rules that are due; True if there may be more."""
    due = AutomationRule.objects.filter(enabled=True, trigger_kind=TriggerKind.CRON.value, next_at__lte=now)
    found = list(due.order_by("next_at", "pk").values_list("pk", flat=True)[:SLICE])
    for pk in found:
        in_transaction(partial(_fire, pk, now))
    return len(found) == SLICE


def _fire(pk: int, now: datetime) -> None:
    rule = AutomationRule.objects.select_related("tenant").filter(pk=pk, enabled=True, next_at__lte=now).first()
    if rule is None:
        return
    compiled = compile_rule(rule)
    due = _due(rule, compiled, now)
    until = max(now, rule.fired_until or now)
    mine = AutomationRule.objects.filter(pk=pk, enabled=True, next_at=rule.next_at, revision=rule.revision)
    if not mine.update(next_at=due.next_at, fired_until=until) or not due.times:
        return
    tenants = list(tenants_of_rule(rule, compiled, now))
    for at in due.times:
        event: dict[str, Any] = {"kind": TriggerKind.CRON.value, "name": "cron", "scheduled_for": at.isoformat()}
        occurrence = occurrences.at_time(at)
        make_firings(
            new_firing(rule, tenant.pk, occurrence, now, event | {"payload": {}}, scheduled_for=at)
            for tenant in tenants
        )
    emit("automations.due", rule=str(rule.uid), times=len(due.times), tenants=len(tenants))


def _due(rule: AutomationRule, compiled: CompiledRule, now: datetime) -> Due:
    trigger = compiled.trigger
    if not isinstance(trigger, CronTrigger):
        return Due((), None)
    return decide_due(
        trigger.expression,
        zone_of(rule, trigger),
        since=rule.fired_until or rule.enabled_at or now,
        now=now,
        missed=trigger.missed,
        window=timedelta(seconds=trigger.window),
    )


def tenants_of_rule(rule: AutomationRule, compiled: CompiledRule, now: datetime) -> Iterator[Tenant]:
    """Find the active tenants that a rule holds for: its own, or those an operator's rule chooses.

    One that the choice does not fit (it lacks an attribute, say) is not chosen.
    """
    if rule.tenant is not None:
        if rule.tenant.active:
            yield rule.tenant
        return
    for tenant in Tenant.objects.filter(active=True).order_by("pk"):
        if chooses(compiled, tenant, now):
            yield tenant


def chooses(compiled: CompiledRule, tenant: Tenant, now: datetime) -> bool:
    """Say whether an operator's rule holds for a tenant."""
    if compiled.tenants is None:
        return True
    try:
        return compiled.tenants.test({"tenant": tenant_names(tenant), "now": now})
    except ExpressionError:
        return False
