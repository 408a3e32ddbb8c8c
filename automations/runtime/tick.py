"""The tick of automations: what makes firings of all that came due, was told, or was left behind by a crash."""

from datetime import datetime, timedelta

from django.conf import settings

from automations.models import AutomationTick
from automations.queries.work import work_waits
from automations.services.alerts import watch_measures
from automations.services.events import fire_what_was_left
from automations.services.hints import ask_for_tick, hint
from automations.services.pruning import Keep, prune
from automations.services.reading import read_job_events
from automations.services.schedule import fire_due_rules
from taskflow.lib.telemetry import span

INTERVAL = timedelta(seconds=0.9)
OVERDUE = timedelta(seconds=2)
#: Stretches of the jobs' log that one tick reads at most.
STRETCHES = 10


def tick(*, now: datetime, interval: timedelta = INTERVAL) -> bool:
    """Look for what is due and make its firings, and tell a worker where firings or messages wait.

    Returns False without doing anything when somebody else did it less than `interval` ago.
    """
    if not _take_turn(now, interval):
        return False
    with span("automations.tick"):
        fire_due_rules(now=now)
        for _ in range(STRETCHES):
            if not read_job_events(now=now):
                break
        watch_measures(now=now)
        fire_what_was_left(now=now)
        if work_waits(now=now):
            hint()
    if now.second == 0:
        keep = Keep(settings.FIRING_DAYS, settings.UNMATCHED_FIRING_DAYS, settings.DELIVERY_DAYS)
        prune(keep=keep, now=now)
    return True


def tick_if_overdue(now: datetime) -> None:
    """Ask for a tick when nobody made one for a while: rules go on when beat is down."""
    last = AutomationTick.objects.filter(pk=1).values_list("ticked_at", flat=True).first()
    if last is None or now - last > OVERDUE:
        ask_for_tick()


def _take_turn(now: datetime, interval: timedelta) -> bool:
    last, _ = AutomationTick.objects.get_or_create(pk=1)
    # A last tick in the future is that of a clock which was put right.
    if last.ticked_at is not None and abs(now - last.ticked_at) < interval:
        return False
    return AutomationTick.objects.filter(pk=1, ticked_at=last.ticked_at).update(ticked_at=now) == 1
