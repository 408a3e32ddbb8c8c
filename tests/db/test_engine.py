"""The engine from submit to result, in this process: what becomes of a job, and what is written about it."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from jobs.domain.states import State
from jobs.domain.submission import IdempotencyConflict, NewJob, SubmissionError
from jobs.models import Attempt, Event, Job, Lane, StepRun, WorkerLease
from jobs.runtime.drain import Drain
from jobs.runtime.process import WorkerProcess
from jobs.services import control, queues, rescue
from jobs.services.leases import close_lease
from jobs.services.submit import submit_job, submit_jobs, submit_once
from taskflow.lib.clock import utcnow
from tests.factories import make_lane, make_queue, make_workflow
from workflows.domain.outcomes import Done, PermanentError, Snooze, Stop, TransientError, Wait
from workflows.kinds.base import Effect, StepContext
from workflows.kinds.python import step_function

pytestmark = pytest.mark.django_db(transaction=True)

calls: list[tuple[str, str]] = []


@step_function("engine.note", effect=Effect.EXTERNAL)
def note(context: StepContext, name: str = "") -> dict[str, Any]:
    calls.append((name, context.idempotency_key))
    return {name: len(calls)}


@step_function("engine.do", effect=Effect.PURE)
def do(context: StepContext) -> Any:
    """Do what the payload says."""
    what = context.payload.get("do")
    if what == "break" and context.job["attempt"] <= context.payload.get("times", 99):
        raise TransientError("not now", status=context.payload.get("status"), retry_after=context.payload.get("after"))
    outcomes: dict[str, Callable[[], Any]] = {
        "refuse": lambda: _raise(PermanentError("no good")),
        "crash": lambda: 1 / 0,
        "stop": lambda: Stop({"stopped": True}),
        "skip": lambda: Done({"skipped": True}, goto="last"),
        "snooze": lambda: Snooze(utcnow() + timedelta(hours=1), "nothing there yet"),
        "wait": lambda: Wait("which one?"),
    }
    return outcomes[what]() if what in outcomes and what != "break" else {"did": what}


def _raise(error: Exception) -> None:
    raise error


@pytest.fixture
def process() -> Iterator[WorkerProcess]:
    calls.clear()
    process = WorkerProcess(pool="default", slots=4)
    yield process
    process.close("the test is over")


def function(name: str, key: str, **rest: Any) -> dict[str, Any]:
    return {"key": key, "kind": "python", "config": {"function": f"engine.{name}"} | rest.pop("config", {})} | rest


def three_steps(**middle: Any) -> list[dict[str, Any]]:
    return [
        function("note", "first", config={"params": {"name": "a"}}),
        function("do", "middle", **middle),
        function("note", "last", config={"params": {"name": "b"}}),
    ]


def send(
    process: WorkerProcess, payload: dict[str, Any], *, steps: Any = None, drain: bool = True, **request: Any
) -> Job:
    workflow = make_workflow(steps=steps or three_steps(), version=request.pop("version", None))
    queue = make_queue()
    job = submit_job(tenant_id=workflow.tenant_id, request=NewJob(workflow.slug, payload, **request), now=utcnow())
    if drain:
        Drain(process, queue.pk).run()
    job.refresh_from_db()
    return job


def kinds(job: Job) -> list[str]:
    return list(Event.objects.filter(job=job).order_by("id").values_list("kind", flat=True))


def again(process: WorkerProcess, job: Job) -> Job:
    Drain(process, job.queue_id).run()
    job.refresh_from_db()
    return job


def test_a_job_runs_through_its_steps_and_its_result_merges_what_they_gave(process: WorkerProcess) -> None:
    job = send(process, {"do": "it"})
    assert (job.state, job.result) == (State.SUCCEEDED, {"a": 1, "did": "it", "b": 2})
    assert kinds(job) == ["created", "started", "succeeded"]
    assert [run.step_key for run in StepRun.objects.filter(job=job).order_by("position")] == ["first", "middle", "last"]
    assert Attempt.objects.get(job=job).outcome == "succeeded"
    assert (job.lease_id, job.claim_token, job.position) == (None, None, 3)


def test_a_transient_error_is_tried_again_later_and_goes_on_where_it_failed(process: WorkerProcess) -> None:
    job = send(process, {"do": "break", "times": 1})
    assert (job.state, job.failures, job.position) == (State.SCHEDULED, 1, 1)
    assert job.wake_at is not None
    assert job.wake_at > utcnow()
    rescue.promote_due(now=job.wake_at)
    job = again(process, job)
    assert job.state == State.SUCCEEDED
    assert [name for name, _ in calls] == ["a", "b"]
    assert kinds(job) == ["created", "started", "retry_scheduled", "promoted", "started", "succeeded"]


def test_a_job_whose_attempts_are_spent_is_dead(process: WorkerProcess) -> None:
    job = send(process, {"do": "break"}, version={"retry_policy": {"max_attempts": 2, "base_delay": 0}})
    rescue.promote_due(now=utcnow() + timedelta(hours=1))
    job = again(process, job)
    assert (job.state, job.failures, job.error_class) == (State.DEAD, 2, "TransientError")


def test_retry_after_of_a_429_is_honoured(process: WorkerProcess) -> None:
    job = send(process, {"do": "break", "status": 429, "after": 300})
    assert job.wake_at is not None
    assert job.wake_at > utcnow() + timedelta(seconds=295)


@pytest.mark.parametrize(("what", "name"), [("refuse", "PermanentError")])
def test_a_permanent_error_fails_the_job_at_once(process: WorkerProcess, what: str, name: str) -> None:
    job = send(process, {"do": what})
    assert (job.state, job.error_class, job.error_message) == (State.FAILED, name, "no good")
    assert "PermanentError" in Attempt.objects.get(job=job).traceback


def test_an_exception_nobody_foresaw_is_kept_and_tried_again(process: WorkerProcess) -> None:
    job = send(process, {"do": "crash"})
    assert (job.state, job.error_class) == (State.SCHEDULED, "ZeroDivisionError")


def test_a_step_that_may_fail_is_passed_over_and_its_error_kept(process: WorkerProcess) -> None:
    job = send(process, {"do": "refuse"}, steps=three_steps(on_error="continue"))
    assert (job.state, job.result) == (State.SUCCEEDED, {"a": 1, "b": 2})
    assert StepRun.objects.get(job=job, step_key="middle").error == {"class": "PermanentError", "message": "no good"}


def test_a_step_may_end_the_job_or_send_it_forward(process: WorkerProcess) -> None:
    stopped = send(process, {"do": "stop"})
    assert (stopped.state, stopped.result) == (State.SUCCEEDED, {"a": 1, "stopped": True})
    skipped = send(process, {"do": "skip"})
    assert (skipped.state, skipped.result) == (State.SUCCEEDED, {"a": 2, "skipped": True, "b": 3})


def test_a_snoozed_job_comes_back_without_a_failure(process: WorkerProcess) -> None:
    job = send(process, {"do": "snooze"})
    assert (job.state, job.failures, Attempt.objects.get(job=job).outcome) == (State.SCHEDULED, 0, "snoozed")


def test_a_waiting_job_goes_on_with_the_answer_as_its_steps_output(process: WorkerProcess) -> None:
    job = send(process, {"do": "wait"})
    assert job.state == State.WAITING
    control.answer_job(job=job, output={"chosen": "left"}, actor="someone", now=utcnow())
    job = again(process, job)
    assert (job.state, job.result) == (State.SUCCEEDED, {"a": 1, "chosen": "left", "b": 2})


def test_a_job_with_a_later_time_is_not_run_before_it(process: WorkerProcess) -> None:
    later = utcnow() + timedelta(hours=1)
    job = send(process, {}, run_at=later)
    assert (job.state, kinds(job)) == (State.SCHEDULED, ["created"])
    assert rescue.promote_due(now=later - timedelta(seconds=1)) == 0
    assert rescue.promote_due(now=later) == 1
    assert again(process, job).state == State.SUCCEEDED


def test_a_job_whose_worker_died_goes_on_behind_its_last_checkpoint_with_the_same_key(process: WorkerProcess) -> None:
    job = send(process, {"do": "it"}, drain=False)
    other = WorkerProcess(pool="default", slots=1)
    drain = Drain(other, job.queue_id)
    drain._claim()
    while not StepRun.objects.filter(job=job).exists():
        drain._collect()
    calls_before = list(calls)
    close_lease(lease_id=other.lease.pk, reason="died")
    assert rescue.rescue_orphans(now=utcnow(), crash_budget=3) == 1
    job = again(process, job)
    assert (job.state, job.crashes) == (State.SUCCEEDED, 1)
    assert calls[:1] == calls_before[:1]
    assert [name for name, _ in calls].count("a") == 1
    assert Attempt.objects.filter(job=job, outcome="worker_lost").count() == 1


def test_a_job_under_which_workers_die_again_and_again_is_dead(process: WorkerProcess) -> None:
    job = send(process, {}, drain=False)
    for crash in range(3):
        lease = WorkerLease.objects.create(
            host="h", pid=crash + 1, started_at=utcnow(), heartbeat_at=utcnow(), ended_at=utcnow()
        )
        Job.objects.filter(pk=job.pk).update(
            state=State.RUNNING.value, lease_id=lease.pk, attempts=crash + 1, started_at=utcnow()
        )
        rescue.rescue_orphans(now=utcnow(), crash_budget=3)
    job.refresh_from_db()
    assert (job.state, job.crashes, job.error_class) == (State.DEAD, 3, "WorkerLost")


def test_a_pending_job_is_cancelled_at_once_and_a_final_one_refuses(process: WorkerProcess) -> None:
    job = control.cancel_job(job=send(process, {}, drain=False), actor="ops", now=utcnow())
    assert (job.state, kinds(job)) == (State.CANCELLED, ["created", "cancelled"])
    with pytest.raises(control.NotCancellableError):
        control.cancel_job(job=send(process, {}), actor="ops", now=utcnow())


def test_a_running_job_that_is_to_be_cancelled_is_not_scheduled_again(process: WorkerProcess) -> None:
    job = send(process, {"do": "break"}, drain=False)
    drain = Drain(process, job.queue_id)
    drain._claim()
    control.cancel_job(job=job, actor="ops", now=utcnow())
    drain.run()
    job.refresh_from_db()
    assert job.state == State.CANCELLED
    assert kinds(job)[-1] == "cancelled"


def test_a_failed_job_is_retried_from_its_failed_step_with_fresh_budgets(process: WorkerProcess) -> None:
    job = send(process, {"do": "refuse"})
    job = control.retry_job(job=job, actor="ops", now=utcnow())
    assert (job.state, job.position, job.failures, job.run_number) == (State.PENDING, 1, 0, 2)
    assert again(process, job).state == State.FAILED
    assert [name for name, _ in calls] == ["a"]


def test_a_retry_with_an_edited_payload_starts_over_with_new_idempotency_keys(process: WorkerProcess) -> None:
    job = send(process, {"do": "refuse"})
    job = control.retry_job(job=job, actor="ops", now=utcnow(), payload={"do": "better"})
    job = again(process, job)
    assert (job.state, job.result) == (State.SUCCEEDED, {"a": 2, "did": "better", "b": 3})
    assert [key for _, key in calls] == [f"{job.uid}:first:1", f"{job.uid}:first:2", f"{job.uid}:last:2"]


def test_a_retry_may_start_from_a_chosen_step_the_job_has_reached(process: WorkerProcess) -> None:
    job = send(process, {"do": "refuse"})
    with pytest.raises(control.UnknownStepError, match="has not reached"):
        control.retry_job(job=job, actor="ops", now=utcnow(), from_step="last")
    with pytest.raises(control.UnknownStepError, match="no step 'nowhere'"):
        control.retry_job(job=job, actor="ops", now=utcnow(), from_step="nowhere")
    assert control.retry_job(job=job, actor="ops", now=utcnow(), from_step="first").position == 0


def test_a_paused_queue_and_a_paused_lane_start_nothing(process: WorkerProcess) -> None:
    job = send(process, {}, drain=False)
    queues.pause_queue(queue=job.queue, actor="ops", now=utcnow())
    assert again(process, job).state == State.PENDING
    queues.resume_queue(queue=job.queue, actor="ops", now=utcnow())
    queues.pause_lane(queue=job.queue, tenant_id=job.tenant_id, actor="ops", now=utcnow())
    assert again(process, job).state == State.PENDING
    queues.resume_lane(queue=job.queue, tenant_id=job.tenant_id, actor="ops", now=utcnow())
    assert again(process, job).state == State.SUCCEEDED


@pytest.mark.parametrize("where", ["queue", "lane"])
def test_a_claim_never_takes_more_than_the_cap(process: WorkerProcess, where: str) -> None:
    workflow, queue = make_workflow(), make_queue(cap=3 if where == "queue" else None)
    make_lane(queue, workflow.tenant, cap=3 if where == "lane" else None)
    requests = [NewJob(workflow.slug, {"n": n}) for n in range(10)]
    submit_jobs(tenant_id=workflow.tenant_id, requests=requests, now=utcnow())
    drain = Drain(process, queue.pk)
    drain._claim()
    drain._claim()
    assert Job.objects.filter(state=State.RUNNING.value).count() == 3
    drain.run()
    assert Job.objects.filter(state=State.SUCCEEDED.value).count() == 10


def test_a_tenants_jobs_run_by_priority_then_by_age(process: WorkerProcess) -> None:
    workflow, queue = make_workflow(steps=[function("note", "only", config={"params": {"name": "n"}})]), make_queue()
    requests = [NewJob(workflow.slug, {}, priority=priority) for priority in (100, 5, 100, 0)]
    jobs = submit_jobs(tenant_id=workflow.tenant_id, requests=requests, now=utcnow())
    make_lane(queue, workflow.tenant, cap=1)
    Drain(process, queue.pk).run()
    order = [key.split(":")[0] for _, key in calls]
    assert order == [str(jobs[index].uid) for index in (3, 1, 0, 2)]  # type: ignore[union-attr]


def test_a_lane_is_charged_for_the_time_its_jobs_took(process: WorkerProcess) -> None:
    job = send(process, {"seconds": 0.2}, steps=[{"key": "nap", "kind": "python", "config": {"function": "sleep"}}])
    assert job.state == State.SUCCEEDED
    assert 0.15 < Lane.objects.get(tenant=job.tenant).virtual_time < 5


def test_an_idempotency_key_gives_the_first_job_again_and_refuses_another_body(process: WorkerProcess) -> None:
    workflow = make_workflow()
    make_queue()
    asked = {"tenant_id": workflow.tenant_id, "request": NewJob(workflow.slug, {}), "key": "k" * 64, "now": utcnow()}
    first, new = submit_once(fingerprint="f" * 64, **asked)
    second, renewed = submit_once(fingerprint="f" * 64, **asked)
    assert (first.pk, new, renewed) == (second.pk, True, False)
    with pytest.raises(IdempotencyConflict):
        submit_once(fingerprint="e" * 64, **asked)


def test_a_job_that_cannot_be_taken_says_which_field_is_wrong(process: WorkerProcess) -> None:
    workflow = make_workflow()
    make_queue()
    for request, field in (
        (NewJob("nowhere", {}), "workflow"),
        (NewJob(workflow.slug, {}, queue="nowhere"), "queue"),
        (NewJob(workflow.slug, {}, priority=5000), "priority"),
    ):
        with pytest.raises(SubmissionError) as refusal:
            submit_job(tenant_id=workflow.tenant_id, request=request, now=utcnow())
        assert refusal.value.field == field
    assert Job.objects.count() == 0


def test_a_version_that_cannot_run_here_fails_its_jobs_with_the_reason(process: WorkerProcess) -> None:
    job = send(process, {}, steps=[{"key": "gone", "kind": "python", "config": {"function": "not.there"}}])
    assert job.state == State.FAILED
    assert "No function is registered as 'not.there'" in job.error_message
