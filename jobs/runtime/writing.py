"""Writing down what the step threads report, whatever the database does meanwhile."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TypeVar

from django.db import DatabaseError, Error, connection
from django.db.models import F

from jobs.domain import transitions
from jobs.domain.work import Report
from jobs.models import Lane, Queue
from jobs.runtime.execute import Task, failed, failure_of
from jobs.runtime.prepare import prepare
from jobs.runtime.process import WorkerProcess
from jobs.services.finish import count_outcomes, flush
from jobs.services.submit import check_requests
from taskflow.lib.cache import remember
from taskflow.lib.clock import utcnow
from taskflow.lib.db import is_away
from taskflow.lib.telemetry import emit
from workflows.domain.outcomes import PermanentError

T = TypeVar("T")
RECONNECT_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0)


def surely(work: Callable[[], T]) -> T:
    """Do `work`, again and again while the database is away: what is in hand must not be lost to a restart."""
    tries = 0
    while True:
        try:
            return work()
        except Error as error:
            if not is_away(error):
                raise
            emit("engine.database_away", error=str(error)[:200], tries=tries)
            connection.close()
            time.sleep(RECONNECT_SECONDS[min(tries, len(RECONNECT_SECONDS) - 1)])
            tries += 1


class Writer:
    """Stores the reports of one process, keeps its paces and its lanes' debts."""

    def __init__(self, process: WorkerProcess) -> None:
        self.process = process
        self._owed: dict[int, float] = defaultdict(float)

    def flush(self, reports: list[Report]) -> list[Report]:
        """Write reports; returns those written. What was taken from this process meanwhile is forgotten."""
        if not reports:
            return []
        for report in reports:
            _check_children(report)
        written = self._write(reports)
        kept = {report.job.id for report in written}
        for report in reports:
            over = report.ending is not None or report.job.id not in kept
            if over:
                self.process.held.discard(report.job.id)
            self._owe(report, over=over)
            for step in report.steps:
                self.process.paces.observe(report.job.version_id, step.position, step.seconds)
        _tell(written)
        return written

    def _write(self, reports: list[Report]) -> list[Report]:
        """Store reports; one that the database refuses does not keep the others from being stored."""
        try:
            return surely(lambda: flush(reports, worker=self.process.label, now=utcnow()))
        except DatabaseError as error:
            if len(reports) > 1:
                return [written for report in reports for written in self._write([report])]
            (report,) = reports
            if report.ending is not None and not report.steps:
                raise
            refused = PermanentError(f"The result could not be stored: {error}")
            ending = transitions.failed_for_good(failure_of(refused), step=report.step_key)
            return self._write([Report(report.job, report.job.position, report.at, ending=ending)])

    def _owe(self, report: Report, *, over: bool) -> None:
        """Note how far a job's worker time was from what its lane was charged at the claim.

        Worker time is that of a thread at work: what a job waits in its worker, behind others or for a free thread, is
        not its own.
        """
        self._owed[report.job.lane_id] += report.seconds - (report.job.expected if over else 0.0)

    def settle(self) -> None:
        """Correct the lanes' virtual time by what is owed."""
        owed, self._owed = self._owed, defaultdict(float)
        for lane_id, seconds in owed.items():
            if abs(seconds) > 0.001:
                surely(lambda lane_id=lane_id, s=seconds: _charge(lane_id, s))  # type: ignore[misc]


def _charge(lane_id: int, seconds: float) -> int:
    return Lane.objects.filter(pk=lane_id).update(virtual_time=F("virtual_time") + seconds / F("weight"))


def _check_children(report: Report) -> None:
    """Turn a report whose sub-jobs would be refused into a failure of the step that asked for them."""
    if not report.children:
        return
    refused = surely(lambda: check_requests(tenant_id=report.job.tenant_id, requests=report.children, now=utcnow()))
    if not refused:
        return
    error = PermanentError("A sub-job was refused: " + "; ".join(str(problem) for problem in refused[:5]))
    spawning = report.steps.pop()
    report.children, report.join = [], None
    report.position = report.job.position = spawning.position
    task = prepare(report.job)
    report.ending = (
        failed(task, task.plan.steps[spawning.position], failure_of(error))
        if isinstance(task, Task)
        else transitions.failed_for_good(failure_of(error), step=spawning.key)
    )


def _tell(written: Sequence[Report]) -> None:
    """Emit what was written, for logs and metrics."""
    steps = [(step.kind, step.seconds, "error" if step.error else "done") for r in written for step in r.steps]
    emit("engine.steps", items=steps)
    by_queue: dict[int, list[Report]] = defaultdict(list)
    for report in written:
        if report.ending is not None:
            by_queue[report.job.queue_id].append(report)
    for queue_id, ended in by_queue.items():
        queue = slug_of(queue_id)
        emit("engine.finish", queue=queue, counts=count_outcomes(ended))
        retried = [r.ending.failure.name for r in ended if r.ending and r.ending.wake_at and r.ending.failure]
        for name in set(retried):
            emit("engine.retry", queue=queue, count=retried.count(name), error_class=name)
        given_back = [str((r.ending.data or {}).get("reason")) for r in ended if r.ending and r.ending.outcome is None]
        for reason in set(given_back):
            emit("engine.release", jobs=given_back.count(reason), reason=reason)


@remember(seconds=60)
def slug_of(queue_id: int) -> str:
    """Return the slug of a queue."""
    return Queue.objects.values_list("slug", flat=True).get(pk=queue_id)
