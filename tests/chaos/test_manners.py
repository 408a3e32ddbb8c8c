"""How a fleet behaves from day to day: it stops with grace, gives up what hangs, and does as it is told."""

import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from jobs.domain.states import State
from jobs.domain.submission import NewJob
from jobs.models import Attempt, Event, Job, Queue
from jobs.services.control import cancel_job, retry_job
from jobs.services.queues import pause_queue, resume_queue
from jobs.services.submit import submit_jobs
from taskflow.lib.clock import utcnow
from tests.chaos.fleet import Fleet, Process, fleet, wait_for
from tests.chaos.steps import Mark, read
from tests.factories import make_queue, make_tenant, make_workflow
from tests.history import check, load
from tests.servers import is_alive
from workflows.models import Workflow

pytestmark = pytest.mark.timeout(600)
ECHO = {"kind": "python", "config": {"function": "echo"}}
SLEEP = {"kind": "python", "config": {"function": "sleep"}}
MARK = {"key": "mark", "kind": "python", "config": {"function": "chaos.mark"}}


@pytest.fixture(scope="module")
def worker(workers: Fleet) -> Process:
    """A worker of two processes that most tests here use, and beat."""
    workers.beat()
    return workers.worker(children=2)


@pytest.fixture
def alone(env: dict[str, str], place: Path, workers: Fleet) -> Iterator[Fleet]:
    """A fleet for one test, beside which no other works: it has a pool of its own."""
    with fleet(env, place) as found:
        yield found


def workflow_of(*steps: dict[str, object], queue: Queue | None = None, **fields: object) -> Workflow:
    return make_workflow(make_tenant(), steps=steps, queue=(queue or make_queue()).slug, **fields)


def send(
    workflow: Workflow, count: int = 1, *, request: dict[str, object] | None = None, **payload: object
) -> list[Job]:
    requests = [NewJob(workflow.slug, {"text": "x"} | payload, **request or {}) for _ in range(count)]
    found = submit_jobs(tenant_id=workflow.tenant_id, requests=requests, now=utcnow())
    return [job for job in found if isinstance(job, Job)]


def states(jobs: list[Job]) -> set[str]:
    return set(Job.objects.filter(pk__in=[job.pk for job in jobs]).values_list("state", flat=True))


def marks(workers: Fleet, jobs: list[Job]) -> list[Mark]:
    uids = {str(job.uid) for job in jobs}
    ledger = read(Path(workers.env["CHAOS_LEDGER"]))
    return [mark for mark in ledger if mark.what == "begin" and mark.key.split(":")[0] in uids]


def kinds(job: Job) -> list[str]:
    return list(Event.objects.filter(job=job).order_by("id").values_list("kind", flat=True))


def finish(workers: Fleet, jobs: list[Job], *wanted: State) -> None:
    wait_for(lambda: states(jobs) <= set(wanted or [State.SUCCEEDED]), told=lambda: f"{states(jobs)} {workers.logs()}")
    assert check(load(pk__in=[job.pk for job in jobs])) == []


def test_a_slow_job_holds_no_quick_ones(workers: Fleet, worker: Process) -> None:
    workflow = workflow_of(SLEEP)
    (slow,) = send(workflow, seconds=4)
    quick = send(workflow, 60, seconds=0)
    finish(workers, [slow, *quick])
    slow.refresh_from_db()
    ends = Job.objects.filter(pk__in=[job.pk for job in quick]).values_list("finished_at", flat=True)
    assert max(ends) < slow.finished_at


def test_a_stopped_worker_finishes_what_runs_and_gives_back_the_rest_untouched(alone: Fleet) -> None:
    """SIGTERM to a worker of one process, with a chunk whose first job is slow."""
    queue = make_queue("stopping", pool="stopping")
    workflow = workflow_of(SLEEP, queue=queue)
    worker = alone.worker(children=1, pool="stopping")
    (slow,) = send(workflow, seconds=3)
    rest = send(workflow, 30, seconds=0)
    wait_for(lambda: states([slow]) == {State.RUNNING}, told=alone.logs)
    worker.signal(signal.SIGTERM)
    assert worker.ended() == 0, worker.tail()
    slow.refresh_from_db()
    assert (slow.state, kinds(slow)) == (State.SUCCEEDED, ["created", "started", "succeeded"])
    assert states(rest) == {State.PENDING}
    assert set(Job.objects.filter(pk__in=[job.pk for job in rest]).values_list("attempts", "crashes")) == {(0, 0)}
    assert not Attempt.objects.filter(job__in=rest).exists()
    assert check(load(queue=queue)) == []
    alone.worker(children=1, pool="stopping")
    finish(alone, rest)


