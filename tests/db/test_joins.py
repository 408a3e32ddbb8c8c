"""A job that waits for its sub-jobs goes on when all of them are final, whatever became of them."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.domain.states import State
from jobs.domain.submission import NewJob
from jobs.models import Event, Job, Join, Review, StepRun
from jobs.queries.story import get_job_story
from jobs.runtime.drain import Drain
from jobs.runtime.process import WorkerProcess
from jobs.services import control
from jobs.services.joins import resume_joins
from jobs.services.submit import submit_job
from taskflow.lib.clock import utcnow
from tests.factories import make_lane, make_queue, make_workflow
from tests.history import check, load
from workflows.domain.outcomes import PermanentError
from workflows.kinds.base import Effect, StepContext
from workflows.kinds.python import step_function

pytestmark = pytest.mark.django_db(transaction=True)


@step_function("join.work", effect=Effect.PURE)
def work(context: StepContext) -> dict[str, Any]:
    """Do what the payload says."""
    if context.payload.get("n") in context.payload.get("bad", ()):
        raise PermanentError("no good")
    return {"n": context.payload["n"], "text": "x" * context.payload.get("size", 0)}


WORK = [{"key": "work", "kind": "python", "config": {"function": "join.work"}}]
ASK = [{"key": "ask", "kind": "approve", "config": {}}]
LAST = {"key": "last", "kind": "transform", "config": {"fields": [{"name": "done", "template": "yes"}]}}


def spawning(**config: Any) -> list[dict[str, Any]]:
    payload = {name: {"expression": value} for name, value in (("n", "item"), ("bad", "payload.bad"))}
    usual = {"workflow": "child", "for_each": "payload.items", "limit": 1000, "join": True}
    return [{"key": "fan", "kind": "spawn", "config": usual | {"payload": payload} | config}, LAST]


@pytest.fixture
def process() -> Iterator[WorkerProcess]:
    process = WorkerProcess(pool="default", slots=4)
    yield process
    process.close("the test is over")


def send(
    process: WorkerProcess, count: int, *, child: Any = None, bad: Any = (), children: bool = True, **config: Any
) -> Job:
    """Run a parent until it waits; its sub-jobs are left in another queue, unless they are to run as well."""
    queue, apart = make_queue(), make_queue("apart")
    parent = make_workflow(steps=spawning(queue=None if children else "apart", **config))
    make_workflow(parent.tenant, "child", steps=child or WORK)
    payload = {"items": list(range(count)), "bad": list(bad)}
    job = submit_job(tenant_id=parent.tenant_id, request=NewJob(parent.slug, payload), now=utcnow())
    Drain(process, queue.pk).run()
    assert apart
    job.refresh_from_db()
    return job


def go_on(process: WorkerProcess, job: Job) -> Job:
    resume_joins(now=utcnow())
    Drain(process, job.queue_id).run()
    job.refresh_from_db()
    return job


def kinds(job: Job) -> list[str]:
    return list(Event.objects.filter(job=job).order_by("id").values_list("kind", flat=True))


def test_a_job_waits_for_its_sub_jobs_and_goes_on_with_their_results(process: WorkerProcess) -> None:
    job = send(process, 3, children=False)
    assert (job.state, job.lease_id) == (State.WAITING, None)
    assert "waits for its 3 sub-jobs" in get_job_story(job, now=utcnow()).explanation
    assert go_on(process, job).state == State.WAITING
    Drain(process, make_queue("apart").pk).run()
    job = go_on(process, job)
    assert job.state == State.SUCCEEDED
    assert [(child["state"], child["result"]["n"]) for child in job.result["children"]] == [
        (State.SUCCEEDED, number) for number in range(3)
    ]
    assert [child["id"] for child in job.result["children"]] == job.result["jobs"]
    assert (job.result["spawned"], job.result["done"]) == (3, "yes")
    assert kinds(job) == ["created", "started", "waiting", "spawned", "answered", "started", "succeeded"]
    assert not Join.objects.exists()
    assert check(load()) == []


def test_without_sub_jobs_it_goes_straight_on(process: WorkerProcess) -> None:
    job = send(process, 0)
    assert (job.state, job.result) == (State.SUCCEEDED, {"spawned": 0, "jobs": [], "children": [], "done": "yes"})


def test_sub_jobs_that_failed_are_told_and_the_job_goes_on(process: WorkerProcess) -> None:
    job = go_on(process, send(process, 3, bad=[1]))
    assert job.state == State.SUCCEEDED
    child = job.result["children"][1]
    assert (child["state"], child["result"]) == (State.FAILED, None)
    assert child["error"] == {"class": "PermanentError", "message": "no good"}


def test_sub_jobs_that_failed_fail_the_job_where_it_says_so_and_a_retry_makes_new_ones(process: WorkerProcess) -> None:
    job = go_on(process, send(process, 8, bad=range(7), on_child_failure="fail"))
    assert (job.state, job.error_class) == (State.FAILED, "ChildFailed")
    assert job.error_message.startswith("7 of 8 sub-jobs did not succeed: ")
    assert job.error_message.endswith(" and 2 more.")
    assert len(StepRun.objects.get(job=job).output["children"]) == 8
    control.retry_job(job=job, actor="ops", now=utcnow(), payload={"items": [1], "bad": []})
    Drain(process, job.queue_id).run()
    assert go_on(process, job).state == State.SUCCEEDED
    assert check(load()) == []


def test_a_sub_job_that_waits_for_a_person_is_waited_for(process: WorkerProcess) -> None:
    job = send(process, 2, child=ASK)
    assert go_on(process, job).state == State.WAITING
    for child in Job.objects.filter(parent=job):
        control.cancel_job(job=child, actor="ops", now=utcnow())
    job = go_on(process, job)
    assert {child["state"] for child in job.result["children"]} == {State.CANCELLED}


def test_a_sub_job_that_was_retried_counts_as_open_again(process: WorkerProcess) -> None:
    job = send(process, 3, children=False, bad=[0])
    apart = make_queue("apart")
    make_lane(apart, job.tenant, cap=1)
    first, second, third = Job.objects.filter(parent=job).order_by("pk")
    control.cancel_job(job=first, actor="ops", now=utcnow())
    control.cancel_job(job=second, actor="ops", now=utcnow())
    resume_joins(now=utcnow())
    assert Join.objects.get().waits_for_id == third.pk
    control.retry_job(job=first, actor="ops", now=utcnow(), payload={"n": 9})
    control.cancel_job(job=third, actor="ops", now=utcnow())
    assert resume_joins(now=utcnow()) == 0
    assert Join.objects.get().waits_for_id == first.pk
    Drain(process, apart.pk).run()
    assert go_on(process, job).state == State.SUCCEEDED


def test_sub_jobs_are_cancelled_with_the_job_that_waits_for_them(process: WorkerProcess) -> None:
    job = send(process, 3, children=False)
    apart = make_queue("apart")
    make_lane(apart, job.tenant, cap=1)
    drain = Drain(process, apart.pk)
    drain._claim()
    control.cancel_job(job=job, actor="ops", now=utcnow())
    states = sorted(Job.objects.filter(parent=job).values_list("state", flat=True))
    assert states == [State.CANCELLED, State.CANCELLED, State.RUNNING]
    drain.run()
    assert resume_joins(now=utcnow()) == 0
    assert not Join.objects.exists()
    assert check(load()) == []


def test_what_sub_jobs_wait_for_is_cancelled_too(process: WorkerProcess) -> None:
    job = send(process, 2, child=ASK)
    assert Review.objects.filter(state="open").count() == 2
    control.cancel_job(job=job, actor="ops", now=utcnow())
    assert set(Review.objects.values_list("state", flat=True)) == {"cancelled"}
    assert set(Job.objects.values_list("state", flat=True)) == {State.CANCELLED}


def test_results_that_are_too_much_together_are_left_out(
    process: WorkerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.services.joins.OUTPUT_LIMIT", 300)
    job = go_on(process, send(process, 3))
    assert job.result["results_left_out"] is True
    assert [child["result"] for child in job.result["children"]] == [None] * 3


def test_an_answer_does_not_stand_in_for_the_sub_jobs(process: WorkerProcess) -> None:
    with pytest.raises(control.NotWaitingError, match="sub-jobs"):
        control.answer_job(job=send(process, 1, children=False), output={}, actor="x", now=utcnow())


def test_a_join_whose_job_is_not_waiting_is_put_away(process: WorkerProcess) -> None:
    job = send(process, 1)
    Job.objects.filter(pk=job.pk).update(state=State.CANCELLED)
    assert resume_joins(now=utcnow()) == 0
    assert not Join.objects.exists()


def test_a_step_whose_sub_jobs_are_refused_fails(process: WorkerProcess) -> None:
    job = send(process, 2, workflow="nowhere")
    assert (job.state, Join.objects.count()) == (State.FAILED, 0)
    assert "A sub-job was refused" in job.error_message


def test_a_thousand_sub_jobs_cost_no_query_each(process: WorkerProcess) -> None:
    job = send(process, 1000, children=False)
    children = Job.objects.filter(parent=job)
    ids = list(children.order_by("pk").values_list("pk", flat=True))
    children.filter(pk__lte=ids[500]).update(state=State.SUCCEEDED, result={"n": 1}, finished_at=utcnow())
    with CaptureQueriesContext(
        connection,
    ) as looked:
        resume_joins(now=utcnow())
    assert Join.objects.get().waits_for_id == ids[501]
    with CaptureQueriesContext(connection) as again:
        resume_joins(now=utcnow())
    children.update(state=State.SUCCEEDED, result={"n": 1}, finished_at=utcnow())
    with CaptureQueriesContext(connection) as finished:
        assert resume_joins(now=utcnow()) == 1
    assert (len(again), len(looked) < 12, len(finished) < 20) == (1, True, True)
    assert len(StepRun.objects.get(job=job).output["children"]) == 1000
