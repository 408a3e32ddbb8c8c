"""The supervisor, with real processes."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskflow import supervisor
from taskflow.supervisor import Program, Supervisor, pause_before_restart
from tests.servers import is_alive

STEADY = "import time\nprint('up', flush=True)\ntime.sleep(1000)"
STUBBORN = (
    "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(1000)"
)
DYING = "import sys\nprint('so long', flush=True)\nsys.exit(3)"


def program(name: str, code: str) -> Program:
    return Program(name, [sys.executable, "-c", code])


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def make(said: list[str], monkeypatch) -> Iterator:
    monkeypatch.setattr(supervisor, "TICK", 0.02)
    monkeypatch.setattr(supervisor, "FIRST_PAUSE", 0.01)
    return lambda *programs, grace=30.0: Supervisor(programs, os.environ, grace, said.append)


def when(said: list[str], text: str, act, *, times: int = 1):
    """Return a tick that calls `act` once `text` has been said so many times."""
    done = []

    def tick() -> None:
        if not done and sum(text in line for line in said) >= times:
            done.append(True)
            act()

    return tick


def wait_until_gone(pid: int) -> None:
    """Wait for the end of a process that is not ours to wait for; pytest's time limit ends it if it never comes."""
    while is_alive(pid):
        time.sleep(0.02)


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_a_signal_stops_all_in_good_order(make, said: list[str]) -> None:
    both = make(program("web", STEADY), program("worker", STEADY))
    assert both.run(when(said, "up", interrupt, times=2)) == 0
    assert said == ["web    | up", "worker | up"] or said == ["worker | up", "web    | up"]
    assert not any(child.alive for child in both.children)


def test_what_ignores_the_signal_is_killed_after_the_grace_time(make, said: list[str]) -> None:
    one = make(program("worker", STUBBORN), grace=0.2)
    assert one.run(when(said, "up", interrupt)) == 0
    assert said[-1] == "worker did not stop in time; killing it."
    assert not one.children[0].alive


def test_a_second_signal_ends_the_grace_time(make, said: list[str]) -> None:
    one = make(program("worker", STUBBORN), grace=1000.0)
    kept = signal.signal(signal.SIGALRM, one.on_signal)

    def interrupt_twice() -> None:
        interrupt()
        signal.setitimer(signal.ITIMER_REAL, 0.3)

    try:
        assert one.run(when(said, "up", interrupt_twice)) == 0
    finally:
        signal.signal(signal.SIGALRM, kept)
    assert said[-1] == "worker did not stop in time; killing it."


def test_a_dead_program_is_started_again(make, said: list[str], tmp_path: Path) -> None:
    code = f"""
        import pathlib, sys, time
        first = pathlib.Path({str(tmp_path / "first")!r})
        if not first.exists():
            first.touch()
            sys.exit(7)
        print('second life', flush=True)
        time.sleep(1000)
    """
    one = make(program("beat", textwrap.dedent(code)))
    assert one.run(when(said, "second life", interrupt)) == 0
    assert said[0].startswith("beat ended (exit code 7); starting it again")


def test_what_cannot_be_kept_up_ends_everything(make, said: list[str]) -> None:
    both = make(program("web", STEADY), program("worker", DYING))
    assert both.run() == 1
    assert said.count("worker | so long") == supervisor.MOST_DEATHS
    assert "worker ended 5 times in a row (exit code 3); stopping everything." in said
    assert not any(child.alive for child in both.children)


def test_what_a_program_leaves_behind_is_cleared_away(make, said: list[str]) -> None:
    orphan = "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)'])"
    one = make(program("web", f"{orphan}\nprint('left', p.pid, flush=True)\nimport time; time.sleep(1000)"))
    assert one.run(when(said, "left", interrupt)) == 0
    wait_until_gone(int(said[0].split()[-1]))


def test_the_pause_grows_until_it_is_time_to_give_up() -> None:
    assert [pause_before_restart(deaths) for deaths in range(1, 6)] == [0.5, 1.0, 2.0, 4.0, None]


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's death signal is Linux's")
def test_the_programs_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    code = """
        import os, sys
        from taskflow.supervisor import Program, Supervisor
        child = "import os, time; print(os.getpid(), flush=True); time.sleep(1000)"
        say = lambda line: print(line, flush=True)
        Supervisor([Program("web", [sys.executable, "-c", child])], os.environ, 5, say).run()
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline().split("|")[1])
        parent.kill()
    wait_until_gone(child)
