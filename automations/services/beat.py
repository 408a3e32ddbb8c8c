"""Beat's own schedule of cron rules: one entry each, which wakes the tick at the right moment.

The entry is a hint. Whether a rule is due, the database says; an entry that is missing, late or sent twice changes
nothing but latency.
"""

from datetime import datetime

from cronsim import CronSim
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from automations.domain.triggers import CronTrigger, Trigger
from automations.models import AutomationRule
from automations.queries.rules import zone_of

TASK = "automations.tick"


def entry_name(rule: AutomationRule) -> str:
    """Return the name of the rule's entry."""
    return f"automations: rule {rule.uid}"


def sync_entry(rule: AutomationRule, trigger: Trigger | None) -> None:
    """Make, change or take away the rule's entry, as it is now."""
    if not isinstance(trigger, CronTrigger) or not rule.enabled:
        drop_entry(rule)
        return
    schedule, _ = CrontabSchedule.objects.get_or_create(
        **celery_fields(trigger.expression), timezone=zone_of(rule, trigger)
    )
    PeriodicTask.objects.update_or_create(
        name=entry_name(rule),
        defaults={"task": TASK, "crontab": schedule, "enabled": True, "expire_seconds": 60, "description": rule.name},
    )


def drop_entry(rule: AutomationRule) -> None:
    """Take away the rule's entry."""
    # One by one, for only so does beat hear of it.
    for entry in PeriodicTask.objects.filter(name=entry_name(rule)):
        entry.delete()


def celery_fields(expression: str) -> dict[str, str]:
    """Return an expression as Celery's schedule has it; where that cannot say the same, one that comes more often."""
    clock = CronSim(expression, datetime(2024, 1, 1))  # noqa: DTZ001 - only the fields are read
    days, weekdays = _listed(clock.days, 31), _listed({day % 7 for day in clock.weekdays if isinstance(day, int)}, 7)
    special = any(not isinstance(day, int) for day in clock.weekdays) or min(clock.days) < 0
    if special or not clock.day_and:
        days = weekdays = "*"
    return {
        "minute": _listed(clock.minutes, 60),
        "hour": _listed(clock.hours, 24),
        "day_of_month": days,
        "month_of_year": _listed(clock.months, 12),
        "day_of_week": weekdays,
    }


def _listed(values: set[int], all_of_them: int) -> str:
    return "*" if len(values) == all_of_them else ",".join(map(str, sorted(values)))
