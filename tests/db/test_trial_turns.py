"""Test runs beside live work: neither keeps the other from its share."""

from datetime import timedelta
from itertools import pairwise

import pytest

from jobs.domain.fairness import LaneShare
from jobs.domain.states import State
from jobs.domain.trials import PATIENCE_SECONDS, turn_of
from jobs.models import Job, Lane, Trial
from jobs.runtime.drain import Drain
from jobs.runtime.process import WorkerProcess
from jobs.runtime.trials import run_trial
from jobs.services.queues import pause_queue
from jobs.services.trials import start_trial
from taskflow.lib.clock import utcnow
from tests.factories import NOW, make_job, make_lane, make_lease, make_queue, make_tenant, make_workflow
from workflows.models import Sample, Workflow

SLEEP = {"kind": "python", "config": {"function": "sleep", "params": {"seconds": 0.02}}}


def lane(pk: int, virtual_time: float, *, idle: bool = False) -> LaneShare:
    return LaneShare(pk, pk, 1.0, None, virtual_time, idle)


def test_a_run_goes_on_and_pays_nothing_where_nobody_else_waits() -> None:
    turn = turn_of(lane(1, 900), [lane(1, 900)], free_slots=False, waited=0)
    assert (turn.runs, turn.charged) == (True, False)


def test_a_run_that_is_ahead_waits_unless_a_slot_is_free_or_it_waited_long() -> None:
    own, due = lane(1, 5), [lane(2, 4), lane(3, 9)]
    assert not turn_of(own, due, free_slots=False, waited=1).runs
    assert turn_of(own, due, free_slots=True, waited=1).runs
    assert turn_of(own, due, free_slots=False, waited=PATIENCE_SECONDS).runs
    assert turn_of(lane(1, 4), due, free_slots=False, waited=1).runs


def test_an_idle_lane_brings_no_credit_along() -> None:
    turn = turn_of(lane(1, 0, idle=True), [lane(2, 50), lane(3, 60)], free_slots=False, waited=0)
    assert (turn.runs, turn.charged, turn.virtual_time) == (True, True, 50)


def test_what_a_run_missed_while_it_contended_is_made_good() -> None:
    turn = turn_of(lane(1, 5), [lane(2, 50)], free_slots=False, waited=0, contends=True)
    assert (turn.runs, turn.virtual_time) == (True, 5)


def test_a_lane_that_comes_back_is_no_reason_to_wait_for_its_old_time() -> None:
    own = lane(1, 500)
    assert turn_of(own, [own, lane(2, 3, idle=True)], free_slots=False, waited=0).runs


@pytest.fixture
def trial(db: None) -> Trial:
    """A run over a hundred samples of a step that takes a while."""
    return sleepy(100)


def sleepy(samples: int) -> Trial:
    workflow = make_workflow(steps=[SLEEP])
    # MySQL, unlike the others, does not tell the ids of rows that are made in bulk.
    Sample.objects.bulk_create(Sample(workflow=workflow, input={"n": n}) for n in range(samples))
    rows = list(workflow.samples.order_by("pk"))
    return start_trial(workflow=workflow, samples=rows, user=None, now=NOW)


def others(workflow: Workflow | None = None, *, jobs: int, virtual_time: float = 0.0) -> Lane:
    """Make due jobs of another tenant, whose lane is not idle."""
    workflow = workflow or make_workflow(make_tenant(), steps=[SLEEP])
    for _ in range(jobs):
        make_job(workflow, State.PENDING)
    return make_lane(make_queue(), workflow.tenant, virtual_time=virtual_time, idle=False)


def test_a_paused_queue_or_lane_holds_a_run_up(trial: Trial) -> None:
    queue = make_queue()
    pause_queue(queue=queue, actor="ann", now=NOW)
    run_trial(trial.pk, clock=lambda: NOW)
    trial.refresh_from_db()
    assert (trial.done, trial.note, trial.state) == (0, "The queue is paused.", "running")
    assert trial.due_at > NOW


def test_a_run_pays_for_the_time_others_wait_and_then_gives_way(trial: Trial) -> None:
    theirs = others(jobs=3)
    run_trial(trial.pk, slots=2)
    trial.refresh_from_db()
    own = Lane.objects.get(tenant=trial.tenant)
    assert 0 < trial.done < 20  # a handful, then it is the others' turn
    assert own.virtual_time == pytest.approx(theirs.virtual_time + trial.seconds, rel=0.01)
    assert own.idle
    before = trial.done
    run_trial(trial.pk, slots=2)
    trial.refresh_from_db()
    assert trial.done == before
    Lane.objects.filter(pk=theirs.pk).update(virtual_time=own.virtual_time + 0.2)
    run_trial(trial.pk, slots=2)
    trial.refresh_from_db()
    assert trial.done > before


def test_a_run_whose_lane_weighs_more_pays_less(trial: Trial) -> None:
    others(jobs=3)
    make_lane(make_queue(), trial.tenant, weight=4.0)
    run_trial(trial.pk, slots=2)
    trial.refresh_from_db()
    assert Lane.objects.get(tenant=trial.tenant).virtual_time == pytest.approx(trial.seconds / 4, rel=0.01)


@pytest.mark.slow
def test_a_run_goes_on_beside_live_work_while_other_workers_have_slots(trial: Trial) -> None:
    others(jobs=3)
    make_lane(make_queue(), trial.tenant, virtual_time=50.0)
    make_lease(slots=8)
    run_trial(trial.pk, slots=2)
    trial.refresh_from_db()
    assert trial.done > 0


def test_a_run_far_ahead_has_a_turn_after_twenty_seconds_all_the_same(trial: Trial) -> None:
    others(jobs=3)
    make_lane(make_queue(), trial.tenant, virtual_time=5_000.0)
    run_trial(trial.pk, slots=2, clock=lambda: NOW + timedelta(seconds=5))
    trial.refresh_from_db()
    assert trial.done == 0
    run_trial(trial.pk, slots=2, clock=lambda: NOW + timedelta(seconds=PATIENCE_SECONDS))
    trial.refresh_from_db()
    assert 0 < trial.done < 20


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_long_run_and_another_tenants_jobs_share_one_worker(settings) -> None:
    """With one process that does nothing but run what was hinted at, in turn."""
    settings.DRAIN_SLICE_SECONDS = 0.5
    trial = sleepy(1000)
    others(jobs=400)
    process, queue = WorkerProcess(pool="default", slots=2), make_queue()
    process.start_heartbeat()
    shares: list[tuple[float, float]] = []
    try:
        while Job.objects.filter(state=State.PENDING.value).exists() and not trial.is_over:
            run_trial(trial.pk, slots=2)
            Trial.objects.filter(pk=trial.pk).update(due_at=utcnow(), served_at=utcnow() - timedelta(seconds=3))
            Drain(process, queue.pk).run()
            trial.refresh_from_db()
            shares.append((trial.seconds, Job.objects.filter(state=State.SUCCEEDED.value).count() * 0.02))
    finally:
        process.close("the test is over")
    assert len(shares) > 4  # the drain made room again and again, though jobs were due all the time
    assert all(later[0] > before[0] and later[1] > before[1] for before, later in pairwise(shares[:-1]))
    ours, theirs = shares[-2]
    assert 0.3 < ours / theirs < 3
