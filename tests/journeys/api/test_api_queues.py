"""Queues as a tenant sees them, and as the operator of the deployment does."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.domain.states import State
from jobs.models import Lane, Queue
from taskflow.lib.clock import utcnow
from tenants.domain.roles import Scope
from tests.factories import Cast, make_job, make_lane, make_queue, make_workflow
from tests.journeys.api.client import Api, faults, read
from workflows.models import Workflow

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(acme: Cast) -> Api:
    """The key of whoever runs the deployment."""
    return Api(acme.tenant, list(Scope))


def queues(api: Api, **query: str) -> dict[str, Any]:
    return {each["queue"]: each for each in read(api.get("admin/queues", query))["results"]}


def test_a_tenant_sees_its_own_jobs_in_each_queue(api: Api, globex: Cast, workflow: Workflow) -> None:
    now = utcnow()
    make_queue("slow", cap=4, rate=2.5)
    other = make_workflow(globex.tenant, "receipts")
    make_lane(make_queue(), workflow.tenant, cap=3, weight=2.0)
    make_job(workflow, due_at=now - timedelta(minutes=5))
    make_job(workflow, due_at=now - timedelta(minutes=1), priority=1)
    for state in (State.RUNNING, State.SUCCEEDED, State.DEAD):
        make_job(workflow, state)
    make_job(other, due_at=now - timedelta(days=1))
    shown = queues(api)
    assert 300 <= shown["default"].pop("oldest_due_seconds") < 360
    assert shown["default"] == {
        "queue": "default",
        "name": "Default",
        "pool": "default",
        "depth": {"PENDING": 2, "SCHEDULED": 0, "RUNNING": 1, "WAITING": 0},
        "running": 1,
        "cap": None,
        "rate": None,
        "paused": False,
        "lane_cap": 3,
        "lane_weight": 2.0,
        "lane_paused": False,
    }
    assert (shown["slow"]["cap"], shown["slow"]["rate"], shown["slow"]["oldest_due_seconds"]) == (4, 2.5, None)


def test_the_operator_sees_all_tenants_jobs(operator: Api, globex: Cast, workflow: Workflow) -> None:
    make_job(workflow)
    make_job(make_workflow(globex.tenant))
    assert queues(operator, whole="true")["default"]["depth"]["PENDING"] == 2
    assert queues(operator)["default"]["depth"]["PENDING"] == 1


def test_the_figures_cost_the_same_few_queries_for_any_number_of_queues(api: Api, workflow: Workflow) -> None:
    queues(api)
    for number in range(5):
        make_job(workflow, queue=make_queue(f"q{number}"))
    with CaptureQueriesContext(connection) as queries:
        assert len(queues(api)) == 6
    assert len(queries) <= 4


def test_a_tenant_pauses_and_resumes_its_own_lane_only(api: Api, globex: Cast, queue: Queue) -> None:
    theirs = make_lane(queue, globex.tenant)
    answer = read(api.post("admin/queues/default/pause"))
    assert (answer["lane_paused"], answer["paused"]) == (True, False)
    assert Lane.objects.get(pk=theirs.pk).paused_at is None
    assert Queue.objects.get(pk=queue.pk).paused_at is None
    assert read(api.post("admin/queues/default/pause"))["lane_paused"] is True
    assert read(api.post("admin/queues/default/resume"))["lane_paused"] is False


def test_the_operator_pauses_and_resumes_the_whole_queue(operator: Api, queue: Queue) -> None:
    assert read(operator.post("admin/queues/default/pause", {"whole": True}))["paused"] is True
    assert Queue.objects.get(pk=queue.pk).paused_at is not None
    assert read(operator.post("admin/queues/default/resume", {"whole": True}))["paused"] is False


@pytest.mark.parametrize("action", ["pause", "resume"])
def test_the_whole_is_for_keys_of_the_fleet(api: Api, queue: Queue, action: str) -> None:
    detail = "Only a key with the scope fleet reaches beyond its tenant."
    assert read(api.post(f"admin/queues/default/{action}", {"whole": True}), 403)["detail"] == detail
    assert read(api.get("admin/queues", {"whole": "true"}), 403)["detail"] == detail
    assert Queue.objects.get(pk=queue.pk).paused_at is None


def test_what_is_wrong_is_named(api: Api, queue: Queue) -> None:
    assert faults(api.post("admin/queues/default/pause", {"whole": "yes"})) == {"whole": "Must be true or false."}
    assert faults(api.post("admin/queues/default/pause", {"all": True})) == {"all": "This field is not known."}
    assert faults(api.get("admin/queues", {"whole": "maybe"})) == {"whole": "Must be true or false."}
    assert faults(api.get("admin/queues", {"all": "1"})) == {"all": "There is no such parameter."}
    assert read(api.post("admin/queues/nope/pause"), 404)["detail"] == "There is no queue 'nope'."
