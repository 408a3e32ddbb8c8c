"""What the engine does when something goes wrong with a worker, the database or a unit of work; in this process."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.db import InterfaceError, OperationalError

from jobs.domain.chunks import Room
from jobs.domain.states import State
from jobs.domain.submission import NewJob
from jobs.domain.transitions import succeeded
from jobs.domain.work import ClaimedJob, Report
from jobs.models import EngineTick, Event, Job, Lane, Queue, StepRun, WorkerLease
from jobs.runtime.drain import Drain
from jobs.runtime.execute import Task
from jobs.runtime.prepare import prepare
from jobs.runtime.process import WorkerProcess
from jobs.runtime.tick import tick
from jobs.runtime.units import Unit
from jobs.runtime.writing import surely
from jobs.services import queues, rescue
from jobs.services.claim import Claimant, claim_jobs
from jobs.services.control import retry_job
from jobs.services.finish import flush
from jobs.services.leases import close_lease
from jobs.services.submit import submit_jobs
from taskflow.lib.clock import utcnow
from taskflow.lib.telemetry import bound_ids
from tests.factories import make_lane, make_lease, make_queue, make_tenant, make_workflow
from tests.history import check, load
from workflows.domain.outcomes import Done, PermanentError, TransientError
from workflows.kinds.base import Effect, StepContext
from workflows.kinds.python import step_function
from workflows.models import Workflow

pytestmark = pytest.mark.django_db(transaction=True)


@step_function("faults.note", effect=Effect.EXTERNAL)
def note(context: StepContext) -> dict[str, int]:
    """Do something that is stored before the next step."""
    return {"attempt": context.job["attempt"]}


@step_function("faults.skip", effect=Effect.PURE)
def skip(context: StepContext) -> Done:
    """Go on with the gate if the payload says so, else with the next step."""
    return Done({}, goto="gate" if context.payload.get("skip") else None)


@step_function("faults.gate", effect=Effect.PURE)
def gate(context: StepContext) -> dict[str, list[str]]:
    """Fail for good with the first payload, once with the second; tell what is there in the end."""
    if not context.payload.get("skip"):
        raise PermanentError("no")
    if context.job["attempt"] == 2:
        raise TransientError("not yet")
    return {"seen": sorted(context.steps)}


NOTE = {"kind": "python", "config": {"function": "faults.note"}}
ECHO = {"kind": "python", "config": {"function": "echo"}}
SLEEP = {"kind": "python", "config": {"function": "sleep"}}


@pytest.fixture
def process() -> Iterator[WorkerProcess]:
    process = WorkerProcess(pool="default", slots=4)
    yield process
    process.close("the test is over")


def send(workflow: Workflow, count: int, **payload: object) -> list[Job]:
    requests = [NewJob(workflow.slug, {"text": "x"} | payload) for _ in range(count)]
    found = submit_jobs(tenant_id=workflow.tenant_id, requests=requests, now=utcnow())
    return [job for job in found if isinstance(job, Job)]


def claim(queue: Queue, expected: float = 0.0, slots: int = 4) -> tuple[list[ClaimedJob], WorkerLease]:
    """Claim as a worker of its own."""
    lease = make_lease()
    claimant = Claimant(lease.pk, str(lease), lambda version, position: expected)
    return claim_jobs(queue_id=queue.pk, claimant=claimant, room=Room(slots), now=utcnow()).jobs, lease


def kinds(job: Job) -> list[str]:
    return list(Event.objects.filter(job=job).order_by("id").values_list("kind", flat=True))


@pytest.mark.parametrize(
    ("ticked", "age", "dead"),
    [
        pytest.param(1.0, 10.0, True, id="the engine ticked all the time"),
        pytest.param(2.5, 10.0, True, id="it ticks slowly, as it does without beat"),
        pytest.param(11.0, 10.0, False, id="nobody could be heard of"),
        pytest.param(60.0, 60.5, False, id="nobody could be heard of for long"),
        pytest.param(None, 10.0, False, id="it never ticked before"),
        pytest.param(11.0, 30.0, True, id="it had been silent long before"),
    ],
)
def test_only_silence_that_somebody_could_have_heard_ends_a_lease(
    settings, ticked: float | None, age: float, dead: bool
) -> None:
    settings.LEASE_SECONDS = 4.0
    EngineTick.objects.create(pk=1, ticked_at=None if ticked is None else utcnow() - timedelta(seconds=ticked))
    lease = make_lease(age=age)
    assert tick(now=utcnow())
    lease.refresh_from_db()
    assert (lease.ended_at is not None) is dead


def test_a_tick_goes_on_when_a_clock_was_put_back() -> None:
    EngineTick.objects.create(pk=1, ticked_at=utcnow() + timedelta(hours=1))
    assert tick(now=utcnow())
    assert not tick(now=utcnow())


def test_who_comes_too_late_writes_nothing_and_the_log_says_so() -> None:
    workflow, queue = make_workflow(), make_queue()
    (job,) = send(workflow, 1)
    (claimed,), lease = claim(queue)
    close_lease(lease_id=lease.pk, reason="no heartbeat")
    assert rescue.rescue_orphans(now=utcnow(), crash_budget=3) == 1
    late = Report(claimed, 1, utcnow(), ending=succeeded('{"late": true}'))
    assert flush([late], worker=str(lease), now=utcnow()) == []
    job.refresh_from_db()
    assert (job.state, job.result) == (State.PENDING, None)
    assert kinds(job) == ["created", "started", "worker_lost", "lease_lost"]
    assert check(load()) == []


def test_a_tenant_that_comes_back_is_served_next_by_the_only_worker() -> None:
    queue = make_queue()
    old, new = make_workflow(), make_workflow()
    send(old, 500)
    claim(queue)
    send(new, 1)
    taken = [job.tenant_id for _ in range(2) for job in claim(queue)[0]]
    assert new.tenant_id in taken


def test_a_lane_at_its_cap_keeps_no_credit_and_those_that_come_back_take_none_from_it() -> None:
    queue = make_queue()
    capped, busy, guest = (make_workflow() for _ in range(3))
    lane = make_lane(queue, capped.tenant, cap=1)
    send(capped, 5)
    send(busy, 600)
    for _ in range(12):
        claim(queue, expected=0.01)
    lane.refresh_from_db()
    ahead = Lane.objects.get(tenant=busy.tenant).virtual_time
    assert ahead - lane.virtual_time <= 0.26 * 2
    send(guest, 300)
    taken = [job.tenant_id for _ in range(8) for job in claim(queue, expected=0.01)[0]]
    assert abs(taken.count(guest.tenant_id) - taken.count(busy.tenant_id)) <= 60


def test_a_pause_hoards_no_credit() -> None:
    queue = make_queue()
    paused, busy = make_workflow(make_tenant()), make_workflow(make_tenant())
    for workflow in (paused, busy):
        send(workflow, 400)
    claim(queue, expected=0.01)
    claim(queue, expected=0.01)
    queues.pause_lane(queue=queue, tenant_id=paused.tenant_id, actor="test", now=utcnow())
    for _ in range(6):
        claim(queue, expected=0.01)
    queues.resume_lane(queue=queue, tenant_id=paused.tenant_id, actor="test", now=utcnow())
    taken = [job.tenant_id for _ in range(4) for job in claim(queue, expected=0.01)[0]]
    assert taken.count(busy.tenant_id) >= 26


@pytest.mark.slow
def test_a_slow_job_holds_nobody_up_even_in_the_only_process(process: WorkerProcess) -> None:
    workflow, queue = make_workflow(steps=[SLEEP]), make_queue()
    (slow,) = send(workflow, 1, seconds=2.5)
    quick = send(workflow, 20, seconds=0)
    Drain(process, queue.pk).run()
    for job in [slow, *quick]:
        job.refresh_from_db()
        assert job.state == State.SUCCEEDED
    assert all(job.finished_at < slow.finished_at for job in quick)
    assert "released" in kinds(quick[-1])
    assert {job.attempts for job in quick} == {1}
    assert check(load()) == []


@pytest.mark.slow
def test_jobs_that_were_thought_quick_do_not_wait_in_a_row_beside_idle_threads(process: WorkerProcess) -> None:
    workflow, queue = make_workflow(steps=[SLEEP]), make_queue()
    jobs = send(workflow, 12, seconds=0.4)
    Drain(process, queue.pk).run()
    assert set(Job.objects.values_list("state", flat=True)) == {State.SUCCEEDED}
    assert Event.objects.filter(job__in=jobs, kind="released").exists()
    assert check(load()) == []


def test_a_job_that_killed_a_worker_has_no_company(process: WorkerProcess) -> None:
    workflow, queue = make_workflow(steps=[SLEEP]), make_queue()
    process.paces.observe(workflow.live_version_id, 0, 0.3)
    suspect, *others = send(workflow, 4, seconds=0.3)
    Job.objects.filter(pk=suspect.pk).update(crashes=1)
    Drain(process, queue.pk).run()
    end = Event.objects.get(job=suspect, kind="succeeded")
    assert not Event.objects.filter(job__in=others, kind="started", at__lt=end.at).exists()
    assert Job.objects.filter(state=State.SUCCEEDED).count() == 4


def test_what_a_job_gave_is_stored_before_one_starts_that_may_kill_the_process(process: WorkerProcess) -> None:
    workflow, queue = make_workflow(), make_queue()
    suspects = send(workflow, 4)
    Job.objects.filter(pk__in=[job.pk for job in suspects]).update(crashes=1)
    Drain(process, queue.pk).run()
    log = Event.objects.filter(job__in=suspects).exclude(kind="created").order_by("id").values_list("job_id", "kind")
    assert list(log) == [(job.pk, kind) for job in suspects for kind in ("started", "succeeded")]


@pytest.mark.parametrize("steps", [[SLEEP], [NOTE, SLEEP]], ids=["in one go", "behind a checkpoint"])
def test_a_lane_is_charged_for_work_and_not_for_waiting_for_a_thread(steps: list[dict[str, object]]) -> None:
    process = WorkerProcess(pool="default", slots=1)
    workflow, queue = make_workflow(steps=steps), make_queue()
    for position in range(len(steps)):
        process.paces.observe(workflow.live_version_id, position, 0.06)
    jobs = send(workflow, 8, seconds=0.06)
    Drain(process, queue.pk).run()
    process.close("the test is over")
    worked = sum(StepRun.objects.filter(job__in=jobs).values_list("seconds", flat=True))
    charged = Lane.objects.get(tenant=workflow.tenant).virtual_time
    assert 0.9 * worked <= charged <= 1.25 * worked


def tasks(queue: Queue) -> list[Task]:
    return [task for job in claim(queue)[0] if isinstance(task := prepare(job), Task)]


def test_a_unit_that_is_given_up_leaves_every_job_in_somebodys_hands() -> None:
    """Those behind a checkpoint that nobody has stored yet, too."""
    workflow, queue = make_workflow(steps=[NOTE, ECHO]), make_queue()
    send(workflow, 3)
    unit = Unit(tasks(queue))
    unit.run()
    remains = unit.abandon()
    assert remains is not None
    assert remains.running is None
    assert len(remains.waiting) == 3
    assert [report.job.id for report in remains.reports] == [remains.waiting[0].job.id]
    assert unit.tasks() == []


def test_the_ids_of_a_job_are_bound_only_while_it_runs() -> None:
    """The thread goes on to other jobs and to lines about none."""
    workflow, queue = make_workflow(steps=[ECHO]), make_queue()
    send(workflow, 1)
    before = dict(bound_ids())
    Unit(tasks(queue)).run()
    assert dict(bound_ids()) == before


def test_a_unit_is_not_given_up_for_a_task_that_has_ended() -> None:
    workflow, queue = make_workflow(steps=[NOTE, ECHO]), make_queue()
    send(workflow, 2)
    first, second = tasks(queue)
    unit = Unit([first, second])
    unit.current = second
    assert unit.abandon(first) is None
    assert not unit.abandoned


def test_a_checkpoint_and_the_release_of_its_job_may_be_written_together(process: WorkerProcess) -> None:
    workflow, queue = make_workflow(steps=[NOTE, ECHO]), make_queue()
    (job,) = send(workflow, 1)
    drain = Drain(process, queue.pk)
    (claimed,) = claim_jobs(queue_id=queue.pk, claimant=drain._claimant, room=Room(4), now=utcnow()).jobs
    task = prepare(claimed)
    assert isinstance(task, Task)
    unit = Unit([task])
    unit.run()
    _, reports = drain._abandon(unit, "the worker stops")
    drain.writer.flush(reports)
    job.refresh_from_db()
    assert (job.state, job.position, job.attempts) == (State.PENDING, 1, 0)
    assert check(load()) == []


def test_what_an_earlier_run_left_of_steps_that_this_one_passed_over_is_not_seen(process: WorkerProcess) -> None:
    keys = {"skip": "faults.skip", "between": "echo", "gate": "faults.gate"}
    steps = [{"key": key, "kind": "python", "config": {"function": function}} for key, function in keys.items()]
    workflow, queue = make_workflow(steps=steps), make_queue()
    (job,) = send(workflow, 1)
    Drain(process, queue.pk).run()
    retry_job(job=job, actor="test", now=utcnow(), payload={"text": "x", "skip": True})
    Drain(process, queue.pk).run()
    rescue.promote_due(now=utcnow() + timedelta(hours=1))
    Drain(process, queue.pk).run()
    job.refresh_from_db()
    assert (job.state, job.result) == (State.SUCCEEDED, {"seen": ["skip"]})


@pytest.mark.parametrize("error", [InterfaceError(0, ""), OperationalError(2013, "Lost connection")])
def test_work_goes_on_when_the_connection_is_back(error: Exception) -> None:
    answers: list[Callable[[], str]] = [lambda: "written", lambda: _raise(error), lambda: _raise(error)]
    start = time.monotonic()
    assert surely(lambda: answers.pop()()) == "written"
    assert time.monotonic() > start


def _raise(error: Exception) -> str:
    raise error
