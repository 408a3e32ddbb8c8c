"""Server time of a workflow's list by what its jobs hold, with 1,000,000 jobs on MariaDB, beside the list of all.

`DATABASE_URL=mysql://... python -m bench.views [JOBS]` fills a database of its own beside the one given (dropped first
and afterwards), asks for each page through Django's test client in this process, and writes median and 95th percentile.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit
from zoneinfo import ZoneInfo

import django

from bench.admin_lists import BATCH, fresh_database
from bench.results import table, write_section

NAME = "taskflow_bench_admin"
ROUNDS = 20
LIMIT_MS = 500
MEASURED = 20_000
FIELDS = [
    {"key": "text", "required": True},
    {"key": "label", "role": "output", "in_list": True},
    {"key": "customer", "role": "output", "in_list": True},
    {"key": "total", "type": "number", "role": "output", "in_list": True},
    {"key": "language", "role": "output", "in_list": True},
    {"key": "channel", "role": "output", "in_list": True},
]
#: 0.002 % of the jobs are a complaint, 30 % a refund; half are in English; totals and customers are spread evenly.
SEED = """
INSERT INTO jobs_job (uid, tenant_id, workflow_id, version_id, queue_id, state, priority, due_at, position,
  attempts, failures, crashes, run_number, payload, result, error_class, correlation_id, traceparent, source,
  created_at, started_at, finished_at)
SELECT UUID(), %(tenant)s, %(workflow)s, %(version)s, %(queue)s,
  ELT(1 + (seq %% 1000 >= 970) + (seq %% 1000 >= 985) + (seq %% 1000 >= 995), 'SUCCEEDED','FAILED', 'DEAD', 'PENDING'),
  100, at, 3, 1, 0, 0, 1, CONCAT('{"text":"', REPEAT('x', 400), '"}'),
  CONCAT('{"label":"', IF(seq %% 50000 = 17, 'complaint', IF(CRC32(seq) %% 10 < 3, 'refund', IF(CRC32(seq) %% 10 < 6,
    'question', 'other'))), '","customer":"C', CRC32(CONCAT('c', seq)) %% 100000, '","total":',
    (CRC32(CONCAT('t', seq)) %% 1000000) / 100, ',"language":"', IF(CRC32(CONCAT('l', seq)) %% 2, 'en', 'de'),
    '","channel":"', IF(CRC32(seq) %% 10 < 3, 'mail', 'chat'), '"}'),
  '', CONCAT('c-', seq), '', 'bench', at, at, at
FROM (SELECT seq, '2026-01-01' + INTERVAL seq SECOND AS at FROM seq_{first}_to_{last}) numbers
"""


def main(jobs: int) -> None:
    given = urlsplit(os.environ["DATABASE_URL"])
    os.environ["DATABASE_URL"] = urlunsplit(given._replace(path=f"/{NAME}"))
    os.environ["DJANGO_SETTINGS_MODULE"] = "taskflow.settings"
    os.environ.setdefault("SECRET_KEY", "bench")
    os.environ["HTTPS"] = "false"
    drop = fresh_database(given.hostname or "127.0.0.1", given.port or 3306, given.username or "", given.password or "")
    from django.conf import settings

    # Files straight from the sources: nothing need be collected for a measurement.
    settings.STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    django.setup()
    try:
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        world = make_world()
        filled = fill(world, jobs)
        rows = measure(world)
        export = measure_export(world)
    finally:
        drop()
    head = ["page", "queries", "p50 ms", "p95 ms", "times the list of all"]
    text = (
        f"{jobs:,} jobs of one workflow, five indexed fields; server time in ms of {ROUNDS} requests,"
        f" {time.strftime('%Y-%m-%d')}. Goal: {LIMIT_MS} ms each. {filled} {export}\n\n"
    )
    write_section("views", text + table(head, rows))
    sys.stdout.write(text + table(head, rows) + "\n")


def make_world() -> dict[str, int]:
    """Make a tenant, a workflow with its index, a queue and a user; returns their ids."""
    from tests.factories import make_cast, make_queue, make_workflow

    acme = make_cast("acme")
    workflow = make_workflow(acme.tenant, "tickets", version={"fields": FIELDS}, label_plural="Tickets")
    version = workflow.live_version_id or 0
    world = {"tenant": acme.tenant.pk, "user": acme.operator.pk, "workflow": workflow.pk, "version": version}
    return world | {"queue": make_queue("default").pk}


def fill(world: dict[str, int], jobs: int) -> str:
    """Make the jobs and their values; says how fast a new field is filled, measured on the first of them."""
    from django.db import connection

    measured = min(jobs, MEASURED)
    with connection.cursor() as cursor:
        cursor.execute(SEED.replace("{first}", "1").replace("{last}", str(measured)), world)
        start = time.perf_counter()
        fields = index(world)
        took = time.perf_counter() - start
        for first in range(measured + 1, jobs + 1, BATCH):
            last = min(first + BATCH - 1, jobs)
            cursor.execute(SEED.replace("{first}", str(first)).replace("{last}", str(last)), world)
        store_rest()
        cursor.execute("ANALYZE TABLE jobs_job, jobs_jobvalue")
    return f"Indexing what was there: {measured * fields / took:,.0f} values/s by one process."


def index(world: dict[str, int]) -> int:
    """Have the workflow's fields indexed as they are when a view newly asks for them; returns how many there are."""
    from jobs.models import IndexedField
    from jobs.services.indexing import SETTLE, sync_fields, take_field, work_field
    from taskflow.lib.clock import utcnow
    from workflows.models import Workflow

    sync_fields(workflow=Workflow.objects.get(pk=world["workflow"]), now=utcnow() - SETTLE * 2)
    rows = list(IndexedField.objects.all())
    for row in rows:
        held = take_field(field_id=row.pk, now=utcnow())
        while held is not None and work_field(field=held, now=utcnow()):
            pass
    return len(rows)


