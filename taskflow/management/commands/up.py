"""`manage.py up`: everything on this machine, from an empty folder to a running system."""

import fcntl
import json
import os
import secrets
import socket
import sys
import time
import urllib.error
import urllib.request
from argparse import ArgumentParser
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand
from django.db import OperationalError, connection

from taskflow.programs import PROGRAMS
from taskflow.supervisor import Program, Supervisor

LOOPBACK = ("127.0.0.1", "localhost", "::1")
EXTRA_GRACE = 5.0


class Command(BaseCommand):
    help = "Prepare the database and the demo, then run web, worker and beat until Ctrl-C."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=settings.HOST)
        parser.add_argument("--port", type=int, default=settings.PORT)
        parser.add_argument("--no-demo", action="store_true", help="Do not make the demo tenant.")

    def handle(self, *args: Any, **options: Any) -> None:
        host, port = options["host"], options["port"]
        with self.only_one():
            self.check_port(host, port)
            self.keep_secret_key()
            if host in LOOPBACK:
                os.environ.setdefault("HTTPS", "false")
            # Celery's six lines about running as root say nothing to whoever tries it in a container.
            os.environ.setdefault("PYTHONWARNINGS", "ignore::RuntimeWarning:celery.platforms")
            self.prepare()
            if not options["no_demo"]:
                self.call("Demo", "demo")
            sys.exit(self.serve(host, port))

    def say(self, line: str) -> None:
        """Print a line at once, also into a pipe."""
        self.stdout.write(line)
        self.stdout.flush()

    def check_port(self, host: str, port: int) -> None:
        """Raise CommandError if the port cannot be had."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except (OSError, OverflowError) as error:
                raise CommandError(f"Port {port} on {host} cannot be used: {error}. Set PORT to another.") from error

    def only_one(self) -> IO[str]:
        """Return the lock of VAR_DIR, held until it is closed or the process ends; raises CommandError if taken."""
        lock = (settings.VAR_DIR / "up.pid").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            message = (
                f"TaskFlow runs already on {settings.VAR_DIR} (process {lock.read().strip()}). Set VAR_DIR to another."
            )
            raise CommandError(message) from error
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        return lock

    def keep_secret_key(self) -> None:
        """Make a secret key for this folder, unless there is one or the environment gives it, and use it."""
        try:
            if settings.SECRET_KEY:
                return
        except ImproperlyConfigured:
            pass
        settings.SECRET_KEY = secrets.token_urlsafe(50)
        descriptor = os.open(settings.VAR_DIR / "secret_key", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as kept:
            kept.write(settings.SECRET_KEY)

    def prepare(self) -> None:
        """Check the settings, bring the database up to date and collect the static files."""
        try:
            connection.ensure_connection()
        except OperationalError as error:
            raise CommandError(f"The database cannot be reached: {error}") from error
        self.check(databases=["default"])
        self.call("Database", "migrate", interactive=False)
        if not files_are_collected():
            self.call("Static files", "collectstatic", interactive=False)
            fingerprint_file().write_text(fingerprint())
        connection.close()

    def call(self, title: str, name: str, **options: Any) -> None:
        """Run a management command, saying so."""
        started = time.monotonic()
        self.say(f"{title} ...")
        call_command(name, verbosity=0, **options)
        self.say(f"{title}: done in {time.monotonic() - started:.1f} s")

    def serve(self, host: str, port: int) -> int:
        """Run web, worker and beat; return the exit code."""
        self.say("Starting web, worker and beat ...")
        settings.HOST, settings.PORT = host, port
        programs = [Program(name, command()) for name, command in PROGRAMS.items()]
        grace = settings.STOP_GRACE_SECONDS + EXTRA_GRACE
        supervisor = Supervisor(programs, os.environ, grace, self.say)
        code = supervisor.run(Announcement("127.0.0.1" if host == "0.0.0.0" else host, port, self.say))  # noqa: S104
        self.say("Everything has stopped.")
        return code


def fingerprint_file() -> Path:
    return Path(settings.STATIC_ROOT) / ".fingerprint"


def fingerprint() -> str:
    """Return what the static files depend on: the locked packages and our own files."""
    sources = [settings.BASE_DIR / "uv.lock", *sorted(settings.BASE_DIR.glob("static/**/*"))]
    return "\n".join(f"{path} {path.stat().st_mtime_ns}" for path in sources)


def files_are_collected() -> bool:
    """Say whether the static files were collected since their sources changed."""
    return fingerprint_file().exists() and fingerprint_file().read_text() == fingerprint()


class Announcement:
    """Says once that the system answers, and how to log in; until then, every few seconds, what is not up yet."""

    def __init__(self, host: str, port: int, say: Any) -> None:
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        self.say = say
        self.made = False
        self.next_word = time.monotonic() + 5

    def __call__(self) -> None:
        if self.made:
            return
        down = self.what_is_down()
        if not down:
            self.made = True
            self.say(f"\nTaskFlow is ready: {self.url}/admin/\n{login()}Stop it with Ctrl-C.\n")
        elif time.monotonic() > self.next_word:
            self.next_word = time.monotonic() + 5
            self.say(f"Waiting for {', '.join(down)} ...")

    def what_is_down(self) -> list[str]:
        """Ask /ready, which knows."""
        try:
            with urllib.request.urlopen(f"{self.url}/ready", timeout=3):  # noqa: S310 - our own address
                return []
        except urllib.error.HTTPError as error:
            with error:
                parts = json.loads(error.read() or "{}")
            return [name for name, state in parts.get("checks", {}).items() if not state["ok"]] or ["web"]
        except OSError:
            return ["web"]


def login() -> str:
    """Return the lines that say how to log in, if there is a demo."""
    from taskflow.demo.tenant import login_lines

    return login_lines()
