"""What the peers on Django have in common."""

import os
from collections.abc import Sequence
from typing import Any

from bench.subject import Subject, fresh_database

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.peers.settings")


class DjangoSubject(Subject):
    """A subject whose rows are in the MariaDB database `bench_peers`, which is made anew."""

    def setup(self, mode: str) -> None:
        fresh_database(self.places, "bench_peers")
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0, run_syncdb=True)
        self.empty_redis()

    def empty_redis(self) -> None:
        """Remove what an earlier run left in the peers' Redis database."""
        import redis

        redis.Redis(port=self.places.redis, db=8).flushdb()

    def query(self, sql: str, parameters: Sequence[object] = ()) -> Sequence[tuple[Any, ...]]:
        """Ask the database."""
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall()

    def count(self, table: str, where: str = "1 = 1") -> int:
        """Count rows."""
        return int(self.query(f"SELECT COUNT(*) FROM {table} WHERE {where}")[0][0])


class RowsSubject(DjangoSubject):
    """A subject that keeps its jobs in the tables by hand. `keys` maps a job's number to its row."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: dict[int, int] = {}

    def count_done(self) -> int:
        return self.count("tables_job", "status = 'succeeded'")

    def done_among(self, numbers):
        wanted = {self.keys[number]: number for number in numbers if number in self.keys}
        if not wanted:
            return []
        marks = ", ".join(["%s"] * len(wanted))
        sql = f"SELECT id FROM tables_job WHERE status = 'succeeded' AND id IN ({marks})"
        return [wanted[row[0]] for row in self.query(sql, list(wanted))]

    def records(self) -> dict[str, Any]:
        return {"rows": {name: self.count(f"tables_{name}") for name in ("job", "attempt", "stepresult", "event")}}
