"""Server time of the admin's lists with 1,000 and with 1,000,000 jobs on MariaDB, beside Django's own change list.

`DATABASE_URL=mysql://... python -m bench.admin_lists [JOBS]` fills a database of its own beside the one given (dropped
first and afterwards), asks for each page through Django's test client in this process, and writes the medians.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import django

from bench.results import table, write_section

NAME = "taskflow_bench_admin"
ROUNDS = 9
BATCH = 50_000

SEED = """
INSERT INTO jobs_job (uid, tenant_id, workflow_id, version_id, queue_id, state, priority, due_at, position,
  attempts, failures, crashes, run_number, payload, result, error_class, correlation_id, traceparent, source,
  created_at, started_at, finished_at)
SELECT UUID(), IF(seq %% 20 = 0, %(other_tenant)s, %(tenant)s),
  IF(seq %% 20 = 0, %(other)s, IF(seq %% 4 = 0, %(tickets)s, %(receipts)s)),
  IF(seq %% 20 = 0, %(other_version)s, IF(seq %% 4 = 0, %(tickets_version)s, %(receipts_version)s)),
  IF(seq %% 1000 = 7, %(rare_queue)s, %(queue)s),
  ELT(1 + (seq %% 1000 >= 970) + (seq %% 1000 >= 980) + (seq %% 1000 >= 985) + (seq %% 1000 >= 990)
    + (seq %% 1000 >= 996) + (seq %% 100000 = 99999), 'SUCCEEDED','FAILED', 'DEAD', 'CANCELLED', 'PENDING', 'SCHEDULED',
    'WAITING'),
  100, at, 3, 1, 0, 0, 1,
  CONCAT('{"text":"TAX INVOICE NO ', seq, ' DATE 15/01/2019 TOTAL 193.00 ', REPEAT('x', 400), '"}'),
  IF(seq %% 1000 < 970,
    CONCAT('{"company":"Company ', seq %% 977, '","date":"2019-01-15","total":', seq %% 1000, '.5}'), NULL),
  '', CONCAT('c-', seq), '', 'bench', at, at, IF(seq %% 1000 < 990, at, NULL)
