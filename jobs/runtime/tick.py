"""The tick: what keeps the engine going when messages are lost. Anybody may call it; one at a time does the work."""

from datetime import datetime, timedelta

from django.conf import settings

from jobs.models import EngineTick
from jobs.services import budgets, bulk, exports, indexing, intake, leases, rescue, trials
from jobs.services.joins import resume_joins
from jobs.services.llm import prune_llm
from jobs.services.review_effects import apply_due_reviews
from jobs.services.submit import prune_idempotency_keys
from taskflow.lib.telemetry import emit, span

INTERVAL = timedelta(seconds=0.9)
OVERDUE = timedelta(seconds=2)
#: How long ago the last tick was where there was none.
NEVER = timedelta.max
KEEP_LEASES = timedelta(days=1)
#: How often it is looked whether a newly published version shows other fields in its list.
SYNC_SECONDS = 5


def tick(*, now: datetime, interval: timedelta = INTERVAL) -> bool:
    """Promote due jobs, rescue those of dead workers, apply reviews, wake queues with work, carry on background work.

    Returns False without doing anything when somebody else did it less than `interval` ago.
    """
    since = _take_turn(now, interval)
    if since is None:
        return False
    with span("engine.tick") as fields:
        ended = _end_stale_leases(since)
        fields["rescued"] = rescue.rescue_orphans(now=now, crash_budget=settings.CRASH_BUDGET)
        if ended or fields["rescued"]:
            emit("engine.rescue", jobs=fields["rescued"], leases=len(ended))
        budgets.resume_paused(now=now)
        fields["promoted"] = rescue.promote_due(now=now)
        fields["reviews"] = apply_due_reviews(now=now)
        fields["joined"] = resume_joins(now=now)
        fields["woken"] = rescue.wake_queues_with_work(now=now)
        bulk.continue_stale(now=now)
        intake.continue_stale(now=now)
        trials.continue_due(now=now)
        exports.continue_stale(now=now)
        indexing.continue_stale(now=now)
    if now.second % SYNC_SECONDS == 0:
        indexing.sync_published(now=now)
    if now.second == 0:
        prune_idempotency_keys(now=now)
        leases.prune_leases(before=now - KEEP_LEASES)
        prune_llm(now=now, keep_days=settings.LLM_AUDIT_DAYS)
        intake.prune_uploads(now=now)
        exports.prune_exports(now=now, keep_days=settings.EXPORT_DAYS)
    return True


def tick_if_overdue(*, now: datetime) -> bool:
    """Tick when nobody did for a while: the fleet goes on when beat is down."""
    return tick(now=now, interval=OVERDUE)


def _end_stale_leases(since: timedelta) -> list[int]:
    """End the leases of dead workers.

    When nobody ticked for long, the database was away or everything stood still. That time counts against no worker:
    else the first tick would take all of them for dead, and what they finished meanwhile would run again.
    """
    if since > OVERDUE:
        leases.excuse_silence(None if since == NEVER else since - OVERDUE)
    return leases.end_stale_leases(lease_seconds=settings.LEASE_SECONDS)


def _take_turn(now: datetime, interval: timedelta) -> timedelta | None:
    """Return how long ago the last tick was, if it is time for one and this process makes it; else None."""
    last, _ = EngineTick.objects.get_or_create(pk=1)
    since = NEVER if last.ticked_at is None else now - last.ticked_at
    # A last tick in the future is that of a clock which was put right.
    if abs(since) < interval:
        return None
    return since if EngineTick.objects.filter(pk=1, ticked_at=last.ticked_at).update(ticked_at=now) else None
