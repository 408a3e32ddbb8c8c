"""Making, changing, switching and deleting rules. Who stands behind it may do so is the edge's to check."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from automations.domain.cron import next_times
from automations.domain.triggers import CronTrigger, JobTrigger, Trigger, read_trigger
from automations.models import AutomationRule
from automations.queries.rules import zone_of
from automations.services.beat import drop_entry, sync_entry
from automations.services.checking import RuleInvalid, check_rule
from automations.services.reading import follow_jobs
from taskflow.lib.db import in_transaction
from taskflow.lib.telemetry import emit
from tenants.models import Tenant
from workflows.domain.definition import Problem

if TYPE_CHECKING:
    from django.contrib.auth.models import User

__all__ = ["FIELDS", "Conflict", "RuleInvalid", "create_rule", "delete_rule", "edit_rule", "set_enabled"]

#: What is given when a rule is made or changed.
FIELDS = (
    "name",
    "description",
    "trigger",
    "for_each_tenant",
    "condition",
    "actions",
    "remember",
    "rate_limit",
)


class Conflict(Exception):
    """Somebody else changed the rule meanwhile; `current` is the revision it has now."""

    def __init__(self, current: int) -> None:
        self.current = current
        super().__init__("Somebody else changed the rule meanwhile. Look at it again, and change it then.")


def create_rule(
    *, tenant: Tenant | None, values: Mapping[str, Any], now: datetime, user: "User | None" = None, enabled: bool = True
) -> AutomationRule:
    """Make a rule of a tenant, or the operator's for all; `values` are some of FIELDS. Raises RuleInvalid."""
    rule = AutomationRule(tenant=tenant, created_by=user, created_at=now, enabled=enabled)
    _assign(rule, values)
    rule.enabled_at = now if enabled else None
    return in_transaction(lambda: _store(rule, now, user))


def edit_rule(
    *, rule: AutomationRule, revision: int, values: Mapping[str, Any], now: datetime, user: "User | None" = None
) -> AutomationRule:
    """Change a rule as it was at `revision`; what is not given stays. Raises Conflict and RuleInvalid."""

    def work() -> AutomationRule:
        row = _locked(rule)
        if row.revision != revision:
            raise Conflict(row.revision)
        before = _trigger_of(row)
        _assign(row, values)
        row.revision += 1
        return _store(row, now, user, rescheduled=before is None or _trigger_of(row) != before)

    return in_transaction(work)


def set_enabled(*, rule: AutomationRule, enabled: bool, now: datetime, user: "User | None" = None) -> AutomationRule:
    """Switch a rule on or off. What was missed while it was off is not made up for. Raises RuleInvalid."""

    def work() -> AutomationRule:
        row = _locked(rule)
        if row.enabled == enabled:
            return row
        row.enabled, row.enabled_at = enabled, now if enabled else None
        return _store(row, now, user, check=enabled)

    return in_transaction(work)


def delete_rule(*, rule: AutomationRule) -> None:
    """Delete a rule. Its firings stay, to be read."""

    def work() -> None:
        drop_entry(rule)
        AutomationRule.objects.filter(pk=rule.pk).delete()

    in_transaction(work)
    emit("automations.rule_deleted", rule=str(rule.uid))


def _locked(rule: AutomationRule) -> AutomationRule:
    row: AutomationRule = AutomationRule.objects.select_for_update().get(pk=rule.pk)
    return row


def _assign(rule: AutomationRule, values: Mapping[str, Any]) -> None:
    unknown = [Problem(name, "is not known here") for name in values if name not in FIELDS]
    if unknown:
        raise RuleInvalid(unknown)
    for name, value in values.items():
        setattr(rule, name, value)


def _store(
    rule: AutomationRule, now: datetime, user: "User | None", *, rescheduled: bool = True, check: bool = True
) -> AutomationRule:
    trigger = check_rule(rule).trigger if check else _trigger_of(rule)
    if trigger is not None:
        rule.trigger_kind, rule.listens_to = trigger.kind, trigger.listens_to
        if rescheduled:
            rule.fired_until, rule.next_at = now, _next_at(rule, trigger, now)
        if rule.enabled and isinstance(trigger, JobTrigger):
            follow_jobs()
    rule.edited_by, rule.updated_at = user, now
    rule.save()
    sync_entry(rule, trigger)
    return rule


def _trigger_of(rule: AutomationRule) -> Trigger | None:
    try:
        return read_trigger(rule.trigger)
    except ValueError:
        return None


def _next_at(rule: AutomationRule, trigger: Trigger, now: datetime) -> datetime | None:
    if not rule.enabled or not isinstance(trigger, CronTrigger):
        return None
    times = next_times(trigger.expression, zone_of(rule, trigger), now, 1)
    return times[0] if times else None
