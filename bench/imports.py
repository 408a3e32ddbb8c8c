"""How fast an uploaded list becomes stored jobs, on MariaDB, and how much memory that takes.

    python -m bench.imports [--rows 100000]

Starts a private MariaDB that flushes its log at every commit. Writes the section `imports` of bench/RESULTS.md.
"""

import argparse
import csv
import os
import resource
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.environment import machine
from bench.results import table, write_section
from bench.servers import DurableMariaDb
from tests.servers import running, temporary_folder

FIELDS = [
    {"key": "text", "label": "Question", "required": True},
    {"key": "customer"},
    {"key": "total", "type": "number"},
    {"key": "sent", "type": "date"},
]
HEADING = ["Number", "Question", "Customer", "Total", "Sent"]
CHUNK = 1_000


def row(number: int) -> list[Any]:
    """Return a row of about 120 characters; every thousandth is wrong."""
    total = "a lot" if number % 1_000 == 999 else f"{number % 9_000}.50"
    words = f"Question {number}: when will the order arrive that I sent for last week?"
    return [number, words, f"Customer {number % 5_000}", total, f"{number % 28 + 1:02d}.03.2026"]


def as_csv(folder: Path, rows: int) -> Path:
    path = folder / "list.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(HEADING)
        writer.writerows(map(row, range(rows)))
    return path


def as_xlsx(folder: Path, rows: int) -> Path:
    from openpyxl import Workbook

    path, book = folder / "list.xlsx", Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.append(HEADING)
    for number in range(rows):
        sheet.append(row(number))
    book.save(path)
    return path


def as_jsonl(folder: Path, rows: int) -> Path:
    from taskflow.lib.fields import dump_json

    path = folder / "list.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            file.write(dump_json(dict(zip(HEADING, row(number), strict=True))) + "\n")
    return path


def memory() -> float:
    """Return the most memory this process ever had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(workflow: Any, path: Path) -> tuple[float, Any]:
    """Import a file as a worker does; returns the seconds, and the import."""
    from jobs.models import ListImport
    from jobs.runtime.intake import run_list_import
    from jobs.services.intake import receive_list, start_import
    from taskflow.lib.clock import utcnow

    started = time.perf_counter()
    with path.open("rb") as file:
        found = receive_list(
            workflow=workflow, file=file, filename=path.name, size=path.stat().st_size, actor="bench", now=utcnow()
        )
    start_import(list_import=found, now=utcnow(), mapping=dict(zip(HEADING, KEYS, strict=True)), key_column="Number")
    while True:
        run_list_import(found.pk)
        found = ListImport.objects.get(pk=found.pk)
        if found.finished_at is not None:
            return time.perf_counter() - started, found


KEYS = ("number", "text", "customer", "total", "sent")


def floor(workflow: Any, rows: int) -> float:
    """Store the same payloads by the bulk call alone; returns the seconds."""
    from jobs.domain.submission import NewJob
    from jobs.services.submit import submit_jobs
    from taskflow.lib.clock import utcnow

    started = time.perf_counter()
    for begin in range(0, rows, CHUNK):
        numbers = range(begin, begin + CHUNK)
        payloads = [dict(zip(KEYS, [str(number), *row(0)[1:3], 5.5, "2026-03-01"], strict=True)) for number in numbers]
        requests = [NewJob(workflow=workflow.slug, payload=payload) for payload in payloads]
        submit_jobs(tenant_id=workflow.tenant_id, requests=requests, now=utcnow())
    return time.perf_counter() - started


def measure(rows: int, folder: Path) -> str:
    """Measure every kind of list, and return the Markdown."""
    from tests.factories import make_queue, make_tenant, make_workflow

    make_queue()
    tenant = make_tenant("bench")
    flow: Callable[[str], Any] = lambda slug: make_workflow(tenant, slug, version={"fields": FIELDS})  # noqa: E731
    lines = []
    alone = floor(flow("floor"), rows)
    lines.append(["the bulk call alone, no file", f"{rows:,}", f"{rows / alone:,.0f}", "", "", "", f"{memory():,.0f}"])
    for title, make in (("CSV", as_csv), ("CSV again", as_csv), ("JSON lines", as_jsonl), ("Excel", as_xlsx)):
        slug = title.split()[0].lower()
        workflow = tenant.workflows.filter(slug=slug).first() or flow(slug)
        seconds, found = run(workflow, make(folder, rows))
        counts = [f"{found.made:,}", f"{found.already:,}", found.wrong]
        lines.append([title, f"{found.seen:,}", f"{found.seen / seconds:,.0f}", *counts, f"{memory():,.0f}"])
    headings = ["list", "rows", "rows/s", "made", "already there", "wrong", "most memory so far, MiB"]
    return f"""{machine()}

A list of {rows:,} rows of about 120 characters in five columns (a number, a date and a key column among them), every
thousandth wrong, from the upload to the last stored job with its event, by one process; goal: 2,000 rows/s. "Again"
is the same list once more. Memory is the most that the process had until then.

{table(headings, lines)}
"""


def main() -> None:
    """Measure, print the report and keep it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows
    with ExitStack() as stack:
        base, folder = stack.enter_context(temporary_folder()), stack.enter_context(tempfile.TemporaryDirectory())
        server = stack.enter_context(running(DurableMariaDb(base / "mariadb")))
        os.environ |= {
            "DATABASE_URL": server.url(),
            "DJANGO_SETTINGS_MODULE": "taskflow.settings",
            "VAR_DIR": folder,
            "SECRET_KEY": "only-for-measuring-" + "0123456789" * 5,
            "STEP_FUNCTION_MODULES": "tests.steps",
            "LOG_LEVEL": "ERROR",
            "MAX_LIST_BYTES": str(1024**3),
        }
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        report = f"`python -m bench.imports`. {measure(rows, Path(folder))}"
    write_section("imports", report)
    print(report)


if __name__ == "__main__":
    main()
