"""Which version a job runs: chosen when it is sent, kept for life, changed before it began, or run again anew."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.domain.job_filter import JobFilter
from jobs.domain.states import State
from jobs.domain.submission import NewJob
from jobs.models import BulkAction, Event, Job, StepRun
from jobs.runtime.bulk import run_bulk_action
from jobs.runtime.drain import Drain
from jobs.runtime.process import WorkerProcess
from jobs.services.bulk import start_bulk_action
from jobs.services.submit import check_requests, submit_job
from jobs.services.versioning import LeftAlone, kept_runs, move_job, rerun_job, rerun_uid
from taskflow.lib.clock import utcnow
from taskflow.lib.ids import new_uid
from tests.factories import NOW, make_job, make_tenant, make_user, make_version, make_workflow
from workflows.models import Workflow
from workflows.queries import LiveVersion
from workflows.services.releases import end_release, point, roll_back, set_share, undo_release

pytestmark = pytest.mark.django_db


def step(key: str, text: str, **more: Any) -> dict[str, Any]:
    return {"key": key, "kind": "transform", "config": {"fields": [{"name": key, "template": text}]}} | more


FIRST = (step("a", "a1"), step("b", "b1 {{ steps.a.a }}"), step("c", "c1 {{ steps.b.b }}"))
SECOND = (FIRST[0], step("b", "b2 {{ steps.a.a }}"), FIRST[2])


@pytest.fixture
def workflow() -> Workflow:
    """A workflow whose second version is being released to half of the jobs."""
    workflow = make_workflow(make_tenant("acme"), "letters", steps=FIRST, version={"fields": [{"key": "text"}]})
    live = workflow.live_version
    version = make_version(workflow, number=2, steps=SECOND, fields=[{"key": "text"}])
    workflow.live_version = live
    point(workflow, "published", version, 50, now=NOW)
    return workflow


@pytest.fixture
def process() -> Iterator[WorkerProcess]:
    process = WorkerProcess(pool="default", slots=2)
    yield process
    process.close("the test is over")


def send(workflow: Workflow, uid: Any = None, **payload: Any) -> Job:
    return submit_job(
        tenant_id=workflow.tenant_id, request=NewJob(workflow.slug, payload or {"text": "x"}, uid=uid), now=utcnow()
    )


def numbers(workflow: Workflow) -> set[int | None]:
    return {send(workflow).version.number for _ in range(40)}


@given(share=st.integers(1, 99), uid=st.uuids())
def test_the_choice_is_the_same_each_time_and_stays_when_the_share_grows(share: int, uid: Any) -> None:
    coming = LiveVersion(1, 2, 2, "q", ())
    live = LiveVersion(1, 1, 1, "q", (), next=coming, share=share)
    assert live.chosen_for(uid) is live.chosen_for(uid)
    if live.chosen_for(uid) is coming:
        assert LiveVersion(1, 1, 1, "q", (), next=coming, share=share + 1).chosen_for(uid) is coming


@pytest.mark.parametrize("share", [5, 25, 50])
def test_the_choice_is_even(share: int) -> None:
    live = LiveVersion(1, 1, 1, "q", (), next=LiveVersion(1, 2, 2, "q", ()), share=share)
    chosen = sum(live.chosen_for(new_uid()).number == 2 for _ in range(20_000))
    # Six standard deviations of a fair coin of that bias.
    assert abs(chosen - 200 * share) < 6 * (20_000 * share / 100 * (1 - share / 100)) ** 0.5


def test_new_jobs_run_the_live_version_and_a_share_of_them_the_next(workflow: Workflow) -> None:
    assert numbers(workflow) == {1, 2}
    uid = new_uid()
    assert len({send(workflow, uid=uid).version.number, Job.objects.get(uid=uid).version.number}) == 1


def test_a_release_is_raised_ended_rolled_back_and_undone(workflow: Workflow) -> None:
    set_share(workflow=workflow, share=100, now=NOW)
    assert numbers(workflow) == {2}
    release = roll_back(workflow=workflow, number=1, now=NOW, reason="worse")
    assert numbers(workflow) == {1}
    undo_release(workflow=workflow, release_id=release.pk, now=NOW)
    assert numbers(workflow) == {2}
    with pytest.raises(ValueError, match="Something else"):
        undo_release(workflow=workflow, release_id=release.pk, now=NOW)
    with pytest.raises(ValueError, match="has no version 9"):
        roll_back(workflow=workflow, number=9, now=NOW)
    with pytest.raises(ValueError, match="No version is being released"):
        end_release(workflow=workflow, now=NOW)
    kinds = workflow.releases.values_list("kind", flat=True)
    assert list(kinds) == ["published", "shared", "rolled_back", "undone"]


def test_ending_a_release_leaves_all_new_jobs_to_the_live_version(workflow: Workflow) -> None:
    end = end_release(workflow=workflow, now=NOW)
    assert numbers(workflow) == {1}
    undo_release(workflow=workflow, release_id=end.pk, now=NOW)
    assert numbers(workflow) == {1, 2}


def test_a_payload_that_fits_only_the_live_version_is_not_lost_to_a_release(workflow: Workflow) -> None:
    strict = make_version(workflow, number=3, steps=SECOND, fields=[{"key": "text"}, {"key": "shop", "required": True}])
    workflow.live_version = workflow.versions.get(number=1)
    point(workflow, "published", strict, 50, now=NOW)
    assert numbers(workflow) == {1}
    assert {send(workflow, text="x", shop="y").version.number for _ in range(40)} == {1, 3}
    requests = [NewJob(workflow.slug, {"text": "x"})] * 20
    assert check_requests(tenant_id=workflow.tenant_id, requests=requests, now=NOW) == []


def test_a_job_that_has_not_begun_is_moved_with_an_event(workflow: Workflow) -> None:
    version = workflow.versions.get(number=2)
    job = make_job(workflow, State.SCHEDULED)
    move_job(job=job, version=version, actor="ann", now=NOW)
    job.refresh_from_db()
    assert (job.version, job.state) == (version, "SCHEDULED")
    event = Event.objects.get(job=job)
    assert (event.kind, event.actor, event.data) == ("moved", "ann", {"version": 2, "before": 1})


@pytest.mark.parametrize(
    ("state", "fields", "reason"),
    [
        (State.RUNNING, {}, "had begun"),
        (State.PENDING, {"attempts": 1}, "had begun"),
        (State.PENDING, {"position": 1}, "had begun"),
        (State.PENDING, {"run_number": 2}, "had begun"),
        (State.SUCCEEDED, {}, "had begun"),
        (State.PENDING, {"payload": {"text": 5}}, "does not fit"),
    ],
)
def test_a_job_that_has_begun_or_does_not_fit_stays(
    workflow: Workflow, state: State, fields: dict[str, Any], reason: str
) -> None:
    job = make_job(workflow, state, **fields)
    with pytest.raises(LeftAlone, match=reason):
        move_job(job=job, version=workflow.versions.get(number=2), actor="ann", now=NOW)
    assert Job.objects.get(pk=job.pk).version.number == 1
    assert not Event.objects.filter(job=job).exists()


def test_a_finished_job_runs_again_from_the_first_changed_step(workflow: Workflow, process: WorkerProcess) -> None:
    end_release(workflow=workflow, now=NOW)
    old = send(workflow)
    Drain(process, old.queue_id).run()
    version = workflow.versions.get(number=2)
    new = rerun_job(job=old, version=version, actor="ann", now=utcnow())
    assert (new.position, new.source, new.correlation_id) == (1, f"rerun:{old.uid}", old.correlation_id)
    Drain(process, old.queue_id).run()
    old.refresh_from_db()
    new.refresh_from_db()
    assert (old.state, old.result) == ("SUCCEEDED", {"a": "a1", "b": "b1 a1", "c": "c1 b1 a1"})
    assert (new.state, new.result) == ("SUCCEEDED", {"a": "a1", "b": "b2 a1", "c": "c1 b2 a1"})
    assert list(StepRun.objects.filter(job=new).values_list("step_key", "attempt")) == [("a", 0), ("b", 1), ("c", 1)]
    assert Event.objects.filter(job=old).last().data == {"version": 2, "job": str(new.uid)}
    with pytest.raises(LeftAlone, match="before"):
        rerun_job(job=old, version=version, actor="ann", now=utcnow())


def test_a_failed_job_runs_again_from_where_it_failed_if_that_is_what_changed(workflow: Workflow) -> None:
    old = make_job(workflow, State.FAILED, position=1)
    StepRun.objects.create(
        job=old, position=0, attempt=1, step_key="a", output={"a": "a1"}, seconds=1.0, cost=0.5, finished_at=NOW
    )
    new = rerun_job(job=old, version=workflow.versions.get(number=2), actor="ann", now=NOW)
    run = StepRun.objects.get(job=new)
    assert (new.position, run.output, run.cost, run.seconds) == (1, {"a": "a1"}, 0.0, 0.0)


def test_what_changed_nowhere_is_not_run_again(workflow: Workflow) -> None:
    same = make_version(workflow, number=3, steps=FIRST, fields=[{"key": "text"}])
    for state, reason in ((State.SUCCEEDED, "none has changed"), (State.RUNNING, "not over")):
        with pytest.raises(LeftAlone, match=reason):
            rerun_job(
                job=make_job(workflow, state, version=workflow.versions.get(number=1)), version=same, actor="", now=NOW
            )
    with pytest.raises(LeftAlone, match="this version already"):
        rerun_job(job=make_job(workflow, State.FAILED, version=same), version=same, actor="", now=NOW)


def runs(job: Job, *positions: int, error: int | None = None) -> None:
    for position in positions:
        StepRun.objects.create(
            job=job,
            position=position,
            attempt=1,
            step_key="abcdef"[position],
            output={},
            error={"error": "Boom"} if position == error else None,
            seconds=0.1,
            finished_at=NOW,
        )


@pytest.mark.parametrize(
    ("way", "ended_at", "changed", "error", "kept", "goes_on_at"),
    [
        ((0, 1, 2, 3, 4), 5, 3, None, 3, 3),
        ((0, 1, 2, 3, 4), 5, 0, None, 0, 0),
        ((0, 1, 4), 5, 3, None, 1, 1),
        ((0, 1, 3), 5, 3, None, 1, 1),
        ((0, 2, 3, 4), 5, 3, None, 2, 3),
        ((0, 1), 5, 3, None, 1, 1),
        ((0, 1), 2, 4, None, 2, 2),
        ((0, 1, 2), 5, 4, 1, 1, 1),
    ],
    ids=["behind", "first", "jumped past", "jumped to", "jumped before", "stopped", "failed", "passed over"],
)
def test_what_is_kept_ends_at_a_change_a_failure_or_a_jump_to_or_past_the_change(
    way: tuple[int, ...], ended_at: int, changed: int, error: int | None, kept: int, goes_on_at: int
) -> None:
    steps = [step(key, key) for key in "abcde"]
    workflow = make_workflow(steps=steps)
    steps[changed] = step("abcde"[changed], "other")
    first = workflow.live_version
    job = make_job(workflow, State.FAILED, version=first, position=ended_at)
    runs(job, *way, error=error)
    found, position = kept_runs(job, make_version(workflow, number=2, steps=steps))
    assert (len(found), position) == (kept, goes_on_at)


def test_the_id_of_a_repeated_job_is_always_the_same_and_a_uuid7() -> None:
    uid = new_uid()
    again = rerun_uid(uid, 2)
    assert (again, again.version, again.variant) == (rerun_uid(uid, 2), 7, uid.variant)
    assert len({uid, again, rerun_uid(uid, 3), rerun_uid(new_uid(), 2)}) == 4


def act(workflow: Workflow, kind: str, **more: Any) -> BulkAction:
    wanted = JobFilter(workflow_id=workflow.pk)
    action = start_bulk_action(tenant=workflow.tenant, kind=kind, wanted=wanted, user=make_user(), now=NOW, **more)
    run_bulk_action(action.pk)
    action.refresh_from_db()
    return action


def test_many_are_moved_in_the_background_and_those_that_stay_are_told(workflow: Workflow) -> None:
    for fields in ({}, {}, {"attempts": 1}, {"payload": {"text": 1}}):
        make_job(workflow, **fields)
    action = act(workflow, "move", version=workflow.versions.get(number=2))
    assert (action.changed, action.skipped, action.filters["expected"]) == (2, 2, 4)
    assert sorted(action.filters["skipped"].values()) == [1, 1]
    assert list(Job.objects.order_by("pk").values_list("version__number", flat=True)) == [2, 2, 1, 1]


def test_many_are_run_again_on_the_live_version_once(workflow: Workflow) -> None:
    set_share(workflow=workflow, share=100, now=NOW)
    first = workflow.versions.get(number=1)
    for state in (State.SUCCEEDED, State.FAILED, State.PENDING):
        make_job(workflow, state, version=first)
    assert act(workflow, "rerun").changed == 2
    again = act(workflow, "rerun")
    assert (again.changed, again.filters["skipped"]) == (0, {"were run again on this version before": 2})
    assert Job.objects.filter(source__startswith="rerun:", version__number=2).count() == 2
