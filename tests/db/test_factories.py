"""The factories make rows that hold together."""

import pytest

from jobs.domain.states import State
from tests.factories import NOW, Cast, make_job, make_lane, make_lease, make_queue, make_workflow
from workflows.runtime import get_plan, run_plan


def test_a_cast_has_one_user_of_each_role(acme: Cast, globex: Cast) -> None:
    roles = acme.tenant.memberships.values_list("user__username", "role")
    assert sorted(roles) == [
        (f"{role}@acme.test", role) for role in ("editor", "operator", "owner", "reviewer", "viewer")
    ]
    assert globex.owner.username == "owner@globex.test"


@pytest.mark.django_db
def test_a_made_workflow_has_a_live_version_that_runs() -> None:
    workflow = make_workflow()
    result = run_plan(get_plan(workflow.live_version_id), {"a": 1}, tenant={}, now=NOW)
    assert result.error is None
    assert result.record == {"a": 1}


@pytest.mark.django_db
@pytest.mark.parametrize("state", list(State))
def test_a_job_can_be_made_in_every_state(state: State) -> None:
    job = make_job(state=state)
    job.refresh_from_db()
    assert (job.state, job.payload) == (state.value, {"text": "hello"})
    assert (job.finished_at is not None) == (state in {"SUCCEEDED", "FAILED", "DEAD", "CANCELLED"})


@pytest.mark.django_db
def test_queues_and_lanes_are_made_once() -> None:
    lane = make_lane(cap=3)
    assert make_lane(lane.queue, lane.tenant, weight=2.0).pk == lane.pk
    assert make_queue(lane.queue.slug, cap=5).pk == lane.queue_id


@pytest.mark.django_db
def test_a_lease_keeps_the_age_of_its_heartbeat() -> None:
    fresh, stale = make_lease(), make_lease(age=60)
    assert (fresh.heartbeat_at - stale.heartbeat_at).total_seconds() == pytest.approx(60, abs=5)
