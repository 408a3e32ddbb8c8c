"""Claiming: taking due jobs for a worker, fairly among tenants and never over a cap.

One short transaction. Locks are taken in one order: queue (only with a cap or a rate of its own), lanes by virtual
time, jobs. The lane row is the lock that makes its cap exact: only who holds it starts jobs of that tenant there.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.db.models import F

from jobs.domain.chunks import CHUNK_JOBS, Candidate, Room, Taking
from jobs.domain.fairness import LaneShare, charge, keep_up, lags, turn
from jobs.domain.states import EventKind, State
from jobs.domain.work import ClaimedJob
from jobs.models import Event, Queue, StepRun
from jobs.services import claim_sql as sql
from jobs.services.standings import Standings
from taskflow.lib.clock import utcnow
from taskflow.lib.db import database_time, in_transaction, insert_rows
from taskflow.lib.telemetry import emit, span

#: When the first lane does not fill the chunk, this many more are looked into at once.
MORE_LANES = 16
CLOCKS_APART = timedelta(seconds=5)
EVENT_COLUMNS = ("job_id", "at", "kind", "state", "attempt", "actor")
Expect = Callable[[int, int], float]
#: A lane, its new virtual time, and whether nothing is left in it.
Move = tuple[int, float, bool]


@dataclass(slots=True)
class Claim:
    """What a claim took. `more` says that due jobs were left which this worker or another could run now."""

    jobs: list[ClaimedJob] = field(default_factory=list)
    more: bool = False
    lanes: int = 0


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who claims: the lease its jobs will point to, its name for the log, and how long jobs are expected to take.

    `expect(version_id, position)` answers in seconds. `clock` is read when the locks are held. `standings` is what it
    remembers of its queue.
    """

    lease_id: int
    label: str
    expect: Expect
    clock: Callable[[], datetime] = utcnow
    standings: Standings = field(default_factory=Standings)


@dataclass(slots=True)
class _Pick:
    """Jobs chosen in one lane, before they are taken."""

    lane: LaneShare
    chosen: list[Candidate]
    left: bool
    capped: bool


def claim_jobs(*, queue_id: int, claimant: Claimant, room: Room, now: datetime) -> Claim:
    """Take what fits into `room` from the queue and mark it RUNNING under the claimant's lease.

    Returns an empty claim when nothing is due, the queue or lane is paused, or every cap is reached.
    """
    queue = sql.open_queue(queue_id)
    if queue is None:
        return Claim()
    standings, claim = claimant.standings, Claim()
    if standings.remembers(queue_id, now):
        claim = _claim_from(queue, standings.read_front(), claimant, room, now)
    if not claim.jobs:
        claim = _claim_from(queue, standings.look(queue_id, now), claimant, room, now)
    if claim.jobs:
        _load_outputs(claim.jobs)
        waits = [max((now - job.due_at).total_seconds(), 0.0) for job in claim.jobs]
        emit("engine.start", queue=queue.slug, count=len(claim.jobs), wait_seconds=waits)
    return claim


def _claim_from(
    queue: sql.QueueNow, lanes: Sequence[LaneShare], claimant: Claimant, room: Room, now: datetime
) -> Claim:
    if not lanes:
        return Claim()
    with span("engine.claim", queue=queue.slug) as fields:
        claim, moves = in_transaction(lambda: _claim(queue, lanes, claimant, room, now))
        claimant.standings.move(moves)
        fields.update(taken=len(claim.jobs), lanes=claim.lanes, empty=not claim.jobs)
    return claim


def _claim(
    queue: sql.QueueNow, lanes: Sequence[LaneShare], claimant: Claimant, room: Room, now: datetime
) -> tuple[Claim, list[Move]]:
    limit = _queue_allows(queue.id, now) if queue.limited else CHUNK_JOBS
    if limit <= 0:
        return Claim(), []
    picks = _pick_in_turn(queue.id, lanes, Taking(room), limit, claimant)
    # A job starts when its place is free, not when somebody began to wait for the lock: by the log's own times, too, no
    # cap is exceeded.
    jobs = _take(picks, claimant, max(claimant.clock(), now))
    moves = _moves(picks, jobs)
    sql.charge_lanes(moves)
    if queue.limited and jobs:
        Queue.objects.filter(pk=queue.id, rate__isnull=False).update(rate_tokens=F("rate_tokens") - len(jobs))
    left = any(pick.left and not pick.capped for pick in picks) or len(lanes) > len(picks)
    more = (left and 0 < len(jobs) < limit) or len(jobs) == CHUNK_JOBS
    return Claim(jobs, more=more, lanes=len(picks)), moves


def _pick_in_turn(
    queue_id: int, lanes: Sequence[LaneShare], taking: Taking, limit: int, claimant: Claimant
) -> list[_Pick]:
    """Choose jobs lane by lane: the first alone, as it mostly fills the chunk, then the others several at a time.

    A lane that another worker claims from just now is passed over. Where many workers meet, that would give the lanes
    with less weight far more than their share: the first one is waited for when it lags.
    """
    groups = [lanes[:1], *(lanes[start : start + MORE_LANES] for start in range(1, len(lanes), MORE_LANES))]
    picks: list[_Pick] = []
    for number, group in enumerate(groups):
        if taking.full or taking.jobs >= limit or (taking.jobs and number > 1):
            break
        picks += _pick(queue_id, _lock(group, wait=number == 0 and lags(lanes)), taking, limit, claimant)
    if not picks:
        # Other workers hold every lane that has work, for a few milliseconds: wait for the first.
        picks = _pick(queue_id, _lock(lanes[:1], wait=True), taking, limit, claimant)
    return picks


