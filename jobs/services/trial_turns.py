"""Test runs beside live work: whose turn it is, and what their lane pays.

A run stands in its tenant's lane of its workflow's queue. It holds a worker process for a slice at a time; before each
handful of items it asks whether it may go on (`jobs.domain.trials.turn_of`), and pays for the seconds its items took
while others waited. The lane's row is locked before the run's, as everywhere.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Sum
from django.db.models.functions import Coalesce

from jobs.domain.fairness import LaneShare, charge
from jobs.domain.trials import TrialState, Turn, turn_of
from jobs.models import Lane, Queue, Trial, WorkerLease
from jobs.services import claim_sql as sql
from jobs.services.submit import ensure_lane
from jobs.services.trials import HINT_EXPIRES, call_worker

PAUSED = "The queue is paused."
#: A run that nobody served for so long has room made for it; so many are asked at once.
WAITED, MOST_ASKED = timedelta(seconds=2), 5


@dataclass(frozen=True, slots=True)
class Standing:
    """Whose turn it is. `busy` says that live work is due in the queue at all; `note` why nothing may run.

    `most` is how many items may be under way at once, for the cap of the tenant's lane; None for no limit.
    """

    turn: Turn
    busy: bool = False
    note: str = ""
    most: int | None = None


def standing_of(*, trial: Trial, queue: Queue, slots: int, now: datetime) -> Standing:
    """Say whether the run may start items now, in a process of so many `slots`."""
    if Queue.objects.filter(pk=queue.pk, paused_at__isnull=False).exists():
        return Standing(Turn(False), note=PAUSED)
    lane = lane_of(trial, queue)
    if lane.paused_at is not None:
        return Standing(Turn(False), note="The tenant's work in this queue is paused.")
    # One always may, else a tenant whose live jobs fill the cap could never test.
    most = None if lane.cap is None else max(lane.cap - sql.count_running(queue.pk, lane.tenant_id), 1)
    due, _ = sql.due_lanes(queue.pk)
    if not due:
        return Standing(Turn(True), most=most)
    own = LaneShare(lane.pk, lane.tenant_id, lane.weight, lane.cap, lane.virtual_time, lane.idle)
    waited = (now - (trial.served_at or trial.created_at)).total_seconds()
    free = any(each.id != own.id for each in due) and has_free_slots(queue.pool, besides=slots)
    return Standing(turn_of(own, due, free_slots=free, waited=waited, contends=trial.contends), busy=True, most=most)


def make_room(*, pool: str, slots: int, now: datetime) -> bool:
    """Say whether a process that is busy with live work should end that, for a test run whose turn it is.

    One process makes room for a run, and tells the run's next worker so: itself, as it is free first.
    """
    waiting = Trial.objects.filter(state=TrialState.RUNNING.value, worked_at=None, due_at__lte=now + HINT_EXPIRES)
    for trial in waiting.select_related("workflow").order_by("due_at")[:MOST_ASKED]:
        queue = queue_of(trial)
        waited = now - (trial.served_at or trial.created_at)
        if queue.pool != pool or waited < WAITED:
            continue
        its_turn = standing_of(trial=trial, queue=queue, slots=slots, now=now).turn.runs
        if its_turn and call_worker(trial=trial, now=now):
            return True
    return False


def queue_of(trial: Trial) -> Queue:
    """Return the queue of the run's workflow; the default one, where that is not made yet."""
    found = Queue.objects.filter(slug=trial.workflow.queue).first()
    return found or Queue.objects.get_or_create(slug="default", defaults={"name": "Default"})[0]


def lane_of(trial: Trial, queue: Queue) -> Lane:
    """Return the lane the run stands in; makes it where the tenant had nothing in this queue yet."""
    ensure_lane(queue_id=queue.pk, tenant_id=trial.tenant_id)
    return Lane.objects.get(queue=queue, tenant_id=trial.tenant_id)


def has_free_slots(pool: str, *, besides: int) -> bool:
    """Say whether the pool's other workers have slots for more than what runs; `besides` are the run's own slots."""
    living = WorkerLease.objects.filter(pool=pool, ended_at__isnull=True, stopping_at__isnull=True)
    slots: int = living.aggregate(all=Coalesce(Sum("slots"), 0))["all"] - besides
    queues = Queue.objects.filter(pool=pool).values_list("pk", flat=True)
    return slots > 0 and sum(sql.count_running(pk) for pk in queues) < slots


def pay(*, lane_id: int, turn: Turn, seconds: float) -> None:
    """Charge the lane for `seconds` of items that were run while others waited; belongs in a transaction."""
    if not turn.charged:
        return
    for share in sql.lock_lanes([lane_id], wait=True):
        level = max(share.virtual_time, turn.virtual_time)
        moved = charge(LaneShare(share.id, share.tenant_id, share.weight, share.cap, level, share.idle), seconds)
        Lane.objects.filter(pk=share.id).update(virtual_time=moved)
