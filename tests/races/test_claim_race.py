"""Eight worker processes at one queue: every job runs once, and no cap is exceeded at any instant."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from celery import current_app
from django.db import connection

from jobs.domain.states import FINAL, State
from jobs.domain.submission import NewJob
from jobs.models import Job, Queue
from jobs.services.queues import pause_queue, resume_queue
from jobs.services.standings import FEW_LANES
from jobs.services.submit import submit_jobs
from taskflow.lib.clock import utcnow
from tests.chaos import conftest as chaos
from tests.chaos.fleet import Fleet, scaled, wait_for
from tests.chaos.steps import read
from tests.factories import make_lane, make_queue, make_tenant, make_workflow
from tests.history import by_time, check, load, peaks
from workflows.models import Workflow

pytestmark = pytest.mark.timeout(1200)
db, place, env, workers = chaos.db, chaos.place, chaos.env, chaos.workers
PROCESSES = 8
STEPS = [
    {"kind": "python", "config": {"function": "echo"}},
    {"kind": "python", "config": {"function": "chaos.mark", "params": {"seconds": 0.002}}},
]


@pytest.fixture(scope="module")
def eight(workers: Fleet) -> Fleet:
    """A fleet of eight processes that work, and beat."""
    workers.worker(children=PROCESSES)
    workers.beat()
    return workers


def send(queue: Queue, workflows: Sequence[Workflow], jobs: int) -> None:
    """Store `jobs` jobs, spread over the workflows, while nothing may start."""
    pause_queue(queue=queue, actor="test", now=utcnow())
    for number, workflow in enumerate(workflows):
        share = jobs // len(workflows) + (number < jobs % len(workflows))
        for start in range(0, share, 1000):
            requests = [NewJob(workflow.slug, {"text": "x"}) for _ in range(min(1000, share - start))]
            submit_jobs(tenant_id=workflow.tenant_id, requests=requests, now=utcnow())


def let_go(queue: Queue) -> None:
    """Open the queue to all eight at once."""
    resume_queue(queue=queue, actor="test", now=utcnow())
    for _ in range(PROCESSES):
        current_app.send_task("jobs.drain", kwargs={"queue_id": queue.pk}, queue="pool.default")


def all_final(queue: Queue) -> bool:
    return not Job.objects.filter(queue=queue).exclude(state__in=[state.value for state in FINAL]).exists()


def deadlocks() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'")
        row = cursor.fetchone()
    return int(row[1]) if row else 0


def run(eight: Fleet, queue: Queue, workflows: Sequence[Workflow], jobs: int) -> None:
    """Send jobs, let the eight loose, and see that each job ran exactly once."""
    before = deadlocks()
    send(queue, workflows, jobs)
    let_go(queue)
    wait_for(lambda: all_final(queue), within=900, told=lambda: progress(queue) + eight.logs())
    histories = load(queue=queue)
    assert check(histories) == []
    assert [history.row.state for history in histories] == [State.SUCCEEDED] * jobs
    kinds = Counter(line.kind for history in histories for line in history.lines)
    assert kinds == dict.fromkeys(("created", "started", "succeeded"), jobs)
    keys = Counter(mark.key for mark in read(Path(eight.env["CHAOS_LEDGER"])) if mark.what == "begin")
    mine = [keys[f"{uid}:step2:1"] for uid in Job.objects.filter(queue=queue).values_list("uid", flat=True)]
    assert mine == [1] * jobs
    assert [process.name for process in eight.processes if "Traceback" in process.log.read_text()] == []
    print(f"{jobs} jobs, {deadlocks() - before} InnoDB deadlocks")


def progress(queue: Queue) -> str:
    return str(Counter(Job.objects.filter(queue=queue).values_list("state", flat=True)))


def test_eight_processes_run_every_job_once(eight: Fleet) -> None:
    queue = make_queue("open")
    workflows = [make_workflow(make_tenant(), steps=STEPS, queue="open") for _ in range(3)]
    run(eight, queue, workflows, scaled(5000))


def test_eight_processes_run_every_job_of_many_tenants_once(eight: Fleet) -> None:
    """With more lanes than are looked for at each claim, each process goes by what it remembers."""
    queue = make_queue("many")
    workflows = [make_workflow(make_tenant(), steps=STEPS, queue="many") for _ in range(FEW_LANES + 30)]
    run(eight, queue, workflows, scaled(2400))


def test_eight_processes_never_exceed_a_cap(eight: Fleet) -> None:
    queue = make_queue("capped", cap=5)
    workflows = [make_workflow(make_tenant(), steps=STEPS, queue="capped") for _ in range(3)]
    for workflow in workflows:
        make_lane(queue, workflow.tenant, cap=3)
    run(eight, queue, workflows, scaled(5000))
    histories = load(queue=queue)
    for order in (None, by_time):
        how = {} if order is None else {"order": order}
        assert max(peaks(histories, lambda row: row.queue, **how).values()) <= 5, order
        assert max(peaks(histories, lambda row: row.tenant, **how).values()) <= 3, order
    assert peaks(histories, lambda row: row.queue)[queue.pk] == 5, "the cap was never reached: nothing was tried"