def store_rest() -> None:
    """Write the values of the jobs that have none, many in a statement."""
    from django.db import transaction
    from django.db.models import Max

    from jobs.domain.values import encode
    from jobs.models import IndexedField, Job, JobValue
    from jobs.services.values import COLUMNS
    from taskflow.lib.db import insert_rows

    keys = [(row.pk, row.path.removeprefix("result.")) for row in IndexedField.objects.order_by("pk")]
    done = JobValue.objects.aggregate(last=Max("job_id"))["last"] or 0
    while jobs := list(Job.objects.filter(pk__gt=done).order_by("pk").values_list("pk", "result")[:10_000]):
        rows = [(pk, field, encode(result.get(key))) for pk, result in jobs for field, key in keys]
        with transaction.atomic():
            insert_rows(JobValue, COLUMNS, rows)
        done = jobs[-1][0]


def pages(world: dict[str, int]) -> dict[str, str]:
    """Return the pages to ask for, by what they show."""
    of = "/admin/jobs/job/of/tickets/?"
    common, largest = "result.label=refund", "result.total:gte=5000&result.total:lt=7000&sort=-result.total"
    return {
        "the list of all": of,
        "a rare value (20 jobs)": f"{of}result.label=complaint",
        "a common value (30 %)": f"{of}{common}",
        "a common value, page 1,000 deep": f"{of}{common}&before={deep(world)}",
        "two common values (30 % and 50 %)": f"{of}{common}&result.language=en",
        "a common value and a rare one of another field": f"{of}{common}&result.customer=C77",
        "two common values that no job has together (30 % and 70 %)": f"{of}{common}&result.channel=chat",
        "a common value, failed or dead (needs attention)": f"{of}{common}&state=attention",
        "a common value, a state nobody is in": f"{of}{common}&state=waiting",
        "a range of numbers (20 %)": f"{of}result.total:gte=5000&result.total:lt=7000",
        "a range of numbers (0.1 %)": f"{of}result.total:gte=9990",
        "a range of numbers, sorted": f"{of}{largest}",
        "a range of numbers, sorted, page 1,000 deep": f"{of}{largest}&before={deep_sorted(world)}",
        "a range of numbers, sorted, and a common value": f"{of}{largest}&{common}",
        "sorted, and a rare value": f"{of}sort=result.total&result.label=complaint",
        "is not a common value": f"{of}result.label:not=refund",
        "is one of two": f"{of}result.label:in=refund,question",
        "is empty (none is)": f"{of}result.label:empty=true",
        "contains (looks through 50,000)": f"{of}result.customer:contains=nothing-like-it",
        "counts per value": f"{of}count=result.label",
        "counts per value, and a common value": f"{of}count=result.language&{common}",
        "counts per value of a field with 100,000 values": f"{of}count=result.customer",
    }


