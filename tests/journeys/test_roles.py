"""The roles as containers start them, each alone, on whatever base the tests run on."""

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.servers import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@contextmanager
def role(name: str, env: dict[str, str]) -> Iterator[subprocess.Popen]:
    """Run a role; asked to stop, it must end in good order."""
    process = subprocess.Popen([sys.executable, "manage.py", "start", name], env=env)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait()
    assert code == 0, f"{name} ended with {code}"


def ask_ready(port: int) -> dict[str, dict]:
    """Return what /ready says of each part; nothing while the web server is not up."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=10) as answer:
            return json.load(answer)["checks"]
    except urllib.error.HTTPError as error:
        with error:
            return json.load(error)["checks"]
    except OSError:
        return {}


def wait_until(wanted: dict[str, bool], port: int) -> None:
    """Wait until /ready says so; pytest's time limit ends it if that never comes."""
    while {name: state["ok"] for name, state in ask_ready(port).items()} != wanted:
        time.sleep(0.1)


def alive(env: dict[str, str]) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "manage.py", "alive"], env=env, capture_output=True, text=True, check=False)


def test_web_worker_and_beat_start_alone_and_stop_when_asked(process_env: dict[str, str]) -> None:
    port = free_port()
    env = process_env | {"PORT": str(port), "WEB_PROCESSES": "1", "WORKER_PROCESSES": "1"}
    parts = {"database": True, "migrations": True, "broker": True}
    refused = alive(env)
    assert refused.returncode == 1
    assert "No worker process of" in refused.stderr
    with ExitStack() as stack:
        stack.enter_context(role("web", env))
        wait_until(parts | {"worker": False}, port)
        stack.enter_context(role("worker", env))
        stack.enter_context(role("beat", env))
        wait_until(parts | {"worker": True}, port)
        assert alive(env).returncode == 0
    assert alive(env).returncode == 1


def test_a_role_that_is_not_there_is_refused(process_env: dict[str, str]) -> None:
    command = [sys.executable, "manage.py", "start", "cook"]
    ended = subprocess.run(command, env=process_env, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "invalid choice: 'cook'" in ended.stderr
