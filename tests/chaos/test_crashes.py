"""Deaths of one kind each: a job that kills, a worker that is late, a server that is away."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from time import sleep

import pytest
from django.db import connection

from jobs.domain.states import State
from jobs.domain.submission import NewJob
from jobs.models import Attempt, Event, Job, WorkerLease
from jobs.services.submit import submit_jobs
from taskflow.lib.clock import utcnow
from tests.chaos.fleet import Fleet, Process, surely, wait_for
from tests.chaos.steps import Mark, read
from tests.factories import make_queue, make_tenant, make_workflow
from tests.history import check, load
from tests.servers import MariaDb, Redis, is_alive, private_servers
from workflows.models import Workflow

pytestmark = pytest.mark.timeout(600)
ECHO = {"kind": "python", "config": {"function": "echo"}}
MARK = {"key": "mark", "kind": "python", "config": {"function": "chaos.mark"}}


@pytest.fixture(scope="module")
def worker(workers: Fleet) -> Process:
    """A worker of two processes that all tests here use, and beat."""
    workers.beat()
    return workers.worker(children=2)


@pytest.fixture
def servers() -> Iterator[tuple[MariaDb, Redis]]:
    found = private_servers()
    if found is None:
        pytest.skip("these servers are not ours to stop")
    yield found
    for server in found:
        if not is_alive(server.pid()):
            server.start()


def workflow_of(*steps: dict[str, object]) -> Workflow:
    make_queue()
    return make_workflow(make_tenant(), steps=steps)


def send(workflow: Workflow, count: int, **payload: object) -> list[Job]:
    requests = [NewJob(workflow.slug, {"text": "x"} | payload) for _ in range(count)]
    found = submit_jobs(tenant_id=workflow.tenant_id, requests=requests, now=utcnow())
    return [job for job in found if isinstance(job, Job)]


def states(jobs: list[Job]) -> Counter[str]:
    return Counter(Job.objects.filter(pk__in=[job.pk for job in jobs]).values_list("state", flat=True))


def all_are(jobs: list[Job], *wanted: State) -> bool:
    return set(states(jobs)) <= set(wanted)


def marks(workers: Fleet, jobs: list[Job], what: str = "begin") -> list[Mark]:
    uids = {str(job.uid) for job in jobs}
    ledger = read(Path(workers.env["CHAOS_LEDGER"]))
    return [mark for mark in ledger if mark.what == what and mark.key.split(":")[0] in uids]


def judge(jobs: list[Job]) -> None:
    assert check(load(pk__in=[job.pk for job in jobs])) == []


def test_a_job_that_kills_its_worker_is_dead_in_the_end_and_the_others_finish(workers: Fleet, worker: Process) -> None:
    poison = workflow_of({"kind": "python", "config": {"function": "poison"}})
    before = send(workflow_of(ECHO, MARK), 15)
    (bad,) = send(poison, 1)
    others = before + send(workflow_of(ECHO, ECHO), 30)
    wait_for(lambda: all_are([bad], State.DEAD), within=300, told=workers.logs)
    wait_for(lambda: all_are(others, State.SUCCEEDED), within=300, told=lambda: f"{states(others)} {workers.logs()}")
    bad.refresh_from_db()
    assert (bad.crashes, bad.error_class) == (3, "WorkerLost")
    assert list(Attempt.objects.filter(job=bad).values_list("outcome", flat=True)) == ["worker_lost"] * 3
    judge([bad, *others])


def test_a_late_worker_cannot_finish_a_job_that_was_rescued_and_works_on(workers: Fleet, worker: Process) -> None:
    workflow = workflow_of(MARK)
    jobs = send(workflow, 1, seconds=2.0)
    late = wait_for(lambda: marks(workers, jobs), told=workers.logs)[0].pid
    os.kill(late, signal.SIGSTOP)
    try:
        wait_for(lambda: all_are(jobs, State.SUCCEEDED), within=300, told=workers.logs)
    finally:
        os.kill(late, signal.SIGCONT)
    (job,) = jobs
    wait_for(lambda: Event.objects.filter(job=job, kind="lease_lost").exists(), told=workers.logs)
    job.refresh_from_db()
    assert job.state == State.SUCCEEDED
    assert job.result["marked_by"] != late
    assert [mark.attempt for mark in marks(workers, jobs)] == [1, 2]
    assert len({mark.key for mark in marks(workers, jobs)}) == 1
    assert list(Attempt.objects.filter(job=job).order_by("number").values_list("outcome", flat=True)) == [
        "worker_lost",
        "succeeded",
    ]
    judge(jobs)
    wait_for(lambda: works_again(workers, worker, workflow), within=300, told=workers.logs)


def works_again(workers: Fleet, worker: Process, workflow: Workflow) -> bool:
    """Say whether each process of the worker, under a lease of its own that has not ended, has finished a job."""
    jobs = send(workflow, 16, seconds=0.3)
    wait_for(lambda: all_are(jobs, State.SUCCEEDED), within=300, told=workers.logs)
    pids = {mark.pid for mark in marks(workers, jobs, "end")}
    living = set(WorkerLease.objects.filter(ended_at=None).values_list("pid", flat=True))
    return pids == set(worker.children()) and pids <= living


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_database_that_is_away_for_longer_than_a_lease_loses_nothing(
    workers: Fleet, worker: Process, servers: tuple[MariaDb, Redis], how: signal.Signals
) -> None:
    """Steps end while nobody can store it; none of them runs again."""
    jobs = send(workflow_of(MARK, {**MARK, "key": "again"}, ECHO), 24, seconds=1.0)
    wait_for(lambda: len(marks(workers, jobs)) >= 4, told=workers.logs)
    connection.close()
    servers[0].stop(how)
    sleep(2 * float(workers.env["LEASE_SECONDS"]))
    servers[0].start()
    wait_for(lambda: all_are(jobs, State.SUCCEEDED), within=300, told=lambda: f"{states(jobs)} {workers.logs()}")
    assert Counter(mark.key for mark in marks(workers, jobs)).most_common(1)[0][1] == 1
    assert set(Attempt.objects.filter(job__in=jobs).values_list("outcome", flat=True)) == {"succeeded"}
    judge(jobs)


def test_jobs_are_taken_while_the_broker_is_down_and_run_when_it_is_back(
    workers: Fleet, worker: Process, servers: tuple[MariaDb, Redis]
) -> None:
    workflow = workflow_of(ECHO)
    servers[1].stop()
    jobs = send(workflow, 10)
    assert states(jobs)[State.PENDING] + states(jobs)[State.RUNNING] + states(jobs)[State.SUCCEEDED] == 10
    sleep(3)
    jobs += send(workflow, 10)
    servers[1].start()
    wait_for(lambda: all_are(jobs, State.SUCCEEDED), within=300, told=lambda: f"{states(jobs)} {workers.logs()}")
    judge(jobs)


def test_the_engine_goes_on_without_beat(workers: Fleet, worker: Process) -> None:
    (beat,) = [process for process in workers.processes if process.name.startswith("beat")]
    workers.kill(beat)
    try:
        flaky = workflow_of({"kind": "python", "config": {"function": "chaos.flaky"}, "retry": {"base_delay": 0.5}})
        jobs = send(flaky, 5, failures=1)
        wait_for(lambda: all_are(jobs, State.SUCCEEDED), told=workers.logs)
        assert surely(lambda: Job.objects.filter(pk__in=[job.pk for job in jobs], attempts=2).count()) == 5
    finally:
        workers.beat()
