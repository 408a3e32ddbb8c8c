"""How long a claim takes over many stored jobs, and with many active tenants.

    python bench/claims.py stored|tenants [SMALLER]

prints one line of JSON with the milliseconds of each. There is a database for each number of jobs or tenants, and they
are measured in turn, so that a slow minute hits all alike. The numbers of jobs are divided by SMALLER.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from bench.subject import fresh_database
from bench.taskflow_peer import TaskFlow

STORED = (1_000, 100_000, 1_000_000, 5_000_000)
TENANTS = (1, 10, 1_000)
STORED_FOR_TENANTS = 250_000
ROUNDS, CLAIMS, WARM_UP = 10, 10, 5
#: What is claimed: (seconds a job is expected to take, free slots). Quick jobs fill a chunk of 100, slow ones go alone.
SHAPES = {"chunk of 100": (0.0002, 10), "one slow job": (2.0, 1)}
# Half of the jobs are due, the other half is finished; the payload is of the size of W1's.
LOAD = """
INSERT INTO jobs_job (
  id, uid, tenant_id, workflow_id, version_id, queue_id, state, priority, due_at, position, attempts, failures, crashes,
  run_number, payload, error_class, correlation_id, traceparent, source, created_at)
SELECT
  seq, CONCAT('01890000-0000-7000-8000-', LPAD(HEX(seq), 12, '0')), %s + (seq DIV 2) MOD %s, %s, %s, %s,
  IF(seq MOD 2, 'SUCCEEDED', 'PENDING'), 100, UTC_TIMESTAMP(6) - INTERVAL (%s - seq) * 100 MICROSECOND, 0, 0, 0, 0,
  1, CONCAT('{"id": ', seq, ', "pad": "', REPEAT('x', 280), '"}'), '', seq, '', '', UTC_TIMESTAMP(6)
FROM seq_1_to_%s
"""
PUT_BACK = "UPDATE jobs_job SET state = 'PENDING', lease_id = NULL, claim_token = NULL, attempts = 0 WHERE id IN "


@dataclass(frozen=True, slots=True)
class Store:
    """A database with stored jobs. `number` is what varies between them."""

    number: int
    database: str
    queue_id: int
    lease_id: int


class Claims(TaskFlow):
    """The product's tables in several databases; no workers run."""

    def databases(self, numbers: Sequence[int]) -> list[str]:
        """Make an empty, migrated database for each number."""
        names = [f"bench_claims_{number}" for number in numbers]
        os.environ.update(self.environment("w1"))
        import django
        from django.core.management import call_command

        django.setup()
        for name in names:
            fresh_database(self.places, name)
            use(name)
            call_command("migrate", verbosity=0)
        return names

    def fill(self, number: int, name: str, *, jobs: int, tenants: int) -> Store:
        """Store jobs of so many tenants, by one statement."""
        from django.db import connection, transaction

        from jobs.services.leases import open_lease
        from tests.factories import make_lane, make_queue, make_tenant, make_workflow

        use(name)
        queue = make_queue()
        with transaction.atomic():
            owners = [make_tenant() for _ in range(tenants)]
            for owner in owners:
                make_lane(queue, owner)
        workflow = make_workflow(owners[0], "bench")
        lease = open_lease(host="bench", pid=1, pool="default", slots=1)
        values = (owners[0].pk, tenants, workflow.pk, workflow.live_version_id, queue.pk, jobs, jobs)
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION unique_checks = 0, foreign_key_checks = 0")
            cursor.execute(LOAD, values)
            cursor.execute("ANALYZE TABLE jobs_job")
        connection.close()
        return Store(number, name, queue.pk, lease.pk)

    def drop(self, names: Sequence[str]) -> None:
        """Remove the databases."""
        import MySQLdb

        with closing(MySQLdb.connect(**self.places.mysql_login())) as connection:
            for name in names:
                connection.cursor().execute(f"DROP DATABASE IF EXISTS {name}")


def use(name: str) -> None:
    """Let Django's connection point to another database."""
    from django.db import connection

    from taskflow.lib.cache import forget_all

    connection.close()
    connection.settings_dict["NAME"] = name
    forget_all()


def time_claims(store: Store, shape: tuple[float, int], count: int) -> list[float]:
    """Claim so many times, and return the seconds each claim took; what was claimed is put back."""
    from django.db import connection

    from jobs.domain.chunks import Room
    from jobs.services.claim import Claimant, claim_jobs
    from taskflow.lib.clock import utcnow

    expected, slots = shape
    claimant = Claimant(store.lease_id, "bench", lambda version, position: expected)
    seconds = []
    for _ in range(count):
        started = time.perf_counter()
        claim = claim_jobs(queue_id=store.queue_id, claimant=claimant, room=Room(slots), now=utcnow())
        seconds.append(time.perf_counter() - started)
        if not claim.jobs:
            raise RuntimeError(f"Nothing could be claimed of {store}.")
        with connection.cursor() as cursor:
            cursor.execute(f"{PUT_BACK} ({', '.join(str(job.id) for job in claim.jobs)})")
    return seconds


def time_all(stores: Sequence[Store]) -> dict[str, dict[int, float]]:
    """Return the median milliseconds of a claim, by shape and number, measured in turn."""
    seconds: dict[tuple[str, int], list[float]] = {}
    for turn in range(ROUNDS):
        for store in stores:
            use(store.database)
            for name, shape in SHAPES.items():
                time_claims(store, shape, WARM_UP if turn == 0 else 1)
                seconds.setdefault((name, store.number), []).extend(time_claims(store, shape, CLAIMS))
    return {
        name: {store.number: round(statistics.median(seconds[name, store.number]) * 1000, 2) for store in stores}
        for name in SHAPES
    }


def main(what: str, smaller: int) -> dict[str, Any]:
    """Measure and return the result line."""
    bench = Claims()
    by_tenants = what == "tenants"
    numbers = TENANTS if by_tenants else tuple(dict.fromkeys(max(number // smaller, 1000) for number in STORED))
    names = [f"bench_claims_{number}" for number in numbers]
    try:
        bench.databases(numbers)
        started = time.time()
        stores = []
        for number, name in zip(numbers, names, strict=True):
            jobs, tenants = (STORED_FOR_TENANTS // smaller, number) if by_tenants else (number, 1)
            stores.append(bench.fill(number, name, jobs=jobs, tenants=tenants))
        loaded = round(time.time() - started, 1)
        meter = bench.meter()
        result = time_all(stores)
        return {"mode": what, "ms": result, "load_seconds": loaded} | meter.since(len(stores) * ROUNDS * CLAIMS * 2)
    finally:
        bench.drop(names)
        bench.close()


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1)))
