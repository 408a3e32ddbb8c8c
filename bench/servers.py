"""The servers of a benchmark run, private and on free loopback ports, as durable as production's.

MariaDB flushes its log at every commit, PostgreSQL keeps its defaults (`synchronous_commit`, `fsync`), Redis keeps
nothing on disk.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.servers import MariaDb, Redis, Server, ServerMissing, program, running, temporary_folder


class DurableMariaDb(MariaDb):
    """MariaDB that loses no commit, with memory for real work."""

    def install(self) -> None:
        super().install()
        self.run_sql("CREATE USER bench@'127.0.0.1' IDENTIFIED BY 'bench'; GRANT ALL ON *.* TO bench@'127.0.0.1';")

    def command(self) -> list[str]:
        return [
            *super().command(), "--innodb-flush-log-at-trx-commit=1", "--innodb-buffer-pool-size=1G",
            "--innodb-log-file-size=512M", "--transaction-isolation=READ-COMMITTED",
        ]  # fmt: skip


class Postgres(Server):
    """PostgreSQL as it comes, with memory for real work; for Procrastinate."""

    def install(self) -> None:
        """Make the cluster; the server runs afterwards."""
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
        command = [
            *self.as_user(),
            postgres_program("initdb"),
            "-D",
            f"{self.folder}/data",
            "-U",
            "postgres",
            "-A",
            "trust",
        ]
        subprocess.run(command, check=True, capture_output=True, cwd=self.folder)
        self.start()

    def as_user(self) -> list[str]:
        """Return the words before a command: PostgreSQL refuses to run as root."""
        return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.geteuid() == 0 else []

    def command(self) -> list[str]:
        return [
            *self.as_user(), postgres_program("postgres"), "-D", f"{self.folder}/data", "-p", str(self.port),
            "-h", "127.0.0.1", "-k", str(self.folder), "-c", "shared_buffers=1GB", "-c", "max_connections=300",
            "-c", "max_wal_size=4GB",
        ]  # fmt: skip

    def answers(self) -> bool:
        command = [postgres_program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


def postgres_program(name: str) -> str:
    """Return the path of a PostgreSQL program, the newest there is (Debian keeps them out of the path)."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    return str(found[-1]) if found else program(name)


@contextmanager
def servers(*, postgres: bool) -> Iterator[dict[str, str]]:
    """Start the servers and give the variables that tell subjects where they are.

    Raises ServerMissing where MariaDB or Redis is not installed; without PostgreSQL, PG_PORT is not among them.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(temporary_folder())
        wanted: dict[str, type[MariaDb | Redis | Postgres]] = {"MY_PORT": DurableMariaDb, "RD_PORT": Redis}
        if postgres and has_postgres():
            wanted["PG_PORT"] = Postgres
        yield {
            variable: str(stack.enter_context(running(kind(folder / kind.__name__.lower()))).port)  # type: ignore[arg-type]
            for variable, kind in wanted.items()
        }


def has_postgres() -> bool:
    """Say whether PostgreSQL is installed."""
    try:
        return all(postgres_program(name) for name in ("initdb", "postgres", "pg_isready"))
    except ServerMissing:
        return False


def versions() -> str:
    """Return the servers that are installed, with their versions, in a few words."""
    programs = {"MariaDB": ("mariadbd", "mysqld"), "Redis": ("redis-server", "valkey-server")}
    paths = {name: program(*names) for name, names in programs.items()}
    if has_postgres():
        paths["PostgreSQL"] = postgres_program("postgres")
    told = []
    for name, path in paths.items():
        output = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
        number = re.search(r"\d+\.\d+(\.\d+)?", output)
        told.append(f"{name} {number[0] if number else 'of unknown version'}")
    return ", ".join(told)
