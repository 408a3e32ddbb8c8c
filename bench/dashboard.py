"""Server time of the dashboards with 10,000 and with 1,000,000 jobs on MariaDB, and what counting a job costs.

`DATABASE_URL=mysql://... python -m bench.dashboard [JOBS]` fills a database of its own beside the one given (dropped
first and afterwards), counts the jobs as the background does, asks for each page through Django's test client in this
process, and writes the medians. The last rows are those of a backlog: all the jobs of one more workflow wait.
"""

import os
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlsplit, urlunsplit

import django

from bench import admin_lists
from bench.results import table, write_section

BATCH = 50_000
FEW = 10_000
#: Jobs that get a record of three steps; what counting costs is measured on them.
WITH_STEPS = 50_000
BACKLOG = 200_000

STEPS = """
INSERT INTO jobs_steprun (job_id, position, run_number, attempt, step_key, output, seconds, input_tokens, output_tokens,
  cost, confidence_by, model, finished_at)
SELECT j.id, s.seq, 1, 1, ELT(s.seq + 1, 'extract', 'way', 'post'),
  IF(s.seq = 1, ELT(1 + j.id %% 3, '{"route":"a"}', '{"route":"b"}', '{"route":"c"}'),
    CONCAT('{"text":"', REPEAT('x', 200), '"}')),
  RAND() * 2, 0, 0, 0, '', '', j.created_at
FROM jobs_job j JOIN seq_0_to_2 s WHERE j.id BETWEEN %s AND %s
"""
ROUTE = {"routes": [{"to": name, "when": "true"} for name in "abc"]}
FLOW = [
    {"key": "extract", "kind": "python", "config": {"function": "echo"}},
    {"key": "way", "kind": "route", "config": ROUTE},
    {"key": "post", "kind": "python", "config": {"function": "echo"}},
]


def main(jobs: int) -> None:
    given = urlsplit(os.environ["DATABASE_URL"])
    admin_lists.NAME = "taskflow_bench_dashboard"
    os.environ["DATABASE_URL"] = urlunsplit(given._replace(path=f"/{admin_lists.NAME}"))
    os.environ["DJANGO_SETTINGS_MODULE"] = "taskflow.settings"
    os.environ.setdefault("SECRET_KEY", "bench")
    os.environ["HTTPS"] = "false"
    where = (given.hostname or "127.0.0.1", given.port or 3306, given.username or "", given.password or "")
    from django.conf import settings

    # Files straight from the sources: nothing is collected for a measurement.
    settings.STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    drop = admin_lists.fresh_database(*where)
    django.setup()
    try:
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        rows, notes = run(jobs)
    finally:
        drop()
    head = ["page", "queries", f"{FEW:,} jobs", f"{jobs:,} jobs", "slowest"]
    text = f"Server time in ms (median of {admin_lists.ROUNDS}; the last column is the slowest), "
    text += f"{time.strftime('%Y-%m-%d')}.\n\n{table(head, rows)}\n\n{notes}\n"
    write_section("dashboard", text)
    sys.stdout.write(text)


def run(jobs: int) -> tuple[list[list[object]], str]:
    """Measure with few jobs, then with `jobs`, then with a backlog."""
    world = make_world()
    seed(world, 1, FEW)
    count()
    few = measure(world)
    for first in range(FEW + 1, jobs + 1, BATCH):
        seed(world, first, min(first + BATCH - 1, jobs))
    analyze()
    with_steps = count(until=WITH_STEPS)
    without = count()
    many = measure(world)
    backlog(world)
    waiting = f", with {BACKLOG:,} more that wait"
    held = {name + waiting: times for name, times in measure(world).items() if "ledger" in name}
    rows: list[list[object]] = [
        [name, many[name][2], f"{few[name][0]:.0f}", f"{many[name][0]:.0f}", f"{many[name][1]:.0f}"] for name in many
    ]
    rows += [[name, times[2], "", f"{times[0]:.0f}", f"{times[1]:.0f}"] for name, times in held.items()]
    notes = (
        f"Counting a job in the background takes {with_steps:.0f} µs with the record of three steps, "
        f"{without:.0f} µs without steps."
    )
    return rows, notes


