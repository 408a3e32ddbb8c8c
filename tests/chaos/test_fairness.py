"""Fairness among tenants on a real fleet, by ratios of what was measured in the same test."""

import statistics
from datetime import datetime

import pytest
from django.db.models import Max, Min, Sum

from jobs.domain.chunks import CHUNK_SECONDS
from jobs.domain.states import State
from jobs.domain.submission import NewJob
from jobs.models import Event, Job, Queue, StepRun
from jobs.services.queues import pause_queue, resume_queue
from jobs.services.submit import submit_jobs
from taskflow.lib.clock import utcnow
from tests.chaos.fleet import Fleet, Process, scaled, wait_for
from tests.factories import make_lane, make_queue, make_tenant, make_workflow
from tests.history import check, load
from workflows.models import Workflow

pytestmark = pytest.mark.timeout(1200)
ECHO = {"kind": "python", "config": {"function": "echo"}}
SLEEP = {"kind": "python", "config": {"function": "sleep"}}
GUESTS = 20


@pytest.fixture(scope="module")
def worker(workers: Fleet) -> Process:
    workers.beat()
    return workers.worker(children=2, WORKER_SLOTS="4")


def workflow_of(queue: Queue, *steps: dict[str, object]) -> Workflow:
    return make_workflow(make_tenant(), steps=steps, queue=queue.slug)


def send(workflow: Workflow, count: int, **payload: object) -> list[Job]:
    found: list[Job] = []
    for start in range(0, count, 1000):
        requests = [NewJob(workflow.slug, {"text": "x"} | payload) for _ in range(min(1000, count - start))]
        stored = submit_jobs(tenant_id=workflow.tenant_id, requests=requests, now=utcnow())
        found += [job for job in stored if isinstance(job, Job)]
    return found


def finish(workers: Fleet, **jobs: object) -> None:
    unfinished = Job.objects.filter(**jobs).exclude(state=State.SUCCEEDED)
    wait_for(lambda: not unfinished.exists(), within=600, told=lambda: f"{unfinished.count()} left {workers.logs()}")


def median_wait(jobs: list[Job]) -> float:
    """Return the median of the seconds from submit to start."""
    started = Event.objects.filter(job__in=jobs, kind="started").values_list("job__created_at", "at")
    assert len(started) == len(jobs)
    return statistics.median((at - created).total_seconds() for created, at in started)


def test_a_newcomer_hardly_waits_behind_a_backlog(workers: Fleet, worker: Process) -> None:
    """Tenant A has 20,000 jobs due (at full size), B sends 20, and then 20 again."""
    queue = make_queue("shared")
    a, b = workflow_of(queue, ECHO, ECHO, ECHO), workflow_of(queue, ECHO, ECHO, ECHO)
    for workflow in (a, b):
        send(workflow, GUESTS)
        finish(workers, queue=queue)
    idle = []
    for _ in range(5):
        jobs = send(b, GUESTS)
        finish(workers, queue=queue)
        idle.append(median_wait(jobs))
    pause_queue(queue=queue, actor="test", now=utcnow())
    size = max(scaled(20_000), 5_000)
    send(a, size)
    resume_queue(queue=queue, actor="test", now=utcnow())
    backlog = Job.objects.filter(queue=queue, tenant=a.tenant, state=State.PENDING)
    wait_for(lambda: Job.objects.filter(queue=queue, state=State.RUNNING).exists(), told=workers.logs)
    busy = []
    for _ in range(3):
        # A quick machine would be through with it before the guests of the last round are.
        send(a, size - backlog.count())
        jobs = send(b, GUESTS)
        wait_for(lambda j=jobs: not Job.objects.filter(pk__in=[x.pk for x in j], state=State.PENDING).exists())
        assert backlog.exists(), "the backlog was done before the guests: nothing was tried"
        busy.append(median_wait(jobs))
    print(
        f"median wait in seconds: idle {[round(x, 3) for x in idle]}, behind the backlog {[round(x, 3) for x in busy]}"
    )
    assert statistics.median(busy) <= 2 * statistics.median(idle) + CHUNK_SECONDS
    finish(workers, queue=queue)
    assert check(load(queue=queue, tenant=b.tenant)) == []


@pytest.mark.parametrize(("heavy", "light"), [(0.1, 0.1), (0.5, 0.05)], ids=["equal jobs", "ten times as long"])
def test_worker_seconds_are_split_by_weight(workers: Fleet, worker: Process, heavy: float, light: float) -> None:
    """Weights 3:1, both backlogged; A's jobs take `heavy` seconds, B's `light`."""
    queue = make_queue(f"weighted-{heavy}".replace(".", "-"))
    a, b = workflow_of(queue, SLEEP), workflow_of(queue, SLEEP)
    for workflow, seconds in ((a, heavy), (b, light)):
        send(workflow, 8, seconds=seconds)
        finish(workers, queue=queue)
    make_lane(queue, a.tenant, weight=3)
    # Worker-seconds for about half a minute of eight threads, three parts of four for A.
    work = 240 if scaled(2000) >= 2000 else 120
    pause_queue(queue=queue, actor="test", now=utcnow())
    jobs = {a: send(a, int(work * 0.75 / heavy), seconds=heavy), b: send(b, int(work * 0.35 / light), seconds=light)}
    resume_queue(queue=queue, actor="test", now=utcnow())
    finish(workers, queue=queue)
    begin, end = window(jobs[a]), window(jobs[b])
    shares = [seconds_between(jobs[w], max(begin[0], end[0]), min(begin[1], end[1])) for w in (a, b)]
    print(f"worker-seconds with weights 3:1: {shares[0]:.1f} and {shares[1]:.1f}, {shares[0] / shares[1]:.2f}:1")
    assert 3 * 0.9 <= shares[0] / shares[1] <= 3 * 1.1
    assert check(load(queue=queue)) == []


def window(jobs: list[Job]) -> tuple[datetime, datetime]:
    """Return from when to when these jobs were waiting to start."""
    found = Event.objects.filter(job__in=jobs, kind="started").aggregate(first=Min("at"), last=Max("at"))
    return found["first"], found["last"]


def seconds_between(jobs: list[Job], begin: datetime, end: datetime) -> float:
    """Return the sum of the seconds of the steps that ended in this time."""
    runs = StepRun.objects.filter(job__in=jobs, finished_at__gt=begin, finished_at__lte=end)
    return float(runs.aggregate(total=Sum("seconds"))["total"] or 0.0)
