"""Working through a test run in a worker process: a slice at a time, several items at once on threads of its own."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from pydantic import ValidationError

from jobs.domain.trials import Turn
from jobs.models import Queue, Trial
from jobs.queries.trials import files_of_items, recordings_of_items, source_jobs
from jobs.runtime.prepare import connections_for, tenant_for
from jobs.runtime.process import is_stopping
from jobs.runtime.trial_item import MOST_TRIES, ItemWork, Setting, killed, try_item
from jobs.runtime.units import StepThreads, Unit
from jobs.services.leases import living_leases
from jobs.services.trial_results import ItemResult, store_results
from jobs.services.trial_turns import Standing, lane_of, queue_of, standing_of
from jobs.services.trials import beat_trial, fail_trial, next_items, release_trial, take_trial
from taskflow.lib.clock import utcnow
from taskflow.lib.telemetry import emit, span
from tenants.services.gate import Gate
from workflows.domain.definition import Definition
from workflows.domain.recording import Recordings
from workflows.kinds.base import ConfigError
from workflows.models import WorkflowVersion
from workflows.runtime import get_plan, plan_of

SLICE_SECONDS = 10.0
#: Where only live work of the same tenant is due, a slice is short: the process is soon there for that too.
SHORT_SLICE_SECONDS = 1.0
#: A run whose turn it is not asks again after so many seconds.
YIELD_SECONDS = 1.0
BEAT_SECONDS = 4.0
#: How old the answer to "is it my turn?" may be, and how long it is waited for items to end, in seconds.
TURN_SECONDS, POLL_SECONDS = 0.2, 0.25
#: Quick items share a thread by the handful: about so many seconds of them, and at most so many.
HANDFUL_SECONDS, HANDFUL = 0.15, 25
#: Where items are quicker than this, more than two threads only stand in each other's way.
QUICK_SECONDS = 0.02
UNUSABLE = (ConfigError, ValidationError, WorkflowVersion.DoesNotExist)


class TrialUnit(Unit):
    """Items that share one thread, in order."""

    def __init__(self, works: Sequence[ItemWork], setting: Setting) -> None:
        super().__init__([])
        self.works = list(works)
        self.results: list[ItemResult] = []
        self._setting = setting

    def run(self) -> None:
        """Run the items; one that is put off puts off those behind it, whose turn comes again."""
        for work in self.works:
            result = try_item(work, self._setting)
            self.results.append(result)
            if self.abandoned or (result.comparison is None and result.spared):
                return

    def untouched(self) -> list[int]:
        """Return the items that were not begun."""
        return [work.item_id for work in self.works[len(self.results) :]]


def run_trial(
    trial_id: int,
    *,
    lease_id: int = 0,
    slots: int | None = None,
    slice_seconds: float = SLICE_SECONDS,
    clock: Callable[[], datetime] = utcnow,
) -> None:
    """Work on a test run for about `slice_seconds`, then hand it on, so that no run holds a process for itself.

    `lease_id` is the worker's: places that it holds at connections come back when it dies.
    """
    trial = take_trial(trial_id=trial_id, now=clock())
    if trial is None:
        return
    try:
        setting = setting_of(trial, lease_id=lease_id)
    except UNUSABLE as error:
        fail_trial(trial=trial, reason=f"The workflow cannot run on this worker: {error}", now=clock())
        return
    with span("engine.trial", trial=trial.pk) as fields:
        piece = Slice(trial, setting, slots or settings.WORKER_SLOTS, slice_seconds, clock)
        try:
            piece.run()
        finally:
            piece.threads.close()
        fields["items"] = piece.stored


def setting_of(trial: Trial, *, lease_id: int) -> Setting:
    """Return what all items of a run share. Raises one of UNUSABLE where a version cannot run here."""
    return Setting(
        draft=plan_of(Definition.model_validate(trial.draft), workflow_id=trial.workflow_id),
        live=None if trial.live_version_id is None else get_plan(trial.live_version_id),
        step_key=trial.step_key,
        tenant=tenant_for(trial.tenant_id),
        connections=connections_for(trial.tenant_id),
        gate=Gate(trial.tenant_id, lease_id, living_leases),
    )


class Slice:
    """One process's piece of a run: starts items while it is the run's turn, and stores what ends."""

    def __init__(
        self, trial: Trial, setting: Setting, slots: int, seconds: float, clock: Callable[[], datetime]
    ) -> None:
        self.trial, self.setting, self.clock = trial, setting, clock
        self.queue: Queue = queue_of(trial)
        self.lane_id = lane_of(trial, self.queue).pk
        self.slots = self.window = slots
        self.threads = StepThreads(slots)
        self.units: set[TrialUnit] = set()
        self.stored = 0
        self.standing = Standing(Turn(False))
        self._pace: float | None = None
        self._until: datetime | None = None
        self._note = ""
        self._lost = False
        self._begun = time.monotonic()
        self._seconds = seconds
        self._asked = self._beaten = 0.0

    def run(self) -> None:
        """Go on until nothing is left, the slice is over, or it is not the run's turn; then give the run back."""
        while self._fill() or self.units:
            self._collect()
            self._beat()
            if self._lost:
                for unit in self.units:
                    unit.abandoned = True
                return
        now = self.clock()
        if self._until is not None:
            # Time that a limit keeps it from using gives no credit.
            self.trial.contends = False
            release_trial(trial=self.trial, now=now, due_at=self._until, note=self._note)
        elif not self.standing.turn.runs:
            again = now + timedelta(seconds=YIELD_SECONDS)
            release_trial(trial=self.trial, now=now, due_at=again, note=self.standing.note)
        elif self.trial.done < self.trial.total:
            release_trial(trial=self.trial, now=now, due_at=now)

    def _fill(self) -> bool:
        """Start items where there is room and it is the run's turn; False when nothing may be started any more."""
        # Against other tenants the lane's time decides; the own live work is in the same lane.
        own_work = self.standing.busy and not self.standing.turn.charged
        over = time.monotonic() - self._begun > (SHORT_SLICE_SECONDS if own_work else self._seconds)
        if self._until is not None or over or is_stopping() or not self._is_our_turn():
            return False
        quick = self._pace is not None and self._pace < QUICK_SECONDS
        window = min(self.window, self.standing.most or self.window, 2 if quick else self.slots)
        room = window - len(self.units)
        if room <= 0:
            return True
        works = self._next(room * self._handful())
        if not works:
            return False
        for start in range(room):
            share = works[start::room]
            if share:
                unit = TrialUnit(share, self.setting)
                self.units.add(unit)
                self.threads.start(unit)
        return True

    def _handful(self) -> int:
        if self._pace is None:
            return 1
        return min(max(int(HANDFUL_SECONDS / max(self._pace, 1e-4)), 1), HANDFUL)

    def _is_our_turn(self) -> bool:
        if time.monotonic() - self._asked >= TURN_SECONDS:
            self._asked = time.monotonic()
            self.standing = standing_of(trial=self.trial, queue=self.queue, slots=self.slots, now=self.clock())
            self.trial.contends = self.standing.turn.charged
        return self.standing.turn.runs

    def _next(self, most: int) -> list[ItemWork]:
        busy = [work.item_id for unit in self.units for work in unit.works]
        items = next_items(trial=self.trial, busy=busy, most=most)
        jobs = source_jobs(self.trial.tenant_id, {item.origin for item in items})
        plans = [plan for plan in (self.setting.draft, self.setting.live) if plan is not None]
        reads = any(plan.needs_files for plan in plans)
        files = files_of_items(self.trial.tenant_id, items, jobs) if reads else {}
        known = recordings_of_items(self.trial, items, jobs, files)
        works = [
            ItemWork(item.pk, item.input, item.expected, Recordings(known[item.pk]), files.get(item.pk, ()), item.tries)
            for item in items
        ]
        poison = [work for work in works if work.tries > MOST_TRIES]
        if poison:
            self._store([killed(work) for work in poison])
        return [work for work in works if work.tries <= MOST_TRIES]

    def _collect(self) -> None:
        stopped = self.threads.collect(POLL_SECONDS)
        ours = [unit for unit in stopped if isinstance(unit, TrialUnit) and unit in self.units]
        self.units.difference_update(ours)
        results = [result for unit in ours for result in unit.results]
        untouched = [item_id for unit in ours for item_id in unit.untouched()]
        results += [ItemResult(item_id, 0.0, 0.0, spared=True) for item_id in untouched]
        if results:
            self._note_limits(results)
            self._store(results)

    def _note_limits(self, results: Sequence[ItemResult]) -> None:
        """Start fewer at once where a limit was reached while others went on; wait where none could."""
        ended = [result.seconds for result in results if result.comparison is not None]
        if ended:
            mean = sum(ended) / len(ended)
            self._pace = mean if self._pace is None else 0.7 * self._pace + 0.3 * mean
        off = [result for result in results if result.until is not None]
        if not off:
            return
        if self.units or ended:
            self.window = max(len(self.units), 1)
        else:
            first = min(off, key=lambda result: result.until or self.clock())
            self._until, self._note = first.until, first.note

    def _store(self, results: Sequence[ItemResult]) -> None:
        turn = self.standing.turn
        now = self.clock()
        if not store_results(trial=self.trial, results=results, lane_id=self.lane_id, turn=turn, now=now):
            self._lost = True
        done = sum(result.comparison is not None for result in results)
        self.stored += done
        self._beaten = time.monotonic()
        emit("engine.trial_items", trial=self.trial.pk, items=done)

    def _beat(self) -> None:
        if not self._lost and time.monotonic() - self._beaten > BEAT_SECONDS:
            self._beaten = time.monotonic()
            self._lost = not beat_trial(trial=self.trial, now=self.clock())
