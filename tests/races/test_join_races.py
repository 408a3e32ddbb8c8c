"""The last sub-jobs end at the same moment, and several tick: the job that waits for them goes on once."""

from collections import Counter

import pytest

from jobs.domain.states import State
from jobs.domain.submission import NewJob
from jobs.models import Event, Job, Join, StepRun
from jobs.services.joins import resume_joins, start_join
from jobs.services.submit import submit_jobs
from taskflow.lib.clock import utcnow
from tests.factories import make_job, make_queue, make_workflow
from tests.history import check, load
from tests.races.test_engine_races import ROUNDS, at_once, cancel, claim, finish

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


def waiting(count: int) -> Job:
    """Make a job that waits for `count` sub-jobs of a queue of their own."""
    parent = make_job(make_workflow(), State.WAITING, attempts=1)
    StepRun.objects.create(
        job=parent, position=0, attempt=1, step_key="step1", output={"spawned": count}, seconds=0, finished_at=utcnow()
    )
    child, queue = make_workflow(parent.tenant), make_queue("children")
    requests = [NewJob(child.slug, {"text": "x"}, queue=queue.slug, parent_id=parent.pk) for _ in range(count)]
    children = submit_jobs(tenant_id=parent.tenant_id, requests=requests, now=utcnow())
    start_join(job_id=parent.pk, children=children, on_child_failure="continue", now=utcnow())
    return parent


def answered(job: Job) -> int:
    return Event.objects.filter(job=job, kind="answered").count()


def test_the_last_two_end_at_once_while_others_tick_and_nothing_is_lost() -> None:
    for _ in range(ROUNDS):
        parent = waiting(2)
        jobs = claim(make_queue("children"))
        first, second = jobs
        at_once(
            lambda j=first: finish([j]),
            lambda j=second: finish([j]),
            lambda: resume_joins(now=utcnow()),
            lambda: resume_joins(now=utcnow()),
        )
        resume_joins(now=utcnow())
        parent.refresh_from_db()
        assert (parent.state, answered(parent)) == (State.PENDING, 1)
        assert len(StepRun.objects.get(job=parent).output["children"]) == 2
        Job.objects.filter(pk=parent.pk).update(queue=make_queue("elsewhere"))
    assert not Join.objects.exists()


def test_of_many_who_tick_at_once_one_lets_the_job_go_on() -> None:
    for _ in range(ROUNDS):
        parent = waiting(3)
        finish(claim(make_queue("children")))
        assert sum(at_once(*[lambda: resume_joins(now=utcnow())] * 4)) == 1
        assert answered(parent) == 1


def test_a_cancellation_that_races_with_the_last_end_leaves_nothing_open() -> None:
    seen: Counter[str] = Counter()
    for _ in range(ROUNDS):
        parent = waiting(2)
        jobs = claim(make_queue("children"))[:1]
        at_once(lambda j=jobs: finish(j), lambda p=parent: cancel(p), lambda: resume_joins(now=utcnow()))
        parent.refresh_from_db()
        seen.update(Job.objects.filter(parent=parent).values_list("state", flat=True))
        assert parent.state == State.CANCELLED
        assert not Join.objects.filter(pk=parent.pk).exists()
        finish(claim(make_queue("children")))
    assert check(load(parent__isnull=False)) == []
    print(dict(seen))
