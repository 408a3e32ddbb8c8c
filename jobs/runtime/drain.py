"""The drain: claim a chunk, run it, flush the results, claim again, until the queue is empty or the slice is over.

One thread talks to the database and steers; steps run on the step threads of the process.
"""

import time
from collections.abc import Sequence
from functools import partial

from django.conf import settings
from django.db import Error

from jobs.domain import transitions
from jobs.domain.chunks import SLOW_SECONDS, Room
from jobs.domain.work import ClaimedJob, Report
from jobs.models import Job, Queue
from jobs.runtime.execute import Task, failed, failure_of
from jobs.runtime.prepare import UNUSABLE, prepare
from jobs.runtime.process import WorkerProcess, is_stopping
from jobs.runtime.units import Unit
from jobs.runtime.writing import Writer, surely
from jobs.services.claim import Claimant, claim_jobs
from jobs.services.trial_turns import make_room
from jobs.services.wake import clear_wake, wake
from taskflow.lib.clock import utcnow
from taskflow.lib.db import is_away
from workflows.domain.outcomes import StepTimeout
from workflows.runtime import get_plan

#: How often a drain with free threads looks for jobs that came in, and at how its own are doing, in seconds.
POLL_SECONDS = 0.1
WATCH_SECONDS = 0.25
CANCEL_SECONDS = 1.0
#: When the job that runs takes longer than this, the quick ones behind it in its chunk are given back.
HOSTAGE_SECONDS = 1.0
#: And when the whole chunk takes this long: its jobs were expected to be quick, but are not.
CHUNK_PATIENCE_SECONDS = 2.0
#: Threads that will be free within this many seconds get their next jobs claimed beforehand.
AHEAD_SECONDS = 0.05
#: How long results wait for others that come at the same moment.
LINGER_SECONDS = 0.002