def make_world() -> dict[str, int]:
    """Make tenants and workflows with three steps; returns their ids."""
    from tests.factories import make_version
    from workflows.models import Workflow

    world = admin_lists.make_world()
    for name in ("receipts", "tickets", "other"):
        version = make_version(Workflow.objects.get(pk=world[name]), number=2, steps=FLOW)
        world[f"{name}_version"] = version.pk
    return world


def seed(world: dict[str, int], first: int, last: int) -> None:
    """Make jobs, one every nine seconds up to now, and the records of the first ones."""
    from django.db import connection

    from taskflow.lib.clock import utcnow

    begin = (utcnow() - timedelta(seconds=9 * 1_000_100)).strftime("%Y-%m-%d %H:%M:%S")
    sql = admin_lists.SEED.replace("{first}", str(first)).replace("{last}", str(last)).replace("2026-08-01", begin)
    with connection.cursor() as cursor:
        cursor.execute(sql, world)
        if first <= WITH_STEPS:
            newest = "SELECT MIN(id), MAX(id) FROM (SELECT id FROM jobs_job ORDER BY id DESC LIMIT %s) t"
            cursor.execute(newest, [last - first + 1])
            cursor.execute(STEPS, cursor.fetchone())


def backlog(world: dict[str, int]) -> None:
    """Let many jobs wait for a worker."""
    from django.db import connection

    for first in range(2_000_001, 2_000_001 + BACKLOG, BATCH):
        sql = admin_lists.SEED.replace("{first}", str(first)).replace("{last}", str(first + BATCH - 1))
        sql = sql.replace("'SUCCEEDED','FAILED'", "'PENDING','PENDING'").replace("seq * 9 SECOND", "117 DAY")
        with connection.cursor() as cursor:
            cursor.execute(sql, world)
    count()


def count(until: int | None = None) -> float:
    """Count what is not counted yet, up to about `until` jobs; returns microseconds a job."""
    from jobs.services.figures import count_figures
    from taskflow.lib.clock import utcnow

    start, before = time.perf_counter(), _mark()
    while True:
        was = _mark()
        count_figures(now=utcnow() + timedelta(minutes=1), batches=4)
        if _mark() == was or (until is not None and _mark() >= until):
            break
    return (time.perf_counter() - start) / max(_mark() - before, 1) * 1e6


def _mark() -> int:
    from jobs.models import FigureMark

    return FigureMark.objects.filter(pk=1).values_list("job_id", flat=True).first() or 0


def analyze() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE TABLE jobs_job")


def pages() -> dict[str, str]:
    """Return the pages to ask for, by what they show."""
    page = "/admin/build/receipts/dashboard/"
    return {
        "ledger of a workflow, 24 hours": f"{page}?part=1",
        "ledger of a workflow, all": f"{page}?part=1&period=all",
        "figures of a workflow, 24 hours": f"{page}?part=figures",
        "figures of a workflow, 30 days": f"{page}?part=figures&period=30d",
        "figures of a workflow, all": f"{page}?part=figures&period=all",
        "dashboard of a workflow, 24 hours": page,
        "dashboard of a workflow, 30 days": f"{page}?period=30d",
        "dashboard of a workflow, all": f"{page}?period=all",
        "overview of a tenant, 24 hours (ledger and figures)": "/admin/",
        "overview of a tenant, 30 days": "/admin/?period=30d",
        "overview of a tenant, all (ledger and figures)": "/admin/?period=all",
    }


def measure(world: dict[str, int]) -> dict[str, tuple[float, float, int]]:
    """Return median and slowest milliseconds and the number of queries of each page."""
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.get(pk=world["user"]), backend="django.contrib.auth.backends.ModelBackend")

    def asking(url: str) -> Callable[[], None]:
        def ask() -> None:
            response = client.get(url)
            if response.status_code != 200:
                raise RuntimeError(f"{url}: {response.status_code}")

        return ask

    return {name: admin_lists.timed(asking(url)) for name, url in pages().items()}


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
