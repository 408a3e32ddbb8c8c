"""Two at once at the same rows: whoever comes second finds what the first has done, and builds on it."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier, Event
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, transaction
from redis import Redis

from jobs.domain.chunks import Room
from jobs.domain.states import State
from jobs.domain.submission import NewJob
from jobs.domain.transitions import succeeded
from jobs.domain.work import ClaimedJob, Report
from jobs.models import EngineTick, IdempotencyKey, Job, Lane, Queue, QueueWake
from jobs.runtime.tick import tick
from jobs.services import rescue
from jobs.services.claim import Claimant, claim_jobs
from jobs.services.control import NotCancellableError, cancel_job
from jobs.services.finish import flush
from jobs.services.leases import close_lease
from jobs.services.submit import submit_job, submit_jobs, submit_once
from jobs.services.wake import wake
from taskflow.lib.clock import utcnow
from tests.factories import make_lease, make_queue, make_workflow
from tests.history import check, load

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]
ROUNDS = 15


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """Do all of `works` at the same moment, each with a connection of its own; returns their answers."""
    barrier = Barrier(len(works))

    def run(work: Callable[[], Any]) -> Any:
        try:
            connection.ensure_connection()
            barrier.wait(30)
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result() for future in [pool.submit(run, work) for work in works]]


def claim(queue: Queue) -> list[ClaimedJob]:
    lease = make_lease()
    claimant = Claimant(lease.pk, str(lease), lambda version, position: 0.0)
    return claim_jobs(queue_id=queue.pk, claimant=claimant, room=Room(4), now=utcnow()).jobs


def finish(jobs: Sequence[ClaimedJob], worker: str = "") -> list[Report]:
    reports = [Report(job, 1, utcnow(), ending=succeeded("{}")) for job in jobs]
    return flush(reports, worker=worker, now=utcnow())


def cancel(job: Job) -> str:
    try:
        return cancel_job(job=job, actor="test", now=utcnow()).state
    except NotCancellableError:
        return "too late"


def some_jobs(count: int = 1) -> tuple[Queue, list[Job]]:
    workflow, queue = make_workflow(), make_queue()
    requests = [NewJob(workflow.slug, {"text": "x"}) for _ in range(count)]
    jobs = submit_jobs(tenant_id=workflow.tenant_id, requests=requests, now=utcnow())
    return queue, [job for job in jobs if isinstance(job, Job)]


def test_a_cancellation_that_races_with_a_claim_is_either_done_or_heard_of() -> None:
    for _ in range(ROUNDS):
        queue, (job,) = some_jobs()
        claimed, answer = at_once(lambda q=queue: claim(q), lambda j=job: cancel(j))
        job.refresh_from_db()
        if claimed:
            assert (job.state, answer) == (State.RUNNING, State.RUNNING)
            assert job.cancel_requested_at is not None
            finish(claimed)
        else:
            assert (job.state, answer) == (State.CANCELLED, State.CANCELLED)
    assert check(load()) == []


def test_a_cancellation_that_races_with_the_end_leaves_one_end() -> None:
    for _ in range(ROUNDS):
        queue, (job,) = some_jobs()
        claimed = claim(queue)
        written, answer = at_once(lambda c=claimed: finish(c), lambda j=job: cancel(j))
        job.refresh_from_db()
        assert (job.state, job.cancel_requested_at, len(written)) == (State.SUCCEEDED, None, 1)
        assert answer in ("too late", State.RUNNING)
    assert check(load()) == []


def test_a_rescue_that_races_with_the_end_leaves_one_of_them() -> None:
    seen: Counter[str] = Counter()
    for _ in range(ROUNDS):
        queue, jobs = some_jobs(10)
        claimed = claim(queue)
        lease_id = Job.objects.values_list("lease_id", flat=True).get(pk=jobs[0].pk)
        close_lease(lease_id=lease_id, reason="no heartbeat")
        at_once(
            lambda c=claimed: finish(c, "late"),
            lambda: rescue.rescue_orphans(now=utcnow(), crash_budget=3),
            lambda: rescue.rescue_orphans(now=utcnow(), crash_budget=3),
        )
        states = Job.objects.filter(pk__in=[job.pk for job in jobs]).values_list("state", flat=True)
        seen.update(states)
        assert set(states) <= {State.SUCCEEDED, State.PENDING}
        Job.objects.filter(state=State.PENDING).update(queue=make_queue("elsewhere"))
    assert check(load()) == []
    print(dict(seen))


@pytest.mark.parametrize(("behind", "served"), [(5.0, "held"), (0.1, "free")])
def test_a_lane_somebody_claims_from_is_passed_over_unless_it_lags(behind: float, served: str) -> None:
    """Two lanes; a worker holds the one whose turn it is while another claims."""
    queue = make_queue()
    workflows = {"held": make_workflow(), "free": make_workflow()}
    for workflow in workflows.values():
        request = NewJob(workflow.slug, {"text": "x"})
        submit_jobs(tenant_id=workflow.tenant_id, requests=[request] * 150, now=utcnow())
    Lane.objects.update(idle=False, virtual_time=10.0)
    Lane.objects.filter(tenant=workflows["held"].tenant).update(virtual_time=10.0 - behind)
    holds, claimed = Event(), Event()

    def hold() -> None:
        with transaction.atomic():
            Lane.objects.select_for_update().get(tenant=workflows["held"].tenant)
            holds.set()
            claimed.wait(1.5)

    def take() -> set[int]:
        holds.wait(30)
        taken = {job.tenant_id for job in claim(queue)}
        claimed.set()
        return taken

    assert at_once(hold, take)[1] == {workflows[served].tenant_id}


def test_of_two_ticks_at_once_one_does_the_work() -> None:
    tick(now=utcnow())
    for _ in range(ROUNDS):
        now = utcnow()
        EngineTick.objects.update(ticked_at=now - timedelta(seconds=1.5))
        assert sorted(at_once(*[lambda n=now: tick(now=n)] * 3)) == [False, False, True]


def test_the_very_first_ticks_at_once_are_one() -> None:
    now = utcnow()
    assert sorted(at_once(*[lambda: tick(now=now)] * 3)) == [False, False, True]


def test_of_two_wakes_at_once_one_sends_a_message() -> None:
    queue = make_queue()
    with Redis.from_url(settings.BROKER_URL) as client:
        for _ in range(ROUNDS):
            client.delete("pool.default")
            QueueWake.objects.update(woken_at=None)
            now = utcnow()
            sent = at_once(*[lambda n=now: wake(queue_id=queue.pk, now=n)] * 4)
            assert (sent.count(True), client.llen("pool.default")) == (1, 1)
        client.delete("pool.default")


def test_submits_with_one_key_at_once_make_one_job() -> None:
    workflow, _ = make_workflow(), make_queue()
    for number in range(ROUNDS):
        key = f"{number:064}"

        def submit(key: str = key) -> tuple[Job, bool]:
            request = NewJob(workflow.slug, {"text": "x"})
            return submit_once(tenant_id=workflow.tenant_id, request=request, key=key, fingerprint="f", now=utcnow())

        answers = at_once(*[submit] * 4)
        assert len({job.pk for job, _ in answers}) == 1
        assert [new for _, new in answers].count(True) == 1
    assert Job.objects.count() == IdempotencyKey.objects.count() == ROUNDS


def test_claims_submits_cancellations_and_rescues_at_once_end_in_order() -> None:
    """Whatever meets: nothing waits for ever, no deadlock comes through, and every history makes sense."""
    queue, jobs = some_jobs(60)
    workflow = jobs[0].workflow
    chance = random.Random(7)

    def work() -> None:
        for _ in range(12):
            taken = claim(queue)[: chance.randint(1, 25)]
            finish(taken)

    def trouble() -> None:
        for job in chance.sample(jobs, 25):
            cancel(job)
            rescue.promote_due(now=utcnow())

    def arrivals() -> None:
        for _ in range(12):
            submit_job(tenant_id=workflow.tenant_id, request=NewJob(workflow.slug, {"text": "y"}), now=utcnow())

    at_once(work, work, work, trouble, trouble, arrivals, arrivals)
    assert check(load()) == []
