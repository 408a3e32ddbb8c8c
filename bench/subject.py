"""What a system under test must be able to do, and the driver that measures it.

A subject is a program, `COMMAND MODE N`, that prints one line of JSON. Modes: `w1`, `w2`, `trickle`, `submit`. Where
the servers are comes from the environment (see `Places`).
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.measure import Meter, in_ms, listener
from tests.servers import free_port

ROOT = Path(__file__).resolve().parent.parent
LEASH = ROOT / "taskflow" / "leash.py"
SIZES = {"w1": 3000, "w2": 500, "trickle": 400, "submit": 2000}
#: Numbers of warm-up jobs start here, so that no real one has them.
WARM = 10_000_000
JOBS_A_SECOND = 20
POLL_SECONDS = 0.01
PATIENCE = 300.0


@dataclass(frozen=True, slots=True)
class Places:
    """Where the servers listen on 127.0.0.1, and who may log in."""

    mysql: int
    redis: int
    postgres: int
    user: str
    password: str

    @classmethod
    def from_environment(cls) -> "Places":
        """Read MY_PORT, RD_PORT, PG_PORT, MY_USER and MY_PASSWORD."""
        env = os.environ.get
        return cls(
            mysql=int(env("MY_PORT", "33306")),
            redis=int(env("RD_PORT", "36379")),
            postgres=int(env("PG_PORT", "35432")),
            user=env("MY_USER", "bench"),
            password=env("MY_PASSWORD", "bench"),
        )

    def redis_url(self, number: int) -> str:
        """Return the URL of one of Redis' databases."""
        return f"redis://127.0.0.1:{self.redis}/{number}"

    def mysql_login(self) -> dict[str, Any]:
        """Return what MySQLdb.connect wants."""
        return {"host": "127.0.0.1", "port": self.mysql, "user": self.user, "passwd": self.password}


def fresh_database(places: Places, name: str) -> None:
    """Drop the MariaDB database `name` and make it again, empty."""
    import MySQLdb

    connection = MySQLdb.connect(**places.mysql_login())
    connection.autocommit(True)
    cursor = connection.cursor()
    cursor.execute(f"DROP DATABASE IF EXISTS {name}")
    cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    connection.close()


class Subject:
    """One system. Subclasses say how it is set up, started, given jobs and asked what is done.

    `warm_jobs` go through before the clock starts. A system without a bulk call submits one by one.
    """

    name = ""
    warm_jobs = 20
    ready_seconds = 3.0

    def __init__(self) -> None:
        self.name = os.environ.get("NAME", self.name)
        self.places = Places.from_environment()
        self.folder = Path(tempfile.mkdtemp(prefix="taskflow-bench-"))
        self.workers: list[subprocess.Popen[bytes]] = []
        self.others: list[subprocess.Popen[bytes]] = []
        self.before = 0

    def setup(self, mode: str) -> None:
        """Make an empty database and whatever else the system needs before its workers start."""
        raise NotImplementedError

    def start(self, mode: str) -> None:
        """Start the workers with `spawn`."""
        raise NotImplementedError

    def submit(self, numbers: Sequence[int], mode: str) -> None:
        """Submit these jobs, the fastest way the system has."""
        for number in numbers:
            self.submit_one(number, mode)

    def submit_one(self, number: int, mode: str) -> None:
        """Submit one job."""
        raise NotImplementedError

    def count_done(self) -> int:
        """Return how many jobs are finished, warm-up included, as a user of the system could ask it."""
        raise NotImplementedError

    def done_among(self, numbers: Iterable[int]) -> Iterable[int]:
        """Return which of these jobs are finished."""
        raise NotImplementedError

    def records(self) -> dict[str, Any]:
        """Return what the result line should tell besides, such as the rows that were written."""
        return {}

    def spawn(self, *command: object, env: Mapping[str, object] | None = None, worker: bool = True) -> None:
        """Start a process that ends with this one; what it prints goes to a file in `folder`."""
        known = os.environ | {"PYTHONPATH": str(ROOT)} | {key: str(value) for key, value in (env or {}).items()}
        with (self.folder / "output").open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, str(LEASH), str(os.getpid()), *map(str, command)],
                env=known, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd=ROOT,
            )  # fmt: skip
        (self.workers if worker else self.others).append(process)

    def wait_until_ready(self) -> None:
        """Wait until the workers take jobs, as far as one can know; the warm-up waits for the rest."""
        time.sleep(self.ready_seconds)

    def warm_up(self, mode: str) -> None:
        """Send some jobs through, so that connections, caches and plans are there."""
        self.submit(range(WARM, WARM + self.warm_jobs), mode)
        self.wait_for(self.warm_jobs)
        self.before = self.count_done()

    def wait_for(self, jobs: int, pause: float = 0.05) -> None:
        """Wait until so many more jobs are finished. Asking takes at most 5 % of the time. Raises TimeoutError."""
        deadline = time.monotonic() + PATIENCE
        while True:
            asked = time.monotonic()
            done = self.count_done() - self.before
            if done >= jobs:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"{done} of {jobs} jobs done after {PATIENCE:.0f} s.\n{self.last_output()}")
            if any(process.poll() is not None for process in [*self.workers, *self.others]):
                raise RuntimeError(f"A process ended.\n{self.last_output()}")
            time.sleep(max(pause, 20 * (time.monotonic() - asked)))

    def last_output(self) -> str:
        """Return the end of what the processes printed."""
        output = self.folder / "output"
        return output.read_text(errors="replace")[-2000:] if output.exists() else ""

    def meter(self) -> Meter:
        """Start counting what workers and servers take."""
        groups = {"workers": [p.pid for p in self.workers], "other": [p.pid for p in self.others]}
        servers = {"mariadb": self.places.mysql, "redis": self.places.redis, "postgres": self.places.postgres}
        return Meter(groups | {name: listener(port) for name, port in servers.items()}, str(self.folder))

    def close(self) -> None:
        """Stop the processes, the whole group of each, and remove the folder."""
        for process in [*self.workers, *self.others]:
            stop(process)
        shutil.rmtree(self.folder, ignore_errors=True)