def _queue_allows(queue_id: int, now: datetime) -> int:
    """Lock the queue and return how many jobs its own cap and rate let start now, at most a chunk."""
    queue = Queue.objects.select_for_update().get(pk=queue_id)
    allowed = CHUNK_JOBS
    if queue.cap is not None:
        allowed = min(allowed, queue.cap - sql.count_running(queue_id))
    if queue.rate is not None:
        # A token bucket that holds one second's worth, and at least one.
        # Clocks of hosts differ a little: time that was counted once is not counted again.
        filled_at = min(max(queue.rate_filled_at or now, now), now + CLOCKS_APART)
        elapsed = (now - queue.rate_filled_at).total_seconds() if queue.rate_filled_at else 1.0 / queue.rate
        tokens = min(queue.rate_tokens + max(elapsed, 0.0) * queue.rate, max(queue.rate, 1.0))
        Queue.objects.filter(pk=queue_id).update(rate_tokens=tokens, rate_filled_at=filled_at)
        allowed = min(allowed, int(tokens))
    return allowed


def _lock(lanes: Sequence[LaneShare], *, wait: bool) -> list[LaneShare]:
    """Lock these lanes; weight, cap and pause are read again, an idle lane keeps the time it was lifted to."""
    if not lanes:
        return []
    lifted = {lane.id: lane.virtual_time for lane in lanes}
    locked = [
        replace(lane, virtual_time=max(lane.virtual_time, lifted[lane.id]))
        for lane in sql.lock_lanes(list(lifted), wait=wait)
    ]
    return sorted(locked, key=turn)


def _pick(queue_id: int, lanes: Sequence[LaneShare], taking: Taking, limit: int, claimant: Claimant) -> list[_Pick]:
    """Choose jobs from locked lanes, in turn, until the chunk is full."""
    picks: list[_Pick] = []
    allowed = {lane.id: _lane_allows(queue_id, lane) for lane in lanes}
    open_lanes = [lane for lane in lanes if allowed[lane.id] > 0]
    found = sql.candidates(queue_id, [lane.tenant_id for lane in open_lanes])
    picks += [_Pick(lane, [], left=True, capped=True) for lane in lanes if allowed[lane.id] <= 0]
    for lane in open_lanes:
        if taking.full or taking.jobs >= limit:
            break
        due = [
            Candidate(pk, claimant.expect(version_id, position), crashes)
            for pk, version_id, position, crashes in found[lane.tenant_id]
        ]
        chosen = taking.take(due, min(allowed[lane.id], limit - taking.jobs))
        left = len(due) > len(chosen) or len(due) == sql.SHORT_LIST
        picks.append(_Pick(lane, chosen, left=left, capped=len(chosen) == allowed[lane.id] < CHUNK_JOBS))
    return picks


def _lane_allows(queue_id: int, lane: LaneShare) -> int:
    if lane.cap is None:
        return CHUNK_JOBS
    return min(CHUNK_JOBS, lane.cap - sql.count_running(queue_id, lane.tenant_id))


def _take(picks: Sequence[_Pick], claimant: Claimant, now: datetime) -> list[ClaimedJob]:
    """Mark the chosen jobs RUNNING, write their events, and charge their lanes."""
    chosen = [candidate for pick in picks for candidate in pick.chosen]
    lanes = {pick.lane.tenant_id: pick.lane.id for pick in picks}
    token = random.getrandbits(62)
    jobs = sql.lock_jobs(chosen, lanes, token, now) if chosen else []
    if jobs:
        at = database_time(now)
        sql.mark_running([job.id for job in jobs], lease_id=claimant.lease_id, token=token, at=at)
        started = (EventKind.STARTED.value, State.RUNNING.value)
        insert_rows(Event, EVENT_COLUMNS, [(job.id, at, *started, job.attempt, claimant.label) for job in jobs])
    return jobs


def _moves(picks: Sequence[_Pick], jobs: Sequence[ClaimedJob]) -> list[Move]:
    """Return where the lanes stand that were served, and those their cap kept from it."""
    served = [pick.lane for pick in picks if pick.chosen]
    moves: list[Move] = []
    for pick in picks:
        lane = pick.lane
        seconds = sum(job.expected for job in jobs if job.lane_id == lane.id)
        moved = charge(lane, seconds) if pick.chosen else keep_up(lane, served)
        if pick.chosen or not pick.left or moved > lane.virtual_time:
            moves.append((lane.id, moved, not pick.left))
    return moves


def _load_outputs(jobs: Sequence[ClaimedJob]) -> None:
    """Give jobs that go on in the middle the outputs of the steps before, of the latest run that passed them.

    What a run gave behind the place where a later one began does not count: that one may have taken another way.
    """
    resumed = {job.id: job for job in jobs if job.position > 0}
    if not resumed:
        return
    begun = positions_begun([job.id for job in resumed.values() if job.run_number > 1])
    rows = StepRun.objects.filter(job_id__in=resumed).order_by("position", "run_number")
    for run in rows.only("job_id", "position", "run_number", "step_key", "output"):
        later = begun[run.job_id][run.run_number - 1 :]
        if run.position < min([resumed[run.job_id].position, *later]):
            resumed[run.job_id].outputs[run.step_key] = run.output or {}


def positions_begun(job_ids: Sequence[int]) -> dict[int, list[int]]:
    """Return at which position each run of these jobs began, from their second run on."""
    found: dict[int, list[int]] = defaultdict(list)
    kinds = [EventKind.RETRIED.value, EventKind.REQUEUED.value]
    for event in Event.objects.filter(job_id__in=job_ids, kind__in=kinds).order_by("id") if job_ids else ():
        found[event.job_id].append((event.data or {}).get("position", 0))
    return found
