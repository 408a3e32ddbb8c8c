"""Alerts: measures looked at every few seconds; each crossing of the threshold, and each way back, is one firing."""

from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from automations.domain import occurrences
from automations.domain.measures import Crossing, Standing, judge
from automations.domain.states import TriggerKind
from automations.domain.triggers import MeasureTrigger
from automations.models import AutomationRule, RuleMemory
from automations.queries.measures import measured
from automations.services.compiling import compile_rule
from automations.services.occurrences import make_firings, new_firing
from automations.services.schedule import tenants_of_rule
from taskflow.lib.db import in_transaction
from tenants.models import Tenant

EVERY = timedelta(seconds=10)


def watch_measures(*, now: datetime) -> None:
    """Look at the measures whose turn it is, and make the firings of those that crossed their threshold."""
    rules = AutomationRule.objects.filter(enabled=True, trigger_kind=TriggerKind.MEASURE.value)
    for rule in rules.select_related("tenant").order_by("pk"):
        if rule.next_at is not None and rule.next_at > now:
            continue
        # Whoever moves it on looks; one lost to a crash is made up for ten seconds later.
        mine = AutomationRule.objects.filter(pk=rule.pk, next_at=rule.next_at)
        if mine.update(next_at=now + EVERY):
            watch_rule(rule, now=now)


def watch_rule(rule: AutomationRule, *, now: datetime) -> None:
    """Look at one rule's measure for each tenant that it holds for."""
    compiled = compile_rule(rule)
    if not isinstance(compiled.trigger, MeasureTrigger):
        return
    for tenant in tenants_of_rule(rule, compiled, now):
        value = measured(compiled.trigger, tenant.pk, now=now)
        _judge(rule, compiled.trigger, tenant, value, now)


def _judge(rule: AutomationRule, trigger: MeasureTrigger, tenant: Tenant, value: float | None, now: datetime) -> None:
    RuleMemory.objects.get_or_create(rule=rule, tenant=tenant, defaults={"updated_at": now})

    def work() -> None:
        rows = RuleMemory.objects.filter(rule=rule, tenant=tenant)
        if connection.features.has_select_for_update:
            rows = rows.select_for_update()
        memory: RuleMemory = rows.get()
        crossing = judge(trigger, value, Standing(memory.raised_at, memory.resolved_at), now)
        if crossing is not None:
            _cross(rule, trigger, memory, crossing, value or 0.0, now)
        memory.value = value
        memory.save(update_fields=["value", "raised_at", "resolved_at", "episode"])

    in_transaction(work)


def _cross(
    rule: AutomationRule, trigger: MeasureTrigger, memory: RuleMemory, crossing: Crossing, value: float, now: datetime
) -> None:
    raised = crossing is Crossing.RAISED
    if raised:
        memory.raised_at, memory.episode = now, memory.episode + 1
    else:
        memory.resolved_at = now
    if not raised and not trigger.tell_resolved:
        return
    event: dict[str, Any] = {
        "kind": TriggerKind.MEASURE.value,
        "name": crossing.value,
        "measure": trigger.measure.value,
        "of": trigger.of or "",
        "value": value,
        "above": trigger.above,
        "below": trigger.resolved_at,
        "at": now.isoformat(),
        "payload": {},
    }
    occurrence = occurrences.of_crossing(memory.episode, raised=raised)
    make_firings([new_firing(rule, memory.tenant_id, occurrence, now, event)])
