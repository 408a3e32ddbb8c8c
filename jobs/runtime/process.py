"""One worker process: its lease, its heartbeat, its step threads and what it has learned about paces."""

import faulthandler
import mmap
import os
import socket
import threading
import time
from collections.abc import Callable
from datetime import datetime

from django.conf import settings
from django.db import Error, connection

from jobs.runtime.tick import tick_if_overdue
from jobs.runtime.units import StepThreads
from jobs.services import leases
from jobs.services.pace import Paces
from jobs.services.rescue import release_unheld
from taskflow.lib.clock import utcnow
from taskflow.lib.telemetry import emit

#: The file descriptor, because Celery puts a proxy in the place of sys.stderr.
STANDARD_ERROR = 2
#: What higher apps do about once a second beside the heartbeat, with the present instant; it must be quick.
beside_heartbeat: list[Callable[[datetime], None]] = []
#: One byte that a Celery parent shares with its children: set when the fleet is asked to stop.
_stopping = mmap.mmap(-1, 1)


def ask_to_stop() -> None:
    """Tell this process and those forked from it to finish what runs and take nothing new."""
    _stopping[0] = 1


def is_stopping() -> bool:
    """Say whether this process was asked to stop."""
    return _stopping[0] == 1


class WorkerProcess:
    """What a process holds while it runs jobs. `held` are the ids of the jobs in its hands."""

    def __init__(self, *, pool: str, slots: int) -> None:
        self.slots = slots
        self.threads = StepThreads(slots)
        self.paces = Paces()
        self.held: set[int] = set()
        self.draining = threading.Lock()
        self.lost = False
        self._pool = pool
        self._beaten = time.monotonic()
        self._closed = threading.Event()
        self._open()

    def _open(self) -> None:
        self.lease = leases.open_lease(host=socket.gethostname(), pid=os.getpid(), pool=self._pool, slots=self.slots)
        self.label = str(self.lease)
        self.lost = False
        self._beaten = time.monotonic()

    def start_heartbeat(self) -> None:
        """Keep the lease fresh from a thread of its own."""
        threading.Thread(target=self._keep_beating, name="heartbeat", daemon=True).start()

    @property
    def trusted(self) -> bool:
        """Say whether the lease is surely alive: nothing may be claimed under one that may have been ended."""
        return not self.lost and time.monotonic() - self._beaten < settings.LEASE_SECONDS / 2

    def renew(self) -> None:
        """Open a new lease after the old one was lost; what was held under it is gone."""
        self.held.clear()
        self._open()

    def _keep_beating(self) -> None:
        while not self._closed.wait(min(settings.HEARTBEAT_SECONDS, 1.0)):
            # A step that holds the interpreter's lock starves this thread; then this C-level timer ends the process
            # and its jobs are rescued.
            faulthandler.dump_traceback_later(settings.STUCK_PROCESS_SECONDS, exit=True, file=STANDARD_ERROR)
            try:
                self._beat()
                now = utcnow()
                tick_if_overdue(now=now)
                for work in beside_heartbeat:
                    work(now)
            except Error as error:
                emit("engine.heartbeat_failed", error=type(error).__name__, worker=self.label)
                connection.close()
        faulthandler.cancel_dump_traceback_later()
        connection.close()

    def _beat(self) -> None:
        if time.monotonic() - self._beaten < settings.HEARTBEAT_SECONDS - 0.5 or self.lost:
            return
        if not leases.beat(lease_id=self.lease.pk, running=len(self.held)):
            self.lost = True
            return
        self._beaten = time.monotonic()
        self.paces.save()
        if self.draining.acquire(blocking=False):
            try:
                self.release_unheld()
            finally:
                self.draining.release()

    def release_unheld(self) -> None:
        """Give back jobs that point to this lease although this process does not hold them."""
        count = release_unheld(lease_id=self.lease.pk, held=sorted(self.held), now=utcnow())
        if count:
            emit("engine.release", jobs=count, reason="unheld")

    def close(self, reason: str) -> None:
        """End heartbeat, threads and lease."""
        self._closed.set()
        self.threads.close()
        self.paces.save()
        leases.close_lease(lease_id=self.lease.pk, reason=reason)


_process: WorkerProcess | None = None
_lock = threading.Lock()


def current_process() -> WorkerProcess:
    """Return this process's hold on the fleet, opening it at first use."""
    global _process
    with _lock:
        if _process is None:
            _process = WorkerProcess(pool=settings.WORKER_POOL, slots=settings.WORKER_SLOTS)
            _process.start_heartbeat()
        return _process


def close_process(reason: str) -> None:
    """Give up this process's hold, if it has one."""
    global _process
    with _lock:
        if _process is not None:
            _process.close(reason)
            _process = None