def test_a_step_that_hangs_is_given_up_tried_again_and_its_process_replaced(workers: Fleet, worker: Process) -> None:
    hang = {"kind": "python", "config": {"function": "chaos.hang"}, "timeout": 1.0, "retry": {"base_delay": 0.2}}
    jobs = send(workflow_of(hang))
    finish(workers, jobs)
    (job,) = jobs
    assert list(Attempt.objects.filter(job=job).order_by("number").values_list("outcome", "error_class")) == [
        ("failed", "StepTimeout"),
        ("succeeded", ""),
    ]
    stuck = marks(workers, jobs)[0].pid
    wait_for(lambda: not is_alive(stuck), told=workers.logs)
    wait_for(lambda: len(worker.children()) == 2, told=workers.logs)


def test_a_running_job_is_cancelled_at_its_next_step(workers: Fleet, worker: Process) -> None:
    jobs = send(workflow_of(SLEEP, MARK), seconds=3)
    wait_for(lambda: states(jobs) == {State.RUNNING}, told=workers.logs)
    cancel_job(job=jobs[0], actor="test", now=utcnow())
    finish(workers, jobs, State.CANCELLED)
    assert marks(workers, jobs) == []
    assert kinds(jobs[0]) == ["created", "started", "cancel_requested", "cancelled"]


def test_a_failed_job_runs_again_with_another_payload_or_from_a_chosen_step(workers: Fleet, worker: Process) -> None:
    fail = {"key": "fail", "kind": "python", "config": {"function": "fail_permanently"}}
    jobs = send(workflow_of(MARK, fail))
    finish(workers, jobs, State.FAILED)
    for again in ({}, {"from_step": "mark"}, {"payload": {"text": "edited"}}):
        retry_job(job=jobs[0], actor="test", now=utcnow(), **again)
        finish(workers, jobs, State.FAILED)
    keys = [mark.key.rpartition(":")[2] for mark in marks(workers, jobs)]
    assert keys == ["1", "3", "4"], "each run has a key of its own; the first repeat began behind the mark"


def test_a_paused_queue_starts_nothing_until_it_is_resumed(workers: Fleet, worker: Process) -> None:
    queue = make_queue("pausable")
    jobs = send(workflow_of(SLEEP, queue=queue), 200, seconds=0.8)
    wait_for(lambda: Event.objects.filter(job__in=jobs, kind="started").exists(), told=workers.logs)
    pause_queue(queue=queue, actor="test", now=utcnow())
    wait_for(lambda: State.RUNNING not in states(jobs), told=workers.logs)
    started = Event.objects.filter(job__in=jobs, kind="started")
    before = started.count()
    other = send(workflow_of(ECHO))
    finish(workers, other)
    assert started.count() == before
    assert State.PENDING in states(jobs)
    resume_queue(queue=queue, actor="test", now=utcnow())
    finish(workers, jobs)


def test_a_delayed_job_starts_when_it_is_due_and_not_before(workers: Fleet, worker: Process) -> None:
    due = utcnow() + timedelta(seconds=2)
    jobs = send(workflow_of(ECHO), 10, request={"run_at": due})
    assert states(jobs) == {State.SCHEDULED}
    finish(workers, jobs)
    assert all(event.at >= due for event in Event.objects.filter(job__in=jobs, kind="started"))


def test_a_tenants_jobs_start_by_priority(workers: Fleet, worker: Process) -> None:
    queue = make_queue("ordered", cap=1)
    workflow = workflow_of(ECHO, queue=queue)
    pause_queue(queue=queue, actor="test", now=utcnow())
    jobs = [job for priority in (300, 10, 200, 100, 10, 0) for job in send(workflow, request={"priority": priority})]
    resume_queue(queue=queue, actor="test", now=utcnow())
    finish(workers, jobs)
    started = Event.objects.filter(job__in=jobs, kind="started").order_by("id")
    assert [event.job.priority for event in started.select_related("job")] == [0, 10, 10, 100, 200, 300]


def test_a_queue_starts_no_more_a_second_than_its_rate(workers: Fleet, worker: Process) -> None:
    rate = 8
    queue = make_queue("rated", rate=rate)
    jobs = send(workflow_of(ECHO, queue=queue), 40)
    finish(workers, jobs)
    at = sorted(Event.objects.filter(job__in=jobs, kind="started").values_list("at", flat=True))
    for first in range(len(at)):
        for last in range(first, len(at)):
            # A bucket that holds one second's worth may be full at first.
            assert last - first + 1 <= rate * (at[last] - at[first]).total_seconds() + rate + 1
