"""A private MariaDB and a private Redis on free loopback ports, from installed programs, in a folder that goes away.

    python -m tests.servers -- COMMAND...

starts what `TEST_DATABASE_URL` and `TEST_BROKER_URL` do not name, sets DATABASE_URL and BROKER_URL for the command (and
`TEST_SERVERS`, the folder, from which `private_servers()` gives tests the means to stop and start them), and stops
what it started. Exits with the command's code; with 69 where a program is missing.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

import psutil

SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin"])
STARTING_SECONDS = 60
EX_UNAVAILABLE = 69
_children: dict[int, subprocess.Popen[bytes]] = {}


class ServerMissing(Exception):
    """A server program is not installed."""


class ServerFailed(Exception):
    """A server did not start or stop; the message ends with its log."""


def program(*names: str) -> str:
    """Return the path of the first of these programs that is installed; raises ServerMissing."""
    for name in names:
        if path := shutil.which(name, path=SEARCH_PATH):
            return path
    raise ServerMissing(f"{names[0]} is not installed")


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_alive(pid: int) -> bool:
    """Say whether the process runs; one that ended and was not waited for yet does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@dataclass(frozen=True)
class Server:
    """A server with all it keeps in `folder`. Any process that knows the folder may stop it and start it again."""

    folder: Path

    @property
    def port(self) -> int:
        """The port, which stays the same over restarts."""
        kept = self.folder / "port"
        if not kept.exists():
            kept.write_text(str(free_port()))
        return int(kept.read_text())

    def pid(self) -> int:
        """Return the process id of the last start."""
        return int((self.folder / "pid").read_text())

    def command(self) -> list[str]:
        """Return the command that runs it in the foreground."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Say whether it is ready for clients."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it and wait until it answers; raises ServerFailed."""
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self.folder,
            )
        _children[process.pid] = process
        (self.folder / "pid").write_text(str(process.pid))
        deadline = time.monotonic() + STARTING_SECONDS
        while not self.answers():
            if not is_alive(process.pid) or time.monotonic() > deadline:
                raise ServerFailed(
                    f"{type(self).__name__} did not start:\n" + (self.folder / "log").read_text()[-3000:]
                )
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop it and wait until it is gone; SIGKILL is a crash."""
        pid = self.pid()
        if not is_alive(pid):
            return
        os.kill(pid, how)
        deadline = time.monotonic() + STARTING_SECONDS
        while is_alive(pid):
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        if pid in _children:
            _children.pop(pid).wait()


class MariaDb(Server):
    """MariaDB with InnoDB's usual durability, but that a commit may be lost if the whole machine goes down."""

    def url(self, database: str = "taskflow") -> str:
        return f"mysql://taskflow:taskflow@127.0.0.1:{self.port}/{database}"

    def install(self) -> None:
        """Make the system tables, the user and the time zones; the server runs afterwards."""
        user = ["--user=mysql"] if os.geteuid() == 0 else []
        if user:
            shutil.chown(self.folder, "mysql")
        subprocess.run(
            [program("mariadb-install-db"), "--no-defaults", *user, f"--datadir={self.folder}/data", "--skip-test-db",
             "--auth-root-authentication-method=normal"],
            check=True, capture_output=True,
        )  # fmt: skip
        self.start()
        self.run_sql(
            "CREATE USER taskflow@'127.0.0.1' IDENTIFIED BY 'taskflow'; GRANT ALL ON *.* TO taskflow@'127.0.0.1';"
            "CREATE DATABASE taskflow;"
        )
        self.run_sql(f"USE mysql; SET SESSION sql_log_bin = 0; {time_zones()}")

    def command(self) -> list[str]:
        user = ["--user=mysql"] if os.geteuid() == 0 else []
        return [
            program("mariadbd", "mysqld"), "--no-defaults", *user, f"--datadir={self.folder}/data",
            f"--port={self.port}", f"--socket={self.folder}/socket", "--bind-address=127.0.0.1", "--skip-name-resolve",
            "--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=256M", "--innodb-log-file-size=128M",
            "--max-connections=300", "--character-set-server=utf8mb4",
        ]  # fmt: skip

    def answers(self) -> bool:
        return subprocess.run([*self.client(), "-e", "SELECT 1"], capture_output=True, check=False).returncode == 0

    def client(self) -> list[str]:
        return [program("mariadb", "mysql"), "--no-defaults", "-uroot", f"--socket={self.folder}/socket"]

    def run_sql(self, sql: str) -> None:
        """Run statements as the server's root user."""
        subprocess.run(self.client(), input=sql, text=True, check=True, capture_output=True)


class Redis(Server):
    """Redis without persistence, as Debian ships it but for the snapshots: a restart empties it."""

    def url(self, number: int = 0) -> str:
        return f"redis://127.0.0.1:{self.port}/{number}"

    def install(self) -> None:
        """Start it; it needs nothing else."""
        self.start()

    def command(self) -> list[str]:
        return [program("redis-server", "valkey-server"), "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]

    def answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(7) == b"+PONG\r\n"
        except OSError:
            return False


def time_zones() -> str:
    """Return the SQL that loads the time zones; without them MariaDB answers NULL to a conversion between zones."""
    command = [program("mariadb-tzinfo-to-sql", "mysql_tzinfo_to_sql"), "/usr/share/zoneinfo"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Give a folder in the system's temporary folder that the database's own user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="taskflow-servers-"))
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def private_servers() -> tuple[MariaDb, Redis] | None:
    """Return the servers that `python -m tests.servers` started for this run; None where they are somebody else's."""
    folder = os.environ.get("TEST_SERVERS")
    return None if folder is None else (MariaDb(Path(folder) / "mariadb"), Redis(Path(folder) / "redis"))


@contextmanager
def running(server: MariaDb | Redis) -> Iterator[MariaDb | Redis]:
    """Install and start `server`, and stop it in the end."""
    server.folder.mkdir()
    try:
        server.install()
        yield server
    finally:
        if (server.folder / "pid").exists():
            server.stop()


@contextmanager
def environment(given: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Give the environment for a run on real servers; `given` may name them: TEST_DATABASE_URL, TEST_BROKER_URL."""
    wanted = dict(given)
    with ExitStack() as stack:
        folder = stack.enter_context(temporary_folder())
        for variable, kind in (("DATABASE_URL", MariaDb), ("BROKER_URL", Redis)):
            if url := given.get(f"TEST_{variable}"):
                wanted[variable] = url
            else:
                server = kind(folder / kind.__name__.lower())
                wanted[variable] = stack.enter_context(running(server)).url()
        if not (given.get("TEST_DATABASE_URL") or given.get("TEST_BROKER_URL")):
            wanted["TEST_SERVERS"] = str(folder)
        yield wanted


def main(arguments: list[str]) -> int:
    """Run the command after `--` beside the servers and return its exit code."""
    if arguments[:1] != ["--"] or len(arguments) < 2:
        sys.stderr.write(__doc__ or "")
        return os.EX_USAGE

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, stop)
    try:
        with environment(os.environ) as env:
            return subprocess.run(arguments[1:], env=env, check=False).returncode
    except ServerMissing as error:
        sys.stderr.write(f"{error}; name servers in TEST_DATABASE_URL and TEST_BROKER_URL, or install it.\n")
        return EX_UNAVAILABLE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
