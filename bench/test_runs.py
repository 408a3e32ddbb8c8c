"""How long a test of a draft over 1,000 samples takes on MariaDB, alone and beside live jobs of two other tenants.

    python -m bench.test_runs [--samples 1000] [--jobs 3000]

Two worker processes run what is there in turn: live jobs by drains, the test by slices. Starts a private MariaDB that
flushes its log at every commit. Prints Markdown.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from typing import Any

from bench.environment import machine
from bench.results import table
from bench.servers import DurableMariaDb
from tests.servers import running, temporary_folder

WORKERS, SLOTS = 2, 4
#: Steps of rules, and one that takes as long as a quick call.
QUICK = {"kind": "transform", "config": {"fields": [{"name": "team", "template": "{{ payload.text|upper }}"}]}}
SLOW = {"kind": "python", "config": {"function": "sleep", "params": {"seconds": 0.01}}}


def work() -> None:
    """Run live jobs and the test in turn until the process is ended."""
    from jobs.models import Job, Queue, Trial
    from jobs.runtime.drain import Drain
    from jobs.runtime.process import WorkerProcess
    from jobs.runtime.trials import run_trial
    from taskflow.lib.clock import utcnow

    process, queue = WorkerProcess(pool="default", slots=SLOTS), Queue.objects.get(slug="default")
    process.start_heartbeat()
    while True:
        due = Trial.objects.filter(state="running", worked_at=None, due_at__lte=utcnow()).values_list("pk", flat=True)
        for pk in due:
            run_trial(pk, lease_id=process.lease.pk, slots=SLOTS)
        if Job.objects.filter(state="PENDING").exists():
            Drain(process, queue.pk).run()
        else:
            time.sleep(0.02)


def start_test(samples: int, step: dict[str, Any]) -> Any:
    """Make a workflow with samples, and start a test of its draft."""
    from jobs.services.trials import start_trial
    from taskflow.lib.clock import utcnow
    from tests.factories import make_workflow
    from workflows.models import Sample

    workflow = make_workflow(steps=[step, step | {"key": "again"}])
    rows = [Sample(workflow=workflow, input={"text": f"Question {number}"}) for number in range(samples)]
    Sample.objects.bulk_create(rows)
    return start_trial(workflow=workflow, samples=list(workflow.samples.all()), user=None, now=utcnow())


def send_jobs(tenants: int, jobs: int, step: dict[str, Any]) -> None:
    """Send jobs of several tenants."""
    from jobs.domain.submission import NewJob
    from jobs.services.submit import submit_jobs
    from taskflow.lib.clock import utcnow
    from tests.factories import make_workflow

    for _ in range(tenants):
        workflow = make_workflow(steps=[step])
        requests = [NewJob(workflow=workflow.slug, payload={"text": "x"}) for _ in range(jobs)]
        submit_jobs(tenant_id=workflow.tenant_id, requests=requests, now=utcnow())


def watch(trial: Any, total: int) -> tuple[float | None, float | None]:
    """Wait until the test and the jobs are through; returns the seconds of each, None for what there is not."""
    from jobs.models import Job

    started, tested, worked = time.perf_counter(), None, None
    while (trial is not None and tested is None) or (total and worked is None):
        time.sleep(0.05)
        now = time.perf_counter() - started
        if trial is not None and tested is None:
            trial.refresh_from_db()
            tested = now if trial.is_over else None
        if total and worked is None and not Job.objects.exclude(state="SUCCEEDED").exists():
            worked = now
    return tested, worked


def measure(samples: int, jobs: int) -> str:
    """Measure each case with fresh workers, and return the Markdown."""
    from jobs.models import Job
    from tests.factories import make_queue

    make_queue()
    lines = []
    command = [sys.executable, "-m", "bench.test_runs", "--work"]
    cases = [
        ("rules, alone", QUICK, samples, 0),
        ("10 ms a step, alone", SLOW, samples, 0),
        ("no test, jobs of two tenants", SLOW, 0, jobs),
        ("10 ms a step, beside jobs of two tenants", SLOW, samples, jobs),
    ]
    for title, step, wanted, live in cases:
        Job.objects.all().delete()
        workers = [subprocess.Popen(command) for _ in range(WORKERS)]
        try:
            time.sleep(3)
            if live:
                send_jobs(2, live // 2, step)
            tested, worked = watch(start_test(wanted, step) if wanted else None, live)
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()
        lines.append([title, *_rates(wanted, tested), *_rates(live, worked)])
    headings = ["case", "samples", "test, s", "samples/s", "jobs", "jobs, s", "jobs/s"]
    return f"{machine()}\n\n{WORKERS} workers with {SLOTS} slots.\n\n{table(headings, lines)}\n"


def _rates(count: int, seconds: float | None) -> list[str]:
    return ["", "", ""] if seconds is None else [f"{count:,}", f"{seconds:.1f}", f"{count / seconds:,.0f}"]


def main() -> None:
    """Measure, and print the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=3000)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    import django

    if wanted.work:
        django.setup()
        work()
    with ExitStack() as stack:
        base, folder = stack.enter_context(temporary_folder()), stack.enter_context(tempfile.TemporaryDirectory())
        server = stack.enter_context(running(DurableMariaDb(base / "mariadb")))
        os.environ |= {
            "DATABASE_URL": server.url(),
            "BROKER_URL": "filesystem://",
            "DJANGO_SETTINGS_MODULE": "taskflow.settings",
            "VAR_DIR": folder,
            "SECRET_KEY": "only-for-measuring-" + "0123456789" * 5,
            "STEP_FUNCTION_MODULES": "tests.steps",
            "LOG_LEVEL": "ERROR",
        }
        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        sys.stdout.write(measure(wanted.samples, wanted.jobs))


if __name__ == "__main__":
    main()
