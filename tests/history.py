"""Judges the history of jobs: what their rows, attempts and events say must fit together, on any database.

    DATABASE_URL=... python -m tests.history

says what is wrong with every job there, one line each, and exits with 1 if anything is. The order of a log is that of
its ids: a transition is written in the transaction that makes it, so whoever builds on it writes later.
"""

import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from jobs.domain.states import FINAL, TRANSITIONS, AttemptOutcome, EventKind, State

#: How the attempt ends that an event tells of; RELEASED ends one without charging it.
OUTCOMES = {
    EventKind.SUCCEEDED: {AttemptOutcome.SUCCEEDED},
    EventKind.FAILED: {AttemptOutcome.FAILED},
    EventKind.DEAD: {AttemptOutcome.FAILED, AttemptOutcome.WORKER_LOST},
    EventKind.RETRY_SCHEDULED: {AttemptOutcome.FAILED},
    EventKind.SNOOZED: {AttemptOutcome.SNOOZED},
    EventKind.WAITING: {AttemptOutcome.WAITING},
    EventKind.CANCELLED: {AttemptOutcome.CANCELLED},
    EventKind.WORKER_LOST: {AttemptOutcome.WORKER_LOST},
    EventKind.RELEASED: set(),
}
BATCH = 2000


@dataclass(frozen=True, slots=True)
class Line:
    """One event."""

    id: int
    job: int
    at: datetime
    kind: str
    state: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt as it was stored."""

    job: int
    number: int
    outcome: str


@dataclass(frozen=True, slots=True)
class Row:
    """A job's row, as far as its history must agree with it."""

    id: int
    state: str
    attempts: int
    crashes: int
    held: bool
    wake_at: datetime | None
    finished_at: datetime | None
    has_result: bool
    queue: int = 0
    tenant: int = 0


@dataclass
class History:
    """A job with its log and its attempts, in order."""

    row: Row
    lines: Sequence[Line]
    tries: Sequence[Try] = field(default_factory=list)

    def problems(self) -> list[str]:
        """Say everything that does not fit."""
        return [*self._transitions(), *self._attempts(), *self._end()]

    def _steps(self) -> list[Line]:
        return [line for line in self.lines if line.state]

    def _transitions(self) -> Iterator[str]:
        before: State | None = None
        for line in self._steps():
            after = State(line.state)
            if after not in TRANSITIONS[before]:
                yield f"event {line.id} ({line.kind}) leads from {before} to {after}"
            if (line.kind == EventKind.STARTED) != (after is State.RUNNING):
                yield f"event {line.id} ({line.kind}) leads to {after}"
            before = after
        if before != self.row.state:
            yield f"is {self.row.state}, its log says {before}"

    def _attempts(self) -> Iterator[str]:
        charged, started = 0, 0
        outcomes = {attempt.number: attempt.outcome for attempt in self.tries}
        if sorted(outcomes) != list(range(1, len(self.tries) + 1)):
            yield f"has the attempts {sorted(outcomes)}"
        for line in self._steps():
            if line.state == State.RUNNING:
                started = line.attempt
                if started != charged + 1:
                    yield f"event {line.id} starts attempt {started} after {charged}"
            elif started:
                yield from self._ended(line, started, outcomes)
                charged += line.kind != EventKind.RELEASED
                started = 0
        if charged != len(self.tries):
            yield f"has {len(self.tries)} attempts, its log ends {charged}"
        if charged + bool(started) != self.row.attempts:
            yield f"counts {self.row.attempts} attempts, its log {charged + bool(started)}"

    def _ended(self, line: Line, started: int, outcomes: dict[int, str]) -> Iterator[str]:
        wanted = OUTCOMES.get(EventKind(line.kind))
        found = outcomes.get(started)
        if line.attempt != started:
            yield f"event {line.id} ({line.kind}) ends attempt {line.attempt}, {started} was running"
        if wanted is None:
            yield f"event {line.id} ({line.kind}) ends no attempt"
        elif wanted and found not in wanted:
            yield f"attempt {started} is {found}, event {line.id} says {line.kind}"

    def _end(self) -> Iterator[str]:
        row = self.row
        final, running = row.state in FINAL, row.state == State.RUNNING
        if row.held != running:
            yield f"is {row.state} and {'held' if row.held else 'not held'} by a worker"
        if final != (row.finished_at is not None):
            yield f"is {row.state} and finished at {row.finished_at}"
        if row.state == State.SCHEDULED and row.wake_at is None:
            yield "is SCHEDULED for no time"
        if row.state not in (State.SCHEDULED, State.WAITING) and row.wake_at is not None:
            yield f"is {row.state} and due to wake at {row.wake_at}"
        if row.has_result != (row.state == State.SUCCEEDED):
            yield f"is {row.state} with{'' if row.has_result else 'out'} a result"
        lost = sum(attempt.outcome == AttemptOutcome.WORKER_LOST for attempt in self.tries)
        if row.crashes > lost:
            yield f"counts {row.crashes} crashes, its attempts {lost}"


