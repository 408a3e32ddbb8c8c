"""The tick: what keeps the engine going when messages are lost. Anybody may call it; one at a time does the work."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q

from jobs.models import EngineTick
from jobs.services import bulk, leases, rescue
from jobs.services.submit import prune_idempotency_keys
from taskflow.lib.telemetry import emit, span

INTERVAL = timedelta(seconds=0.9)
OVERDUE = timedelta(seconds=2)
KEEP_LEASES = timedelta(days=1)


def tick(*, now: datetime, interval: timedelta = INTERVAL) -> bool:
    """Promote due jobs, end stale leases and rescue their jobs, wake queues with work, carry on bulk actions.

    Returns False without doing anything when somebody else did it less than `interval` ago.
    """
    if not _take_turn(now, interval):
        return False
    with span("engine.tick") as fields:
        ended = leases.end_stale_leases(lease_seconds=settings.LEASE_SECONDS)
        fields["rescued"] = rescue.rescue_orphans(now=now, crash_budget=settings.CRASH_BUDGET)
        if ended or fields["rescued"]:
            emit("engine.rescue", jobs=fields["rescued"], leases=len(ended))
        fields["promoted"] = rescue.promote_due(now=now)
        fields["woken"] = rescue.wake_queues_with_work(now=now)
        bulk.continue_stale(now=now)
    if now.second == 0:
        prune_idempotency_keys(now=now)
        leases.prune_leases(before=now - KEEP_LEASES)
    return True


def tick_if_overdue(*, now: datetime) -> bool:
    """Tick when nobody did for a while: the fleet goes on when beat is down."""
    return tick(now=now, interval=OVERDUE)


def _take_turn(now: datetime, interval: timedelta) -> bool:
    overdue = Q(ticked_at__isnull=True) | Q(ticked_at__lte=now - interval)
    if not EngineTick.objects.filter(overdue, pk=1).exists():
        EngineTick.objects.get_or_create(pk=1)
        if not EngineTick.objects.filter(overdue, pk=1).exists():
            return False
    return EngineTick.objects.filter(overdue, pk=1).update(ticked_at=now) == 1
