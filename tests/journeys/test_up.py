"""A newcomer's first minutes: `manage.py up` from an empty folder, with real processes, until Ctrl-C."""

import http.cookiejar
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from django.conf import settings

from tests.servers import free_port, is_alive

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        not settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"), reason="the embedded base is SQLite's"
    ),
]
OURS = ("SECRET_KEY", "DATABASE_URL", "BROKER_URL", "HTTPS", "ALLOWED_HOSTS", "PORT", "HOST")


class Up:
    """A running `manage.py up`, and what it has printed."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port, self.lines = port, list[str]()
        env = {key: value for key, value in os.environ.items() if key not in OURS}
        env |= {"VAR_DIR": str(folder), "STATIC_ROOT": str(folder / "static"), "PORT": str(port), "WEB_PROCESSES": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up"], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def read_until(self, text: str) -> str:
        """Return the first line with `text`; fails when the output ends without it."""
        for line in self.process.stdout:
            self.lines.append(line)
            if text in line:
                return line
        pytest.fail(f"No '{text}' in:\n{''.join(self.lines)}")

    def end(self) -> int:
        """Read the rest and return the exit code."""
        self.lines += self.process.stdout.readlines()
        return self.process.wait()

    def child(self, word: str) -> psutil.Process:
        """Return the child whose command line has `word`."""
        return next(child for child in psutil.Process(self.process.pid).children() if word in child.cmdline())


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    running = Up(tmp_path, free_port())
    yield running
    if running.process.poll() is None:
        running.process.send_signal(signal.SIGINT)
        running.end()
    running.process.stdout.close()


def log_in(port: int, name: str, password: str) -> str:
    """Log in to the admin as a browser does and return the page that follows."""
    jar = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    address = f"http://127.0.0.1:{port}/admin/login/"
    browser.open(address, timeout=30).close()
    token = next(cookie.value for cookie in jar if cookie.name == "csrftoken")
    form = {"username": name, "password": password, "csrfmiddlewaretoken": token, "next": "/admin/"}
    with browser.open(address, urllib.parse.urlencode(form).encode(), timeout=30) as page:
        return page.geturl() + "\n" + page.read().decode()


def refusal(folder: Path, port: int) -> str:
    """Return what a second `up` says before it ends with a failure."""
    second = Up(folder, port)
    with closing(second.process.stdout):
        assert second.end() == 1
    return second.lines[-1]


def test_it_starts_from_nothing_keeps_itself_up_and_stops_on_ctrl_c(up: Up, tmp_path: Path) -> None:
    up.read_until(f"TaskFlow is ready: http://127.0.0.1:{up.port}/admin/")
    up.read_until("Log in as one of: admin, owner, editor, operator, reviewer, viewer")
    password = up.read_until("Password: ").split()[1]
    page = log_in(up.port, "admin", password)
    assert page.startswith(f"http://127.0.0.1:{up.port}/admin/\n")
    assert "Log out" in page
    assert (tmp_path / "secret_key").stat().st_mode & 0o777 == 0o600

    assert re.search(r"TaskFlow runs already on .* \(process \d+\)", refusal(tmp_path, free_port()))
    assert f"Port {up.port} on 127.0.0.1 cannot be used" in refusal(tmp_path / "other", up.port)

    up.child("worker").kill()
    up.read_until("worker ended (exit code -9); starting it again")

    family = psutil.Process(up.process.pid).children(recursive=True)
    up.process.send_signal(signal.SIGINT)
    assert up.end() == 0
    assert up.lines[-1] == "Everything has stopped.\n"
    assert not [process for process in family if is_alive(process.pid)]


def test_its_programs_end_with_it_when_it_is_killed(up: Up) -> None:
    up.read_until("TaskFlow is ready")
    family = psutil.Process(up.process.pid).children(recursive=True)
    assert len(family) >= 3
    up.process.kill()
    up.process.wait()
    for process in family:
        while is_alive(process.pid):
            pass


def test_a_port_that_is_taken_is_told_before_anything_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = refusal(tmp_path, taken.getsockname()[1])
    assert "Set PORT to another" in said
    assert not (tmp_path / "taskflow.sqlite3").exists()