def check(histories: Iterable[History]) -> list[str]:
    """Return what is wrong with any of the jobs, one line each."""
    return [f"job {history.row.id}: {problem}" for history in histories for problem in history.problems()]


def runs(histories: Iterable[History], order: Callable[[Line], Any]) -> Iterator[tuple[Row, Any, Any]]:
    """Give each time a job was RUNNING: its row, where it begins and where it ends (None: not yet), by `order`."""
    for history in histories:
        begin = None
        for line in history.lines:
            if line.state == State.RUNNING:
                begin = order(line)
            elif line.state and begin is not None:
                yield history.row, begin, order(line)
                begin = None
        if begin is not None:
            yield history.row, begin, None


def peaks(
    histories: Iterable[History], group: Callable[[Row], Any], order: Callable[[Line], Any] = lambda line: line.id
) -> dict[Any, int]:
    """Return the most jobs that were RUNNING at any one instant, by group, swept over the log in `order`."""
    changes: dict[Any, list[tuple[Any, int]]] = defaultdict(list)
    for row, begin, end in runs(histories, order):
        changes[group(row)].append((begin, 1))
        if end is not None:
            changes[group(row)].append((end, -1))
    return {key: _peak(sorted(found)) for key, found in changes.items()}


def _peak(changes: Iterable[tuple[Any, int]]) -> int:
    running = most = 0
    for _, change in changes:
        running += change
        most = max(most, running)
    return most


def by_time(line: Line) -> datetime:
    """Sweep by the clocks of the workers instead: right where they are the same clock."""
    return line.at


def load(**filters: Any) -> list[History]:
    """Read the histories of the jobs that match, from the database Django is set up for."""
    from jobs.models import Attempt, Event, Job

    columns = ("attempts", "crashes", "lease_id", "claim_token", "wake_at", "finished_at", "queue_id", "tenant_id")
    done = set(Job.objects.filter(result__isnull=False, **filters).values_list("id", flat=True))
    rows = [
        Row(pk, state, attempts, crashes, lease is not None or token is not None, wake, end, pk in done, queue, tenant)
        for pk, state, attempts, crashes, lease, token, wake, end, queue, tenant in Job.objects.filter(**filters)
        .order_by("id")
        .values_list("id", "state", *columns)
    ]
    lines: dict[int, list[Line]] = defaultdict(list)
    tries: dict[int, list[Try]] = defaultdict(list)
    for start in range(0, len(rows), BATCH):
        ids = [row.id for row in rows[start : start + BATCH]]
        events = Event.objects.filter(job_id__in=ids).order_by("id")
        for line in events.values_list("id", "job_id", "at", "kind", "state", "attempt"):
            lines[line[1]].append(Line(*line))
        for attempt in (
            Attempt.objects.filter(job_id__in=ids).order_by("number").values_list("job_id", "number", "outcome")
        ):
            tries[attempt[0]].append(Try(*attempt))
    return [History(row, lines[row.id], tries[row.id]) for row in rows]


def main() -> int:
    """Judge every job of the database the environment names."""
    import os

    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taskflow.settings")
    django.setup()
    histories = load()
    problems = check(histories)
    states = Counter(str(history.row.state) for history in histories)
    print("\n".join([*problems, f"{len(histories)} jobs, {len(problems)} problems", str(dict(states))]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