class Drain:
    """One run of the loop. `queue_id` is the queue it claims from; it may change when the slice is over."""

    def __init__(self, process: WorkerProcess, queue_id: int) -> None:
        self.process = process
        self.queue_id = queue_id
        self.units: set[Unit] = set()
        self.quick: set[Unit] = set()
        self.writer = Writer(process)
        self.jobs_done = 0
        self._ends_at = time.monotonic() + settings.DRAIN_SLICE_SECONDS
        self._next_claim = 0.0
        self._next_watch = time.monotonic() + WATCH_SECONDS
        self._next_cancel = time.monotonic() + CANCEL_SECONDS
        self._stop_at: float | None = None
        self._more = self._leaving = False
        self._claimant = Claimant(process.lease.pk, process.label, self._expect)

    def run(self) -> int:
        """Drain until there is nothing to do or the slice is over; returns how many attempts ended."""
        surely(lambda: clear_wake(queue_id=self.queue_id))
        try:
            while self._turn():
                self._collect()
                self._watch()
            self.writer.settle()
        except BaseException:
            # Not foreseen. What this process no longer knows of, its heartbeat gives back.
            for unit in list(self.units):
                self._abandon(unit, "the drain broke off")
            self.process.held.clear()
            raise
        if self._more and not is_stopping():
            surely(lambda: wake(queue_id=self.queue_id, now=utcnow()))
        return self.jobs_done

    def _turn(self) -> bool:
        """Claim if that makes sense now; False when the loop is over."""
        if self.process.lost:
            self._lose_everything()
        if is_stopping():
            return self._stop()
        if time.monotonic() >= self._ends_at and not self._leaving and not self._begin_slice():
            return False
        claimed = self._may_claim() and self._claim()
        return claimed or bool(self.units)

    def _may_claim(self) -> bool:
        if self._leaving or time.monotonic() < self._next_claim:
            return False
        return self._free() > 0 and not self._engaged() and self.process.trusted

    def _engaged(self) -> bool:
        """Say whether nothing may be started beside what runs: chunks of quick jobs alone, or one that killed a worker.

        A chunk of quick jobs keeps one thread. Beside slow ones more are started: else the tenant of the quick jobs
        could never have more of this process than one thread, and the others would stand idle.
        """
        quick_alone = bool(self.quick) and self.quick >= self.units
        return quick_alone or any(task.job.crashes for unit in self.units for task in unit.tasks())

    def _free(self) -> int:
        """Return how many more slow jobs fit: one a free thread, and one a thread that is about to be free."""
        now = time.monotonic()
        ending = sum(abs(end - now) <= AHEAD_SECONDS for end in self._ends())
        return self.process.slots + ending - len(self.units)

    def _ends(self) -> list[float]:
        """Return when the jobs that run are expected to end, on the monotonic clock."""
        running = [(unit.since, unit.current) for unit in self.units]
        return [since + task.job.expected for since, task in running if task is not None]

    def _begin_slice(self) -> bool:
        """Decide what follows a slice: leave, or, while slow jobs still run, serve the queue that waits longest.

        Jobs that overlap would keep the process for good: for a test run whose turn it is, no more are started.
        """
        if not self.units:
            return False
        self._leaving = surely(lambda: make_room(pool=self._pool(), slots=self.process.slots, now=utcnow()))
        if self._leaving:
            return True
        waiting = Queue.objects.filter(pool=self._pool(), wake__woken_at__isnull=False, paused_at__isnull=True).exclude(
            pk=self.queue_id
        )
        following = surely(lambda: waiting.order_by("wake__woken_at").values_list("pk", flat=True).first())
        if following is not None:
            if self._more:
                surely(lambda: wake(queue_id=self.queue_id, now=utcnow()))
            self.queue_id = following
            surely(lambda: clear_wake(queue_id=self.queue_id))
            self._next_claim = 0.0
        self._ends_at = time.monotonic() + settings.DRAIN_SLICE_SECONDS
        return True

    def _pool(self) -> str:
        return self.process.lease.pool

    def _claim(self, *, written: bool = True) -> bool:
        """Claim and start what fits; False when nothing was taken.

        While results are not `written`, no job is taken that may kill this process, and them with it.
        """
        room = Room(slots=self._free(), empty=written and not self.units)
        try:
            claim = claim_jobs(queue_id=self.queue_id, claimant=self._claimant, room=room, now=utcnow())
        except Error as error:
            if not is_away(error):
                raise
            # The claim may have been committed before the connection broke.
            surely(self.process.release_unheld)
            return False
        self._more = claim.more
        self.process.held.update(job.id for job in claim.jobs)
        if not claim.jobs:
            self._next_claim = time.monotonic() + POLL_SECONDS
            return False
        self._start(claim.jobs)
        if claim.more:
            surely(lambda: wake(queue_id=self.queue_id, now=utcnow()))
        return True

    def _start(self, jobs: Sequence[ClaimedJob]) -> None:
        prepared = [surely(partial(prepare, job, lease_id=self.process.lease.pk)) for job in jobs]
        tasks = [item for item in prepared if isinstance(item, Task)]
        quick = [task for task in tasks if task.job.expected < SLOW_SECONDS]
        units = [Unit([task]) for task in tasks if task.job.expected >= SLOW_SECONDS]
        if quick:
            units.append(Unit(quick))
            self.quick.add(units[-1])
        self.units.update(units)
        for unit in units:
            self.process.threads.start(unit)
        self._flush([item for item in prepared if isinstance(item, Report)])

    def _expect(self, version_id: int, position: int) -> float:
        self.process.paces.load([version_id])
        try:
            return self.process.paces.expected(get_plan(version_id), position)
        except UNUSABLE:
            return 0.0

    def _collect(self) -> None:
        """Wait for units to come to a stop; write what they report and start again those behind a checkpoint.

        While more is due, free threads get their next jobs before the results of the last are written.
        """
        stopped = self.process.threads.collect(self._patience(), LINGER_SECONDS if len(self.units) > 2 else 0.0)
        ours = [unit for unit in stopped if unit in self.units]
        reports = [report for unit in ours for report in unit.take_reports()]
        halted = [unit for unit in ours if unit.tasks()]
        self.units.difference_update(set(ours) - set(halted))
        self.quick.difference_update(ours)
        if ours and self._more and self._may_claim() and not is_stopping():
            self._claim(written=not reports)
        if self._flush(reports):
            self._next_claim = 0.0
        for unit in halted:
            unit.drop({task.job.id for task in unit.tasks()} - self.process.held)
            if unit.tasks():
                self.process.threads.start(unit)
            else:
                self.units.discard(unit)

    def _patience(self) -> float:
        """Return the seconds to wait for a unit: until the next claim or watch is due."""
        if not self.units:
            return 0.0
        now = time.monotonic()
        due = self._next_watch
        if self._free() > 0 and not self._engaged():
            due = min(due, self._next_claim)
        elif self._more:
            due = min([due, *(soon for end in self._ends() if (soon := end - AHEAD_SECONDS) > now)])
        return min(max(due - now, 0.001), WATCH_SECONDS)

    def _flush(self, reports: list[Report]) -> list[Report]:
        written = self.writer.flush(reports)
        self.jobs_done += sum(report.ending is not None for report in written)
        return written

    def _watch(self) -> None:
        """Look after what runs: time limits, hostages, cancel requests, debts."""
        now = time.monotonic()
        if now < self._next_watch:
            return
        self._next_watch = now + WATCH_SECONDS
        if now >= self._next_cancel:
            self._next_cancel = now + CANCEL_SECONDS
            self._see_cancels()
            self.writer.settle()
        for unit in list(self.units):
            late = _overdue(unit, now)
            if late is not None:
                self._give_up(unit, *late)
            elif now - unit.since > HOSTAGE_SECONDS or now - unit.begun > CHUNK_PATIENCE_SECONDS:
                self._free_hostages(unit)

    def _free_hostages(self, unit: Unit) -> None:
        """Give back what waits behind a slow job; that one goes on, like those that were known to be slow."""
        self._flush([*unit.take_reports(), *_released(unit.take_waiting(), "behind a slow job")])
        if unit in self.quick:
            self.quick.discard(unit)
            self._next_claim = 0.0

    def _see_cancels(self) -> None:
        tasks = {task.job.id: task for unit in self.units for task in unit.tasks()}
        rows = Job.objects.filter(pk__in=list(tasks), cancel_requested_at__isnull=False)
        for pk in surely(lambda: list(rows.values_list("pk", flat=True))) if tasks else ():
            tasks[pk].job.cancelled = True

    def _give_up(self, unit: Unit, late: Task, error: StepTimeout) -> None:
        """Leave a unit behind whose step does not come back; its job fails with a time-out and may be retried."""
        task, reports = self._abandon(unit, "behind a job that ran out of time", late)
        if task is not None:
            step, busy = task.step, time.monotonic() - (task.step_started or time.monotonic())
            ending = failed(task, step, failure_of(error))
            key = step.key if step else ""
            reports.append(Report(task.job, task.job.position, utcnow(), ending=ending, step_key=key, seconds=busy))
        self._flush(reports)

    def _abandon(self, unit: Unit, reason: str, late: Task | None = None) -> tuple[Task | None, list[Report]]:
        """Drop a unit; returns the task that still runs, and the reports: what had ended, and the rest given back.

        With `late`, only while that task runs.
        """
        remains = unit.abandon(late)
        if remains is None:
            return None, []
        if remains.running is not None:
            self.process.threads.leave_behind()
        self.units.discard(unit)
        self.quick.discard(unit)
        return remains.running, [*remains.reports, *_released(remains.waiting, reason)]

    def _stop(self) -> bool:
        """Finish what runs within the grace time and give back the rest; False when nothing runs any more."""
        now = time.monotonic()
        if self._stop_at is None:
            self._stop_at = now + settings.STOP_GRACE_SECONDS
            for unit in self.units:
                self._flush(_released(unit.take_waiting(), "the worker stops"))
        if now >= self._stop_at:
            for unit in list(self.units):
                task, reports = self._abandon(unit, "the worker stops")
                self._flush([*reports, *_released([task] if task else [], "the worker stops")])
        return bool(self.units)

    def _lose_everything(self) -> None:
        """The lease was ended by a rescue: what runs is no longer ours. Start over under a new lease."""
        for unit in list(self.units):
            task, reports = self._abandon(unit, "the lease was lost")
            # The report of nothing new: it says in the job's log that this worker was too late.
            late = [Report(task.job, task.job.position, utcnow())] if task else []
            self._flush([*reports, *late])
        surely(self.process.renew)
        self._claimant = Claimant(self.process.lease.pk, self.process.label, self._expect)


def _overdue(unit: Unit, now: float) -> tuple[Task, StepTimeout] | None:
    task = unit.current
    step, started = (task.step, task.step_started) if task else (None, None)
    if task is None or step is None or started is None:
        return None
    limit = step.timeout or settings.STEP_TIMEOUT_SECONDS
    if now - started > limit:
        return task, StepTimeout(f"Step '{step.key}' did not finish within {limit:g} seconds.")
    if task.attempt_started is not None and now - task.attempt_started > task.plan.timeout:
        return task, StepTimeout(f"The job did not finish within {task.plan.timeout:g} seconds.")
    return None


def _released(tasks: Sequence[Task], reason: str) -> list[Report]:
    ending = transitions.released(reason=reason)
    return [Report(task.job, task.job.position, utcnow(), ending=ending) for task in tasks]
