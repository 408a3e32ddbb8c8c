"""A fleet of real Celery processes on the test's database, that a test may kill as it likes.

Sizes come from the environment: CHAOS_JOBS is 2,000 for the full size, and much less in a common test run.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import psutil
from django.db import DatabaseError, connection

from taskflow.lib.db import is_away
from tests.servers import is_alive

T = TypeVar("T")
JOBS = int(os.environ.get("CHAOS_JOBS", "300"))
#: The waits below are bounds, not measures: a machine that does a dozen other things must pass too.
PATIENCE = 180.0
ROOT = Path(__file__).resolve().parent.parent.parent
#: Ends the process when the tests end without warning.
LEASH = str(ROOT / "taskflow" / "leash.py")
_serial = count(1)


def scaled(full: int) -> int:
    """Return a number of jobs, given for the full size, in proportion to CHAOS_JOBS."""
    return max(full * JOBS // 2000, 20)


def surely(query: Callable[[], T]) -> T:
    """Ask the database until it answers: it may be restarting."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return query()
        except DatabaseError as error:
            if not is_away(error) or time.monotonic() > deadline:
                raise
            connection.close()
            time.sleep(0.2)


def wait_for(what: Callable[[], T], *, within: float = PATIENCE, told: Callable[[], Any] = lambda: "") -> T:
    """Ask until the answer is true, and return it. Fails with what `told` gives when it does not come to that."""
    deadline = time.monotonic() + within
    while not (answer := surely(what)):
        if time.monotonic() > deadline:
            raise AssertionError(f"did not happen within {within:g} s: {told()}")
        time.sleep(0.1)
    return answer


@dataclass
class Process:
    """A process group of ours."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.popen.pid

    def children(self) -> list[int]:
        """Return the processes it forked that are alive: the pool of a worker."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return [child.pid for child in psutil.Process(self.pid).children() if is_alive(child.pid)]
        return []

    def members(self) -> list[int]:
        """Return it and all it forked."""
        return [self.pid, *self.children()]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the parent alone."""
        os.kill(self.pid, number)

    def kill(self) -> list[int]:
        """Kill the whole group at once, and return who was in it."""
        members = self.members()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.popen.wait()
        return members

    def ended(self, within: float = PATIENCE) -> int:
        """Wait for its end; returns the exit code."""
        return self.popen.wait(timeout=within)

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]


@dataclass
class Fleet:
    """Celery workers and beat with one environment. `killed` are the processes that were killed without warning."""

    env: Mapping[str, str]
    folder: Path
    app: str = "taskflow"
    processes: list[Process] = field(default_factory=list)
    killed: set[int] = field(default_factory=set)

    def worker(self, *, children: int = 2, pool: str = "default", **env: str) -> Process:
        """Start a worker: a parent that forks `children` processes to work for a pool."""
        name = f"worker{next(_serial)}"
        arguments = [
            "-c", str(children), "-Q", f"pool.{pool}", "-n", f"{name}@%h", "-l", "INFO", "--without-mingle",
            "--without-gossip",
        ]  # fmt: skip
        return self._start(name, "worker", *arguments, env={"WORKER_POOL": pool} | env)

    def beat(self) -> Process:
        """Start beat."""
        name = f"beat{next(_serial)}"
        return self._start(name, "beat", "--pidfile=", "-l", "INFO", env={})

    def _start(self, name: str, command: str, *arguments: str, env: Mapping[str, str]) -> Process:
        log = self.folder / f"{name}.log"
        with log.open("wb") as out:
            popen = subprocess.Popen(
                [
                    sys.executable,
                    LEASH,
                    str(os.getpid()),
                    sys.executable,
                    "-m",
                    "celery",
                    "-A",
                    self.app,
                    command,
                    *arguments,
                ],
                cwd=ROOT,
                env={**self.env, **env},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        process = Process(name, popen, log)
        self.processes.append(process)
        return process

    def kill(self, process: Process) -> None:
        """Kill a process and all it forked, as a machine does that loses its power."""
        self.killed.update(process.kill())
        self.processes.remove(process)

    def kill_child(self, pid: int) -> None:
        """Kill one process of a worker's pool."""
        self.killed.add(pid)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def parent_of(self, pid: int) -> Process | None:
        """Return the worker that forked this process; None if it is not one of ours, or gone."""
        return next((process for process in self.processes if pid in process.children()), None)

    def end(self) -> None:
        """Kill what is left."""
        for process in list(self.processes):
            self.kill(process)

    def logs(self) -> str:
        """Return the ends of all logs, for a test that failed."""
        return "\n".join(f"== {process.name}\n{process.tail()}" for process in self.processes)


@contextlib.contextmanager
def fleet(env: Mapping[str, str], folder: Path, **options: Any) -> Iterator[Fleet]:
    """Give a fleet without processes yet; what is left of it is killed in the end."""
    found = Fleet(env, folder, **options)
    try:
        yield found
    finally:
        found.end()


def environment(folder: Path, *, database: str, broker: str, **more: str) -> dict[str, str]:
    """Return the environment of a fleet, with short leases, so that a test need not wait long for a rescue."""
    short = {
        "LEASE_SECONDS": "4",
        "HEARTBEAT_SECONDS": "1",
        "WORKER_SLOTS": "8",
        "DRAIN_SLICE_SECONDS": "3",
        "STEP_FUNCTION_MODULES": "tests.steps,tests.chaos.steps",
        "CHAOS_LEDGER": str(folder / "ledger"),
        "VAR_DIR": str(folder / "var"),
        "LOG_LEVEL": "INFO",
        "PYTHONUNBUFFERED": "1",
    }
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "COV"))}
    return kept | {"DATABASE_URL": database, "BROKER_URL": broker} | short | more