def stop(process: "subprocess.Popen[bytes]", patience: float = 15.0) -> None:
    """Ask a process that we started to end, then kill what is left of its group."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(patience)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def start_slow_server(subject: Subject) -> None:
    """Start the outside system of W2 and wait until it listens; its port goes into the environment."""
    port = free_port()
    os.environ["BENCH_SLOW_PORT"] = str(port)
    subject.spawn(sys.executable, ROOT / "bench" / "slow_server.py", port, worker=False)
    deadline = time.monotonic() + 30
    while not listener(port):
        if time.monotonic() > deadline:
            raise TimeoutError(f"The slow server did not start.\n{subject.last_output()}")
        time.sleep(0.05)


def flood(subject: Subject, mode: str, jobs: int) -> dict[str, Any]:
    """Submit everything at once and wait until it is done."""
    meter, started = subject.meter(), time.time()
    subject.submit(range(jobs), mode)
    submitted = time.time()
    subject.wait_for(jobs, pause=0.02)
    seconds = time.time() - started
    return {
        "submit_per_s": round(jobs / (submitted - started), 1),
        "jobs_per_s": round(jobs / seconds, 1),
        "seconds": round(seconds, 2),
    } | meter.since(jobs)


def submit_only(subject: Subject, jobs: int) -> dict[str, Any]:
    """Submit one by one, with no worker running."""
    meter, started = subject.meter(), time.time()
    for number in range(jobs):
        subject.submit_one(number, "w1")
    return {"submit_per_s": round(jobs / (time.time() - started), 1)} | meter.since(jobs)


class Watcher(threading.Thread):
    """Notes when each submitted job is first seen finished."""

    def __init__(self, subject: Subject, jobs: int) -> None:
        super().__init__(daemon=True)
        self.subject, self.jobs = subject, jobs
        self.sent: dict[int, float] = {}
        self.seen: dict[int, float] = {}
        self.over = threading.Event()

    def run(self) -> None:
        while len(self.seen) < self.jobs and not self.over.is_set():
            open_ones = [number for number in list(self.sent) if number not in self.seen]
            done = list(self.subject.done_among(open_ones)) if open_ones else []
            now = time.time()
            self.seen.update(dict.fromkeys(done, now))
            time.sleep(POLL_SECONDS)


def trickle(subject: Subject, jobs: int) -> dict[str, Any]:
    """Submit one job every 50 ms, and measure how long each takes until it is seen finished."""
    meter, started = subject.meter(), time.time()
    watcher, submitting = Watcher(subject, jobs), []
    watcher.start()
    for number in range(jobs):
        time.sleep(max(0.0, started + number / JOBS_A_SECOND - time.time()))
        watcher.sent[number] = time.time()
        subject.submit_one(number, "trickle")
        submitting.append(time.time() - watcher.sent[number])
    watcher.join(30)
    watcher.over.set()
    taken = [watcher.seen[number] - sent for number, sent in watcher.sent.items() if number in watcher.seen]
    return {"done_ms": in_ms(taken), "submit_ms": in_ms(submitting), "seen": len(taken)} | meter.since(jobs)


def measure(subject: Subject, mode: str, jobs: int) -> dict[str, Any]:
    """Set the system up, run `mode` on it and return its result line."""
    line: dict[str, Any] = {"peer": subject.name, "mode": mode, "n": jobs, "at": time.strftime("%H:%M:%S")}
    try:
        if mode.startswith("w2"):
            start_slow_server(subject)
        subject.setup(mode)
        if mode != "submit":
            subject.start(mode)
            subject.wait_until_ready()
            subject.warm_up(mode)
            time.sleep(0.3)
        if mode == "submit":
            return line | submit_only(subject, jobs) | subject.records()
        if mode == "trickle":
            return line | trickle(subject, jobs) | subject.records()
        return line | flood(subject, mode, jobs) | subject.records()
    except Exception as error:  # noqa: BLE001 - the boundary to other people's systems: told in the result line
        return line | {"error": f"{type(error).__name__}: {error}"[:3000]}
    finally:
        subject.close()


def main(kind: type[Subject]) -> None:
    """Run what the command line asks for (MODE, N) and print the result line."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    mode = sys.argv[1]
    jobs = int(sys.argv[2]) if len(sys.argv) > 2 else SIZES[mode.removesuffix("python")]
    print(json.dumps(measure(kind(), mode, jobs)), flush=True)
