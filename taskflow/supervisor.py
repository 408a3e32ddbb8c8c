"""Runs several programs as one: prefixes their output, restarts what dies, and stops all or none.

Never a half-dead system: a program that cannot be kept up ends the others too.
"""

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

LEASH = str(Path(__file__).with_name("leash.py"))
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0
MOST_DEATHS, STEADY_SECONDS = 5, 60.0
TICK = 0.2
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Program:
    """What to run. `name` goes before each line of its output."""

    name: str
    command: Sequence[str]


def pause_before_restart(deaths: int) -> float | None:
    """Return the seconds to wait after so many deaths in a row; None when it is time to give up."""
    return None if deaths >= MOST_DEATHS else min(FIRST_PAUSE * 2 ** (deaths - 1), LONGEST_PAUSE)


@dataclass(slots=True)
class Child:
    """A program while it is kept up. Its process leads a group of its own, so a Ctrl-C in the terminal misses it."""

    program: Program
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    start_again: float | None = None
    deaths: int = 0
    tail: bytes = b""

    def start(self, env: Mapping[str, str]) -> None:
        """Start the process; it ends when this one does."""
        self.process = subprocess.Popen(  # noqa: S603 - our own programs
            [sys.executable, LEASH, str(os.getpid()), *self.program.command],
            env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        self.started, self.start_again = time.monotonic(), None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process itself, which tells its own children."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def kill_group(self) -> None:
        """Kill the process and whatever it left behind in its group."""
        if self.process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


@dataclass(slots=True)
class Supervisor:
    """Keeps programs up until a signal or until one cannot be kept up. `grace` is the seconds they have to stop."""

    programs: Sequence[Program]
    env: Mapping[str, str]
    grace: float
    say: Callable[[str], None]
    children: list[Child] = field(init=False)
    selector: selectors.BaseSelector = field(init=False, default_factory=selectors.DefaultSelector)
    signals: int = 0
    failed: Child | None = None

    def __post_init__(self) -> None:
        self.children = [Child(program) for program in self.programs]

    def run(self, tick: Callable[[], None] = lambda: None) -> int:
        """Run to the end; return 0 after a signal, 1 after a failure. Calls `tick` now and then."""
        kept = {number: signal.signal(number, self.on_signal) for number in STOPPING}
        try:
            for child in self.children:
                self.start(child)
            while not self.signals and self.failed is None:
                self.pump()
                self.tend_all()
                tick()
        finally:
            self.stop_all()
            for number, handler in kept.items():
                signal.signal(number, handler)
        return 0 if self.failed is None else 1

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Note a signal; the loop sees it within a moment."""
        self.signals += 1

    def start(self, child: Child) -> None:
        """Start a program and listen to what it prints."""
        child.start(self.env)
        if child.process is not None and child.process.stdout is not None:
            os.set_blocking(child.process.stdout.fileno(), False)
            self.selector.register(child.process.stdout, selectors.EVENT_READ, (child, child.process.stdout))

    def tend_all(self) -> None:
        """Restart what died, after a pause that grows; give up when it dies again and again."""
        now = time.monotonic()
        for child in self.children:
            if child.start_again is not None and now >= child.start_again:
                self.start(child)
            elif child.start_again is None and not child.alive:
                self.bury(child, now)

    def bury(self, child: Child, now: float) -> None:
        """Decide what follows the death of a process."""
        child.kill_group()
        child.deaths = 1 if now - child.started > STEADY_SECONDS else child.deaths + 1
        code = "?" if child.process is None else child.process.returncode
        pause = pause_before_restart(child.deaths)
        if pause is None:
            self.failed = child
            self.say(
                f"{child.program.name} ended {child.deaths} times in a row (exit code {code}); stopping everything."
            )
            return
        child.start_again = now + pause
        self.say(f"{child.program.name} ended (exit code {code}); starting it again in {pause:g} s.")

    def pump(self) -> None:
        """Print what the programs have printed, line by line, waiting a moment for it."""
        for key, _ in self.selector.select(TICK):
            child, output = key.data
            chunk = os.read(key.fd, 65536)
            *lines, child.tail = (child.tail + chunk).split(b"\n")
            if not chunk:
                self.selector.unregister(output)
                output.close()
                lines, child.tail = [child.tail] if child.tail else [], b""
            for line in lines:
                self.say(f"{child.program.name:<7}| {line.decode(errors='replace')}")

    def stop_all(self) -> None:
        """Ask all to stop, wait for the grace time (a second signal ends it), kill what is left."""
        asked, deadline = self.signals, time.monotonic() + self.grace
        for child in self.children:
            child.signal(signal.SIGTERM)
        while any(child.alive for child in self.children):
            if time.monotonic() > deadline or self.signals > asked:
                break
            self.pump()
        for child in self.children:
            if child.alive:
                self.say(f"{child.program.name} did not stop in time; killing it.")
            child.kill_group()
        self.pump()
