"""Step threads: where the steps of claimed jobs run, beside the thread that talks to the database."""

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from django.db import close_old_connections, connection

from jobs.domain.work import Report
from jobs.runtime.execute import Task, run_task


@dataclass(frozen=True, slots=True)
class Remains:
    """What an abandoned unit leaves: the task that runs, those that do not, and the reports nobody took yet.

    A task behind a checkpoint has a report, and waits.
    """

    running: Task | None
    waiting: list[Task]
    reports: list[Report]


class Unit:
    """Tasks that share one thread, in order: a slow one alone, quick ones by the chunk."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._waiting = deque(tasks)
        self._reports: list[Report] = []
        self._lock = threading.Lock()
        self.current: Task | None = None
        self.begun = self.since = time.monotonic()
        self.abandoned = False
        self.left_behind = False

    def run(self) -> None:
        """Run the tasks to their end; stops behind a checkpoint, which must be stored first."""
        while (task := self._next()) is not None:
            report = run_task(task)
            with self._lock:
                if self.abandoned:
                    return
                self._reports.append(report)
                self.current = None
                if report.ending is None:
                    self._waiting.appendleft(task)
                    return

    def _next(self) -> Task | None:
        with self._lock:
            if self.abandoned or not self._waiting:
                return None
            self.current, self.since = self._waiting.popleft(), time.monotonic()
            return self.current

    def take_reports(self) -> list[Report]:
        """Return the reports that came in since the last call."""
        with self._lock:
            reports, self._reports = self._reports, []
            return reports

    def take_waiting(self) -> list[Task]:
        """Take back the tasks that have not started; the one that runs goes on."""
        with self._lock:
            tasks = [task for task in self._waiting if task.attempt_started is None]
            self._waiting = deque(task for task in self._waiting if task.attempt_started is not None)
            return tasks

    def abandon(self, late: Task | None = None) -> Remains | None:
        """Give up the unit: nothing of it starts any more, and what its thread still does is ignored.

        With `late`, only if that task still runs; None when it does not. A thread with a running task is left behind.
        """
        with self._lock:
            if late is not None and self.current is not late:
                return None
            remains = Remains(self.current, list(self._waiting), self._reports)
            self.abandoned, self.left_behind = True, self.current is not None
            self._waiting.clear()
            self._reports = []
            return remains

    def drop(self, job_ids: set[int]) -> None:
        """Forget tasks that this process no longer holds."""
        with self._lock:
            self._waiting = deque(task for task in self._waiting if task.job.id not in job_ids)

    def tasks(self) -> list[Task]:
        """Return the task that runs and those that wait."""
        with self._lock:
            return [*([self.current] if self.current else []), *self._waiting]


class StepThreads:
    """A pool of daemon threads that run units. A thread that is stuck in a step can be left behind and replaced."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._threads = 0
        self._inbox: SimpleQueue[Unit | None] = SimpleQueue()
        self._outbox: SimpleQueue[Unit] = SimpleQueue()
        self._busy = 0
        self._lock = threading.Lock()
        self.stuck = 0

    def start(self, unit: Unit) -> None:
        """Run `unit` on an idle thread or a new one, or, when all slots are busy, on the first that is free."""
        with self._lock:
            if self._threads - self._busy < 1 and self._threads < self._slots:
                self._threads += 1
                threading.Thread(target=self._work, name="step", daemon=True).start()
            self._busy += 1
        self._inbox.put(unit)

    def collect(self, timeout: float, linger: float = 0.0) -> list[Unit]:
        """Return the units that came to a stop, waiting up to `timeout` seconds for the first.

        After the first it waits up to `linger` seconds for each further one: what started together stops together,
        and is cheaper to write and to follow up together.
        """
        units = []
        try:
            units.append(self._outbox.get(timeout=timeout) if timeout > 0 else self._outbox.get_nowait())
            while True:
                units.append(self._outbox.get(timeout=linger) if linger else self._outbox.get_nowait())
        except Empty:
            return units

    def _work(self) -> None:
        while (unit := self._inbox.get()) is not None:
            close_old_connections()
            unit.run()
            if unit.left_behind:
                with self._lock:
                    self.stuck -= 1
                break
            with self._lock:
                self._busy -= 1
            self._outbox.put(unit)
        connection.close()

    def leave_behind(self) -> None:
        """Count a thread as stuck and let another take its place; it ends by itself if its step ever does."""
        with self._lock:
            self.stuck += 1
            self._threads -= 1
            self._busy -= 1

    def close(self) -> None:
        """End the threads as they become idle."""
        with self._lock:
            threads, self._threads = self._threads, 0
        for _ in range(threads):
            self._inbox.put(None)
