"""TaskFlow as a subject: the product's own bulk submit, real Celery workers and beat, everything recorded.

    python bench/taskflow_peer.py MODE N

prints one line of JSON. Modes: `w1`, `w2` (the `http` step), `w2python` (the same call in a `python` step), `trickle`,
`submit`. It finds MariaDB and Redis by MY_PORT and RD_PORT, and makes the database `bench_taskflow` anew.
"""

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from bench.subject import ROOT, Subject, fresh_database, main

DATABASE, REDIS = "bench_taskflow", 7
BULK = 1000
PROCESSES = int(os.environ.get("PROCESSES", "2"))
STEPS = {
    "w1": [
        {"key": key, "kind": "python", "config": {"function": f"bench.{key}"}} for key in ("parse", "compute", "emit")
    ],
    "w2": [{"key": "slow", "kind": "http", "config": {"method": "GET", "url": "SLOW/slow?id={{ payload.id }}"}}],
    "w2python": [{"key": "slow", "kind": "python", "config": {"function": "bench.slow"}}],
}


class TaskFlow(Subject):
    """The product as a team would run it on one machine, with two worker processes."""

    name = "taskflow"
    # Enough that both processes get some: a chunk is 100 jobs.
    warm_jobs = 400
    ready_seconds = 0.0

    def setup(self, mode: str) -> None:
        os.environ.update(self.environment(mode))
        fresh_database(self.places, DATABASE)
        os.chdir(ROOT)
        import django
        import redis

        redis.Redis(port=self.places.redis, db=REDIS).flushdb()
        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        self.make_workflow("w1" if mode in ("trickle", "submit") else mode)
        if mode.startswith("w2"):
            self.warm_jobs = 100

    def environment(self, mode: str) -> dict[str, str]:
        """Return the settings: production's defaults but for where things are, and 50 slots for W2."""
        place = self.places
        return {
            "DJANGO_SETTINGS_MODULE": "taskflow.settings",
            "DATABASE_URL": f"mysql://{place.user}:{place.password}@127.0.0.1:{place.mysql}/{DATABASE}",
            "BROKER_URL": place.redis_url(REDIS),
            "SECRET_KEY": "only-for-benchmarks-" + "0123456789" * 5,
            "VAR_DIR": str(self.folder),
            "HTTPS": "false",
            "STEP_FUNCTION_MODULES": "bench.steps",
            "OUTGOING_HTTP_ALLOW": "127.0.0.1/32",
            "WORKER_PROCESSES": str(PROCESSES),
            "WORKER_SLOTS": str(50 // PROCESSES if mode.startswith("w2") else 10),
        }

    def make_workflow(self, mode: str) -> None:
        """Make the tenant, the queue and the published workflow."""
        from tests.factories import make_queue, make_tenant, make_workflow

        self.tenant = make_tenant("bench")
        make_queue()
        here = f"http://127.0.0.1:{os.environ.get('BENCH_SLOW_PORT', 0)}"
        steps = [
            step | {"config": {key: value.replace("SLOW", here) for key, value in step["config"].items()}}
            for step in STEPS[mode]
        ]
        make_workflow(self.tenant, "bench", steps=steps)

    def start(self, mode: str) -> None:
        from taskflow.programs import PROGRAMS

        self.spawn(*PROGRAMS["worker"]())
        self.spawn(*PROGRAMS["beat"]())

    def submit(self, numbers: Sequence[int], mode: str) -> None:
        # Slow jobs may as well start while the rest is still being sent.
        size = BULK // 10 if mode.startswith("w2") else BULK
        for start in range(0, len(numbers), size):
            self._submit(numbers[start : start + size], mode)

    def submit_one(self, number: int, mode: str) -> None:
        self._submit([number], mode)

    def _submit(self, numbers: Sequence[int], mode: str) -> None:
        from bench.workload import order
        from jobs.domain.submission import NewJob
        from jobs.services.submit import submit_jobs
        from taskflow.lib.clock import utcnow

        slow = mode.startswith("w2")
        requests = [NewJob("bench", {"id": n} if slow else order(n), correlation_id=str(n)) for n in numbers]
        for answer in submit_jobs(tenant_id=self.tenant.pk, requests=requests, now=utcnow()):
            if isinstance(answer, Exception):
                raise answer

    def query(self, sql: str, parameters: Sequence[object] = ()) -> Sequence[tuple[Any, ...]]:
        """Ask the database."""
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall()

    def count_done(self) -> int:
        sql = "SELECT COUNT(*) FROM jobs_job WHERE tenant_id = %s AND state = 'SUCCEEDED'"
        return int(self.query(sql, [self.tenant.pk])[0][0])

    def done_among(self, numbers: Iterable[int]) -> Iterable[int]:
        wanted = [str(number) for number in numbers]
        sql = (
            "SELECT correlation_id FROM jobs_job WHERE tenant_id = %s AND state = 'SUCCEEDED'"
            f" AND correlation_id IN ({', '.join(['%s'] * len(wanted))})"
        )
        return [int(row[0]) for row in self.query(sql, [self.tenant.pk, *wanted])]

    def records(self) -> dict[str, Any]:
        tables = ("job", "attempt", "steprun", "event")
        rows = {name: self.query(f"SELECT COUNT(*) FROM jobs_{name}")[0][0] for name in tables}
        states = dict(self.query("SELECT state, COUNT(*) FROM jobs_job GROUP BY state"))
        return {"rows": rows, "states": states, "processes": PROCESSES}


if __name__ == "__main__":
    main(TaskFlow)