FROM (SELECT seq, '2026-08-01' + INTERVAL seq * 9 SECOND AS at FROM seq_{first}_to_{last}) numbers
"""


def main(jobs: int) -> None:
    given = urlsplit(os.environ["DATABASE_URL"])
    os.environ["DATABASE_URL"] = urlunsplit(given._replace(path=f"/{NAME}"))
    os.environ["DJANGO_SETTINGS_MODULE"] = "taskflow.settings"
    os.environ.setdefault("SECRET_KEY", "bench")
    os.environ["HTTPS"] = "false"
    drop = fresh_database(given.hostname or "127.0.0.1", given.port or 3306, given.username or "", given.password or "")
    django.setup()
    try:
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        rows = run(jobs)
    finally:
        drop()
    head = ["page", "queries", f"{min(1000, jobs):,} jobs", f"{jobs:,} jobs", "slowest"]
    text = f"Server time in ms (median of {ROUNDS}; the last column is the slowest), {time.strftime('%Y-%m-%d')}.\n\n"
    write_section("admin", text + table(head, rows))
    sys.stdout.write(table(head, rows) + "\n")


def fresh_database(host: str, port: int, user: str, password: str) -> Callable[[], None]:
    """Make an empty database; returns what drops it."""
    import MySQLdb

    def execute(*statements: str) -> None:
        connection = MySQLdb.connect(host=host, port=port, user=user, password=password)
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        connection.close()

    execute(f"DROP DATABASE IF EXISTS {NAME}", f"CREATE DATABASE {NAME} CHARACTER SET utf8mb4")
    return lambda: execute(f"DROP DATABASE IF EXISTS {NAME}")


def run(jobs: int) -> list[list[object]]:
    """Measure every page with a thousand jobs, then with `jobs`."""
    world = make_world()
    seed(world, 1, min(1000, jobs))
    few = measure(world)
    for first in range(1001, jobs + 1, BATCH):
        seed(world, first, min(first + BATCH - 1, jobs))
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE TABLE jobs_job")
    many = measure(world)
    return [
        [name, many[name][2], f"{few[name][0]:.0f}", f"{many[name][0]:.0f}", f"{many[name][1]:.0f}"] for name in many
    ]


def make_world() -> dict[str, int]:
    """Make tenants, workflows, queues and a user; returns their ids."""
    from tests.browser.scene import RECEIPT_FIELDS
    from tests.factories import make_cast, make_queue, make_workflow

    acme, globex = make_cast("acme"), make_cast("globex")
    world = {"tenant": acme.tenant.pk, "other_tenant": globex.tenant.pk, "user": acme.operator.pk}
    for name, tenant in (("receipts", acme.tenant), ("tickets", acme.tenant), ("other", globex.tenant)):
        workflow = make_workflow(tenant, name, version={"fields": RECEIPT_FIELDS}, label_plural=name.title())
        world |= {name: workflow.pk, f"{name}_version": workflow.live_version_id or 0}
    return world | {"queue": make_queue("default").pk, "rare_queue": make_queue("express").pk}


def seed(world: dict[str, int], first: int, last: int) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(SEED.replace("{first}", str(first)).replace("{last}", str(last)), world)


def pages(world: dict[str, int]) -> dict[str, str]:
    """Return the pages to ask for, by what they show."""
    from jobs.models import Job

    middle = Job.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    correlation, job = (
        Job.objects.filter(workflow=world["receipts"], pk__lte=max(middle // 2, 3))
        .values_list("correlation_id", "uid")
        .order_by("-pk")[0]
    )
    of = "/admin/jobs/job/of/receipts/"
    return {
        "overview": "/admin/",
        "one workflow, newest": of,
        "one workflow, page in the middle": f"{of}?before={middle // 2}",
        "one workflow, last page": f"{of}?before=60",
        "one workflow, failed": f"{of}?state=failed",
        "one workflow, failed or dead (needs attention)": f"{of}?state=attention",
        "one workflow, a state nobody is in": f"{of}?state=running",
        "one workflow, a rare queue": f"{of}?queue=express",
        "one workflow, a rare queue and dead": f"{of}?queue=express&state=dead",
        "one workflow, one day": f"{of}?from=2026-08-01&to=2026-08-01",
        "one workflow, waiting, of three months": f"{of}?state=waiting&from=2026-08-01&to=2026-10-31",
        "all jobs, newest": "/admin/jobs/job/",
        "all jobs, page in the middle": f"/admin/jobs/job/?before={middle // 2}",
        "all jobs, cancelled": "/admin/jobs/job/?state=cancelled",
        "all jobs, by correlation id": f"/admin/jobs/job/?q={correlation}",
        "one job": f"/admin/jobs/job/{job}/change/",
        "queues": "/admin/jobs/queue/",
    }


def measure(world: dict[str, int]) -> dict[str, tuple[float, float, int]]:
    """Return median and slowest milliseconds and the number of queries of each page, and of Django's own list."""
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.get(pk=world["user"]), backend="django.contrib.auth.backends.ModelBackend")
    measured = {}
    for name, url in pages(world).items():

        def ask(url: str = url) -> None:
            response = client.get(url)
            if response.status_code != 200:
                raise RuntimeError(f"{url}: {response.status_code}")

        measured[name] = timed(ask)
    measured["beside: Django's own change list of all jobs"] = timed(stock_change_list())
    return measured


def timed(ask: Callable[[], None]) -> tuple[float, float, int]:
    from django.db import connection

    statements: list[str] = []

    def note(execute: Any, sql: str, *rest: Any) -> Any:
        statements.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(note):
        ask()
    took = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        ask()
        took.append((time.perf_counter() - start) * 1000)
    return statistics.median(took), max(took), len(statements)


def stock_change_list() -> Callable[[], None]:
    """Return a request for what `ModelAdmin` shows without any work of ours.

    Without the queue's name: joined in, MariaDB sorts a million whole rows on disk, which did not end in three minutes.
    """
    from django.contrib.admin import AdminSite, ModelAdmin
    from django.contrib.auth.models import User
    from django.test import RequestFactory

    from jobs.models import Job

    site = AdminSite(name="admin")
    site.register(
        Job, ModelAdmin, list_display=("uid", "state", "created_at"), list_filter=("state",), list_per_page=50
    )
    page = site.get_model_admin(Job)
    root = User(username="root", is_superuser=True, is_staff=True, is_active=True)

    def ask() -> None:
        request = RequestFactory(SERVER_NAME="localhost").get("/admin/jobs/job/")
        request.user = root
        page.changelist_view(request).render()

    return ask


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
