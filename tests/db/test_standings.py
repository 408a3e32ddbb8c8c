"""A worker that meets many lanes remembers them: it serves them in the order of a new look, and forgets nobody."""

import random
from collections.abc import Sequence
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.domain.chunks import Room
from jobs.domain.states import State
from jobs.domain.work import ClaimedJob
from jobs.models import Job, Lane, Queue
from jobs.services import standings
from jobs.services.claim import Claimant, claim_jobs
from taskflow.lib.clock import utcnow
from taskflow.lib.ids import new_uid
from tenants.models import Tenant
from tests.factories import make_lease, make_queue, make_workflow
from workflows.models import Workflow

pytestmark = pytest.mark.django_db
MANY = standings.FEW_LANES + 10
NOW = utcnow()
SOON = NOW + standings.LOOK_AGAIN / 2


@pytest.fixture
def workflow() -> Workflow:
    return make_workflow()


@pytest.fixture
def queue() -> Queue:
    return make_queue()


@pytest.fixture
def lanes(workflow: Workflow, queue: Queue) -> list[Lane]:
    """More lanes than are looked for at each claim, each with three jobs due, at virtual times 0, 1, 2, ..."""
    tenants = Tenant.objects.bulk_create([Tenant(slug=f"many-{n}", name=f"Many {n}") for n in range(MANY)])
    tenants = list(Tenant.objects.filter(slug__in=[tenant.slug for tenant in tenants]).order_by("id"))
    Lane.objects.bulk_create(
        [Lane(queue=queue, tenant=tenant, virtual_time=float(n), idle=False) for n, tenant in enumerate(tenants)]
    )
    for tenant in tenants:
        store(workflow, queue, tenant, 3)
    return list(Lane.objects.filter(queue=queue).order_by("virtual_time"))


def store(workflow: Workflow, queue: Queue, tenant: Tenant, count: int) -> None:
    Job.objects.bulk_create(
        [
            Job(
                uid=new_uid(),
                tenant=tenant,
                workflow=workflow,
                version_id=workflow.live_version_id,
                queue=queue,
                state=State.PENDING.value,
                due_at=NOW,
                payload={},
                correlation_id="c",
                created_at=NOW,
            )
            for _ in range(count)
        ]
    )


def make_claimant(seconds: float = 0.7) -> Claimant:
    lease = make_lease()
    return Claimant(lease.pk, str(lease), lambda version, position: seconds)


def claim(queue: Queue, claimant: Claimant, *, at: object = NOW, slots: int = 1) -> list[ClaimedJob]:
    return claim_jobs(queue_id=queue.pk, claimant=claimant, room=Room(slots), now=at).jobs  # type: ignore[arg-type]


def looks(queries: Sequence[dict[str, str]]) -> int:
    return sum("GROUP BY queue_id, state, tenant_id" in query["sql"] for query in queries)


@pytest.mark.parametrize("seed", range(5))
def test_workers_that_remember_serve_the_lane_that_a_new_look_would(queue: Queue, lanes: list[Lane], seed: int) -> None:
    chance = random.Random(seed)
    workers = [make_claimant(seconds) for seconds in (0.4, 1.1, 5.0)]
    served = []
    for _ in range(40):
        worker = chance.choice(workers)
        first = standings.Standings().look(queue.pk, NOW)[0]
        (job,) = claim(queue, worker, at=SOON if worker.standings.lanes else NOW)
        assert job.tenant_id == first.tenant_id
        served.append(job.tenant_id)
    assert len(set(served)) > 5


def test_many_lanes_are_looked_for_once_in_a_while_and_few_at_each_claim(queue: Queue, lanes: list[Lane]) -> None:
    worker = make_claimant()
    with CaptureQueriesContext(
        connection,
    ) as captured:
        for _ in range(5):
            claim(queue, worker, at=SOON)
    assert looks(captured.captured_queries) == 1
    Job.objects.filter(tenant__in=[lane.tenant_id for lane in lanes[5:]]).delete()
    worker = make_claimant()
    with CaptureQueriesContext(connection) as captured:
        for _ in range(5):
            claim(queue, worker, at=SOON)
    assert looks(captured.captured_queries) == 5


def test_a_tenant_whose_first_job_comes_in_is_seen_by_the_next_look(
    workflow: Workflow, queue: Queue, lanes: list[Lane]
) -> None:
    worker, newcomer = make_claimant(), Tenant.objects.create(slug="newcomer", name="Newcomer")
    claim(queue, worker)
    store(workflow, queue, newcomer, 1)
    assert newcomer.pk not in [job.tenant_id for job in claim(queue, worker, at=SOON)]
    later = NOW + standings.LOOK_AGAIN + timedelta(milliseconds=1)
    assert newcomer.pk in [job.tenant_id for _ in range(3) for job in claim(queue, worker, at=later)]


def test_nothing_that_is_due_is_left_because_a_worker_remembers_what_is_gone(
    workflow: Workflow, queue: Queue, lanes: list[Lane]
) -> None:
    worker = make_claimant()
    claim(queue, worker)
    Job.objects.filter(state=State.PENDING.value).delete()
    newcomer = Tenant.objects.create(slug="newcomer", name="Newcomer")
    store(workflow, queue, newcomer, 1)
    assert [job.tenant_id for job in claim(queue, worker, at=SOON)] == [newcomer.pk]
    assert claim(queue, worker, at=SOON) == []


def test_a_lane_that_was_paused_since_is_not_served(queue: Queue, lanes: list[Lane]) -> None:
    worker = make_claimant()
    claim(queue, worker)
    Lane.objects.filter(pk__in=[lane.pk for lane in lanes[:20]]).update(paused_at=NOW)
    assert [job.tenant_id for job in claim(queue, worker, at=SOON)] == [lanes[20].tenant_id]


def test_another_queue_is_looked_at_anew(workflow: Workflow, queue: Queue, lanes: list[Lane]) -> None:
    worker, other = make_claimant(), make_queue("other")
    claim(queue, worker)
    store(workflow, other, workflow.tenant, 1)
    assert [job.queue_id for job in claim(other, worker, at=SOON)] == [other.pk]