def deep(world: dict[str, int]) -> int:
    """Return the id of a job behind a thousand pages of the common value."""
    from zoneinfo import ZoneInfo

    from jobs.domain.job_filter import JobFilter
    from jobs.domain.view_filter import compile_filter
    from jobs.queries.value_pages import Finder, Place, Q

    wanted = (compile_filter("result.label", "is", "refund", ZoneInfo("UTC")),)
    finder = Finder(world["tenant"], JobFilter(workflow_id=world["workflow"], values=wanted), Q())
    place: Place | None = None
    for _ in range(10):
        place = (finder.find(place, onwards=True, size=5_000) or [place])[-1]
    return place.job_id if place else 1


def deep_sorted(world: dict[str, int]) -> str:
    from django.db.models import Q

    from jobs.admin.view_state import encode_place
    from jobs.domain.job_filter import JobFilter
    from jobs.queries.value_pages import Finder, Place, Sort

    finder = Finder(world["tenant"], JobFilter(workflow_id=world["workflow"]), Q(), sort=Sort("result.total", True))
    place: Place | None = None
    for _ in range(10):
        place = (finder.find(place, onwards=True, size=38_000) or [place])[-1]
    return encode_place(place) if place else ""


def measure(world: dict[str, int]) -> list[list[object]]:
    """Return the row of each page: queries, median, 95th percentile, and the ratio to the list of all."""
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.get(pk=world["user"]), backend="django.contrib.auth.backends.ModelBackend")
    rows: list[list[object]] = []
    beside = 0.0
    for name, url in pages(world).items():

        def ask(url: str = url) -> None:
            response = client.get(url)
            if response.status_code != 200:
                raise RuntimeError(f"{url}: {response.status_code}")

        took, queries = timed(ask)
        middle = statistics.median(took)
        beside = beside or middle
        late = sorted(took)[int(len(took) * 0.95)]
        rows.append([name, queries, f"{middle:.0f}", f"{late:.0f}", f"{middle / beside:.1f}"])
    return rows


def timed(ask: Callable[[], None]) -> tuple[list[float], int]:
    """Return how many milliseconds each request took, and how many statements one needs."""
    from django.db import connection

    statements: list[str] = []

    def note(execute: object, sql: str, *rest: object) -> object:
        statements.append(sql)
        return execute(sql, *rest)  # type: ignore[operator]

    with connection.execute_wrapper(note):
        ask()
    took = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        ask()
        took.append((time.perf_counter() - start) * 1000)
    return took, len(statements)


def measure_export(world: dict[str, int]) -> str:
    """Export half a million rows as CSV in this process, and say how fast that was and what memory it took."""
    import resource

    from django.contrib.auth.models import User

    from jobs.domain.job_filter import JobFilter
    from jobs.domain.view_filter import compile_filter
    from jobs.domain.view_spec import ViewColumn, ViewSpec
    from jobs.models import JobExport
    from jobs.runtime.exports import run_export
    from jobs.services.exports import start_export
    from taskflow.lib.clock import utcnow
    from workflows.models import Workflow

    told = []
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for form, value in (("csv", "en"), ("xlsx", "de")):
        paths = ("result.label", "result.customer", "result.total", "job.created", "job.duration")
        export = start_export(
            workflow=Workflow.objects.get(pk=world["workflow"]),
            name="bench",
            spec=ViewSpec(columns=tuple(ViewColumn(path=path) for path in paths)),
            wanted=JobFilter(
                workflow_id=world["workflow"],
                values=(compile_filter("result.language", "is", value, ZoneInfo("UTC")),),
            ),
            form=form,
            actor="bench",
            now=utcnow(),
            user=User.objects.get(pk=world["user"]),
        )
        start = time.perf_counter()
        run_export(export.pk, slice_seconds=3_600)
        took = time.perf_counter() - start
        done = JobExport.objects.get(pk=export.pk)
        told.append(f"{done.rows:,} rows as {form.upper()}: {done.rows / took:,.0f} rows/s, {done.size / 1e6:.0f} MB")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return f"Export by one process: {'; '.join(told)}; its memory grew by {grown:.0f} MiB at most."


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
