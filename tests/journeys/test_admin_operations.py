"""Queues, lanes, workers, bulk actions and workflows in the admin."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from jobs.domain.job_filter import JobFilter
from jobs.domain.states import State
from jobs.models import BulkAction, Event, Job, Lane, Queue
from jobs.runtime.bulk import run_bulk_action
from jobs.services.bulk import (
    CHUNK,
    STALE,
    continue_stale,
    start_bulk_action,
    stop_bulk_action,
    take_bulk_action,
    work_chunk,
)
from taskflow.lib.clock import utcnow
from tests.browser.scene import build_scene, receipts_workflow
from tests.factories import Cast, User, make_job, make_lane, make_lease, make_queue, make_user, make_workflow


def login(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def root(db: None) -> User:
    return make_user("root@example.test", is_superuser=True)


def start(client: Client, **form: object) -> BulkAction:
    response = client.post(reverse("admin:jobs_bulkaction_start"), {"confirmed": "1", **form})
    assert response.status_code == 302
    return BulkAction.objects.latest("pk")


def states_of(jobs: list[Job]) -> list[str]:
    return [Job.objects.get(pk=job.pk).state for job in jobs]


def test_the_confirmation_says_how_many_jobs_at_most_and_changes_nothing(acme: Cast) -> None:
    workflow = make_workflow(acme.tenant, "receipts")
    jobs = [make_job(workflow, state) for state in (State.FAILED, State.DEAD, State.SUCCEEDED, State.RUNNING)]
    form = {"kind": "retry", "scope": "all", "workflow": "receipts", "query": ""}
    response = login(acme.operator).post(reverse("admin:jobs_bulkaction_start"), form)
    assert "up to 2 jobs" in response.content.decode()
    assert not BulkAction.objects.exists()
    assert states_of(jobs) == ["FAILED", "DEAD", "SUCCEEDED", "RUNNING"]


def test_a_bulk_retry_changes_what_matches_the_filters_and_nothing_else(acme: Cast, globex: Cast) -> None:
    workflow = make_workflow(acme.tenant, "receipts")
    meant = [make_job(workflow, State.FAILED) for _ in range(3)]
    others = [
        make_job(workflow, State.DEAD),
        make_job(workflow, State.SUCCEEDED),
        make_job(make_workflow(acme.tenant, "tickets"), State.FAILED),
        make_job(make_workflow(globex.tenant, "receipts"), State.FAILED),
        make_job(workflow, State.FAILED, queue=make_queue("express")),
    ]
    before = states_of(others)
    query = "state=failed&queue=default"
    action = start(login(acme.operator), kind="retry", scope="all", workflow="receipts", query=query)
    run_bulk_action(action.pk)
    action.refresh_from_db()
    assert states_of(meant) == ["PENDING"] * 3
    assert states_of(others) == before
    assert (action.changed, action.skipped, action.seen) == (3, 0, 3)
    assert action.finished_at is not None
    assert {event.actor for event in Event.objects.filter(job__in=meant)} == {"operator@acme.test"}


def test_requeue_takes_the_dead_only(acme: Cast) -> None:
    workflow = make_workflow(acme.tenant)
    jobs = [make_job(workflow, State.FAILED), make_job(workflow, State.DEAD)]
    run_bulk_action(start(login(acme.operator), kind="requeue", scope="all").pk)
    assert states_of(jobs) == ["FAILED", "PENDING"]


def test_a_bulk_cancel_ends_what_waits_and_asks_what_runs_to_stop(acme: Cast) -> None:
    workflow = make_workflow(acme.tenant)
    waiting = [make_job(workflow, state) for state in (State.PENDING, State.SCHEDULED, State.WAITING)]
    running = make_job(workflow, State.RUNNING)
    run_bulk_action(start(login(acme.operator), kind="cancel", scope="all").pk)
    running.refresh_from_db()
    assert states_of(waiting) == ["CANCELLED"] * 3
    assert running.cancel_requested_at is not None


def test_only_ticked_jobs_are_changed_and_those_of_others_never(acme: Cast, globex: Cast) -> None:
    workflow = make_workflow(acme.tenant)
    ticked, other = make_job(workflow, State.FAILED), make_job(workflow, State.FAILED)
    foreign = make_job(make_workflow(globex.tenant), State.FAILED)
    run_bulk_action(start(login(acme.operator), kind="retry", job=[ticked.uid, foreign.uid]).pk)
    assert states_of([ticked, other, foreign]) == ["PENDING", "FAILED", "FAILED"]


@pytest.mark.parametrize("form", [{"kind": "retry"}, {"kind": "retry", "job": "nonsense"}])
def test_a_selection_of_nothing_is_refused_with_a_reason(acme: Cast, form: dict[str, str]) -> None:
    response = login(acme.operator).post(reverse("admin:jobs_bulkaction_start"), form, follow=True)
    assert "job" in str(next(iter(response.context["messages"])))
    assert not BulkAction.objects.exists()


@pytest.mark.parametrize("form", [{"kind": "delete"}, {"kind": "retry", "scope": "all", "workflow": "nowhere"}])
def test_an_unknown_action_or_workflow_is_not_found(acme: Cast, form: dict[str, str]) -> None:
    assert login(acme.operator).post(reverse("admin:jobs_bulkaction_start"), form).status_code == 404


def test_a_filter_that_makes_no_sense_never_means_everything(acme: Cast) -> None:
    form = {"kind": "cancel", "scope": "all", "query": "state=fialed", "confirmed": "1"}
    response = login(acme.operator).post(reverse("admin:jobs_bulkaction_start"), form, follow=True)
    assert "There is no state" in response.content.decode()
    assert not BulkAction.objects.exists()


@pytest.mark.parametrize("role", ["viewer", "reviewer"])
def test_who_may_only_look_cannot_start_or_stop_a_bulk_action(acme: Cast, role: str) -> None:
    client = login(getattr(acme, role))
    assert client.post(reverse("admin:jobs_bulkaction_start"), {"kind": "retry", "scope": "all"}).status_code == 403
    action = make_action(acme, jobs=1)
    assert client.post(reverse("admin:jobs_bulkaction_stop", args=[action.uid])).status_code == 403
    assert client.get(reverse("admin:jobs_bulkaction_change", args=[action.uid])).status_code == 200


def test_the_bulk_actions_of_another_tenant_do_not_exist(acme: Cast, globex: Cast) -> None:
    action, client = make_action(globex, jobs=1), login(acme.owner)
    assert client.get(reverse("admin:jobs_bulkaction_change", args=[action.uid])).status_code == 404
    assert client.post(reverse("admin:jobs_bulkaction_stop", args=[action.uid])).status_code == 404
    assert str(action.uid) not in client.get("/admin/jobs/bulkaction/").content.decode()


def make_action(cast: Cast, jobs: int) -> BulkAction:
    workflow = make_workflow(cast.tenant)
    for _ in range(jobs):
        make_job(workflow, State.FAILED)
    wanted = JobFilter(workflow_id=workflow.pk)
    return start_bulk_action(tenant=cast.tenant, kind="retry", wanted=wanted, user=cast.operator, now=utcnow())


@pytest.mark.slow
def test_an_action_larger_than_a_chunk_is_worked_through_to_its_end(acme: Cast) -> None:
    action = make_action(acme, CHUNK + 5)
    run_bulk_action(action.pk)
    action.refresh_from_db()
    assert (action.changed, action.seen) == (CHUNK + 5, CHUNK + 5)
    assert not Job.objects.filter(state=State.FAILED).exists()


def test_jobs_made_after_the_action_was_started_are_left_alone(acme: Cast) -> None:
    action = make_action(acme, 1)
    late = make_job(Job.objects.get().workflow, State.FAILED)
    run_bulk_action(action.pk)
    assert states_of([late]) == ["FAILED"]


def test_a_second_worker_leaves_an_action_to_the_first(acme: Cast) -> None:
    action = make_action(acme, 1)
    assert take_bulk_action(action_id=action.pk, now=utcnow()) is not None
    assert take_bulk_action(action_id=action.pk, now=utcnow()) is None


def test_a_worker_that_lost_an_action_changes_nothing_more(acme: Cast) -> None:
    action, now = make_action(acme, 2), utcnow()
    late = take_bulk_action(action_id=action.pk, now=now)
    heir = take_bulk_action(action_id=action.pk, now=now + STALE + timedelta(seconds=1))
    assert late is not None
    assert heir is not None
    assert not work_chunk(action=late, now=now)
    action.refresh_from_db()
    assert action.seen == 0
    assert not work_chunk(action=heir, now=now + STALE)
    action.refresh_from_db()
    assert action.changed == 2


def test_an_action_whose_worker_died_is_found_by_the_tick(acme: Cast) -> None:
    action, now = make_action(acme, 1), utcnow()
    take_bulk_action(action_id=action.pk, now=now)
    assert continue_stale(now + timedelta(seconds=5)) == 0
    assert continue_stale(now + STALE + timedelta(seconds=1)) == 1


def test_a_stopped_action_goes_no_further(acme: Cast) -> None:
    action = make_action(acme, 2)
    assert stop_bulk_action(action=action, actor="operator", now=utcnow())
    run_bulk_action(action.pk)
    assert Job.objects.filter(state=State.FAILED).count() == 2
    assert not stop_bulk_action(action=action, actor="operator", now=utcnow())


def test_nobody_writes_a_bulk_action_by_hand(root: User) -> None:
    assert login(root).get(reverse("admin:jobs_bulkaction_add")).status_code == 403


def test_the_progress_page_counts_and_can_stop(acme: Cast) -> None:
    action, client = make_action(acme, 2), login(acme.operator)
    url = reverse("admin:jobs_bulkaction_change", args=[action.uid])
    assert "Waits for a worker" in client.get(url).content.decode()
    client.post(reverse("admin:jobs_bulkaction_stop", args=[action.uid]))
    text = client.get(url).content.decode()
    assert "Stopped by operator@acme.test." in text
    assert "data-live" not in text


def test_an_operator_pauses_and_caps_the_share_of_the_own_tenant(acme: Cast) -> None:
    queue, client = make_queue("default"), login(acme.operator)
    client.post(reverse("admin:jobs_queue_pause", args=["default"]), {"do": "pause"})
    client.post(reverse("admin:jobs_queue_cap", args=["default"]), {"cap": "3"})
    queue.refresh_from_db()
    lane = Lane.objects.get(queue=queue, tenant=acme.tenant)
    assert (queue.paused_at, queue.cap) == (None, None)
    assert lane.paused_at is not None
    assert lane.cap == 3
    client.post(reverse("admin:jobs_queue_pause", args=["default"]), {"do": "resume"})
    lane.refresh_from_db()
    assert lane.paused_at is None


def test_who_runs_the_deployment_pauses_and_caps_whole_queues(acme: Cast, root: User) -> None:
    queue, client = make_queue("default"), login(root)
    client.post(reverse("admin:jobs_queue_pause", args=["default"]), {"do": "pause"})
    client.post(reverse("admin:jobs_queue_cap", args=["default"]), {"cap": ""})
    client.post(reverse("admin:jobs_queue_cap", args=["default"]), {"cap": "7"})
    queue.refresh_from_db()
    assert queue.paused_at is not None
    assert queue.cap == 7


@pytest.mark.parametrize("cap", ["-1", "many", "1e9", "99999999999"])
def test_a_cap_that_is_no_number_is_refused_with_a_reason(root: User, acme: Cast, cap: str) -> None:
    make_queue("default", cap=5)
    response = login(root).post(reverse("admin:jobs_queue_cap", args=["default"]), {"cap": cap}, follow=True)
    assert "Cap:" in response.content.decode()
    assert Queue.objects.get().cap == 5


@pytest.mark.parametrize("role", ["viewer", "reviewer"])
def test_who_may_only_look_changes_no_queue(acme: Cast, role: str) -> None:
    make_queue("default")
    client = login(getattr(acme, role))
    assert client.get("/admin/jobs/queue/").status_code == 200
    for name in ("pause", "cap"):
        assert client.post(reverse(f"admin:jobs_queue_{name}", args=["default"]), {"do": "pause"}).status_code == 403


def test_an_operator_sees_the_figures_of_the_own_tenant_only(acme: Cast, globex: Cast) -> None:
    for _ in range(7):
        make_job(make_workflow(globex.tenant))
    make_job(make_workflow(acme.tenant))
    rows = login(acme.operator).get("/admin/jobs/queue/").context["rows"]
    assert [row["figures"].depth["PENDING"] for row in rows] == [1]


def test_only_who_runs_the_deployment_edits_queues_and_weights(acme: Cast, root: User) -> None:
    queue, lane = make_queue("default"), make_lane(tenant=acme.tenant)
    assert login(acme.owner).get(reverse("admin:jobs_queue_change", args=[queue.pk])).status_code == 403
    assert login(acme.owner).get(reverse("admin:jobs_queue_add")).status_code == 403
    login(acme.owner).post(reverse("admin:jobs_lane_change", args=[lane.pk]), {"weight": "900", "cap": "4"})
    lane.refresh_from_db()
    assert (lane.weight, lane.cap) == (1.0, 4)
    assert login(root).get(reverse("admin:jobs_lane_add")).status_code == 200
    assert login(root).get(reverse("admin:jobs_lane_change", args=[lane.pk])).status_code == 200
    login(root).post(reverse("admin:jobs_lane_change", args=[lane.pk]), {"weight": "3", "cap": ""})
    lane.refresh_from_db()
    assert (lane.weight, lane.cap) == (3.0, None)


def test_the_lanes_of_another_tenant_do_not_exist(acme: Cast, globex: Cast) -> None:
    lane, client = make_lane(tenant=globex.tenant), login(acme.owner)
    assert client.get(reverse("admin:jobs_lane_changelist")).status_code == 200
    assert client.get(reverse("admin:jobs_lane_change", args=[lane.pk])).status_code == 404
    form = {"action": "pause", "_selected_action": [lane.pk]}
    client.post(reverse("admin:jobs_lane_changelist"), form)
    lane.refresh_from_db()
    assert lane.paused_at is None


def test_lanes_are_paused_and_resumed_from_their_list(acme: Cast) -> None:
    lane, client = make_lane(tenant=acme.tenant), login(acme.operator)
    for action, paused in (("pause", True), ("resume", False)):
        client.post(reverse("admin:jobs_lane_changelist"), {"action": action, "_selected_action": [lane.pk]})
        lane.refresh_from_db()
        assert (lane.paused_at is not None) is paused


def test_workers_are_alive_silent_or_ended_by_the_databases_clock(acme: Cast) -> None:
    now = utcnow()
    make_lease(host="living", age=1)
    make_lease(host="silent", age=300)
    make_lease(host="leaving", age=1, stopping_at=now)
    make_lease(host="gone", age=300, ended_at=now)
    make_lease(host="forgotten", age=90_000, ended_at=now - timedelta(days=1))
    workers = login(acme.operator).get("/admin/jobs/workerlease/").context["workers"]
    found = {worker.lease.host: worker.state for worker in workers}
    assert found == {"living": "alive", "leaving": "stopping", "silent": "stale", "gone": "ended"}


def test_a_viewer_does_not_see_the_workers(acme: Cast) -> None:
    client = login(acme.viewer)
    assert client.get("/admin/jobs/workerlease/").status_code == 403
    assert "/admin/jobs/workerlease/" not in client.get("/admin/").content.decode()


def test_the_page_of_a_workflow_is_its_builder(acme: Cast) -> None:
    workflow = receipts_workflow(acme)
    client, url = login(acme.operator), reverse("admin:workflows_workflow_change", args=[workflow.pk])
    text = client.get(url, follow=True).content.decode()
    assert "Send to accounting" in text
    assert "Editors and owners change it" in text
    assert client.post("/admin/build/receipts/edit/", {"action": "delete-step", "step": "post"}).status_code == 403


def test_the_pages_of_the_deployment_are_for_superusers(acme: Cast, root: User) -> None:
    names = ["django_celery_beat_periodictask", "django_celery_beat_crontabschedule", "auth_user", "auth_group"]
    for name in names:
        for page in ("changelist", "add"):
            url = reverse(f"admin:{name}_{page}")
            assert login(acme.owner).get(url).status_code == 403
            assert login(root).get(url).status_code == 200


@pytest.mark.slow
def test_a_superuser_without_a_tenant_sees_every_page(acme: Cast, globex: Cast, root: User) -> None:
    build_scene(acme, jobs=2)
    client = login(root)
    for name in ("jobs_job", "jobs_queue", "jobs_lane", "jobs_workerlease", "jobs_bulkaction", "workflows_workflow"):
        assert client.get(reverse(f"admin:{name}_changelist")).status_code == 200
    assert client.get("/admin/").status_code == 200


def test_the_start_page_of_a_new_deployment_says_how_to_begin(root: User) -> None:
    text = login(root).get("/admin/").content.decode()
    assert "Begin with a tenant" in text
    assert "No worker is alive" in text
