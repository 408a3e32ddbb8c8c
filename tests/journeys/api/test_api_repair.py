"""Reading one job whole, cancelling it and retrying it."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.domain.states import CANCELLABLE, FINAL, RETRYABLE, AttemptOutcome, EventKind, State
from jobs.models import Attempt, Event, Job, StepRun
from taskflow.lib.clock import utcnow
from tests.factories import ECHO, NOW, Cast, make_job, make_lane, make_lease, make_queue, make_workflow
from tests.journeys.api.client import Api, faults, read
from workflows.models import Workflow

pytestmark = pytest.mark.django_db

STEPS = ({"key": "fetch"} | ECHO, {"key": "parse"} | ECHO)


@pytest.fixture
def receipts(acme: Cast) -> Workflow:
    return make_workflow(acme.tenant, "receipts", steps=STEPS)


def failed_job(workflow: Workflow, state: State = State.FAILED) -> Job:
    """A job that finished its first step and failed for good at its second."""
    job = make_job(workflow, state, position=1, error_class="PermanentError", error_message="no total")
    moment = NOW + timedelta(minutes=1)
    StepRun.objects.create(
        job=job, position=0, attempt=1, step_key="fetch", output={"n": 10**30}, seconds=0.5, finished_at=moment
    )
    Attempt.objects.create(
        job=job,
        number=1,
        outcome=AttemptOutcome.FAILED.value,
        worker="host:1",
        step_key="parse",
        error_class="PermanentError",
        error_message="no total",
        traceback="Traceback …",
        started_at=moment,
        finished_at=moment,
    )
    Event.objects.create(job=job, at=NOW, kind=EventKind.CREATED.value, state="PENDING", actor="api:x")
    data = {"step": "parse", "reason": "PermanentError: retrying cannot help"}
    Event.objects.create(job=job, at=moment, kind=EventKind.FAILED.value, state=state.value, attempt=1, data=data)
    return job


def test_a_job_is_told_with_its_history(api: Api, receipts: Workflow) -> None:
    job = failed_job(receipts)
    child = make_job(receipts, parent=job)
    story = read(api.get(f"jobs/{job.uid}"))
    assert story["error"] == {"class": "PermanentError", "message": "no total", "step": "parse"}
    assert story["step"] == "parse"
    assert [run["output"] for run in story["step_runs"]] == [{"n": 10**30}]
    assert story["attempts"][0] | {"started_at": "", "finished_at": ""} == {
        "number": 1,
        "outcome": "failed",
        "worker": "host:1",
        "step": "parse",
        "error": story["error"],
        "traceback": "Traceback …",
        "started_at": "",
        "finished_at": "",
    }
    assert [(event["kind"], event["state"]) for event in story["events"]] == [
        ("created", "PENDING"),
        ("failed", "FAILED"),
    ]
    assert story["children"] == [{"id": str(child.uid), "state": "PENDING"}]
    assert story["explanation"].startswith("It failed for good at step 'parse' with PermanentError (no total)")


def test_a_due_job_is_explained_by_what_keeps_it_from_starting(api: Api, receipts: Workflow, acme: Cast) -> None:
    job = make_job(receipts)

    def explanation() -> str:
        return str(read(api.get(f"jobs/{job.uid}"))["explanation"])

    assert "No worker serves the pool 'default'" in explanation()
    make_lease()
    assert "It starts as soon as a worker has a free slot" in explanation()
    queue = make_queue("default", cap=1)
    make_job(receipts, State.RUNNING)
    assert "The one job that the queue 'default' may run at once is running" in explanation()
    make_lane(queue, acme.tenant, cap=1)
    assert "The one job that this tenant may run at once in the queue 'default' is running" in explanation()
    make_lane(queue, acme.tenant, paused_at=utcnow())
    assert "This tenant's jobs in the queue 'default' were paused" in explanation()
    make_queue("default", paused_at=utcnow())
    assert "The queue 'default' was paused" in explanation()


def test_a_running_job_is_explained_by_its_worker(api: Api, receipts: Workflow) -> None:
    fresh, stale = make_lease(pid=7), make_lease(pid=8, age=3600)
    running = make_job(receipts, State.RUNNING, lease_id=fresh.pk)
    lost = make_job(receipts, State.RUNNING, lease_id=stale.pk)
    assert "It is running at step 'fetch' on test-host:7" in read(api.get(f"jobs/{running.uid}"))["explanation"]
    assert "Its worker has not been heard of lately" in read(api.get(f"jobs/{lost.uid}"))["explanation"]


def test_a_job_cancelled_while_it_ran_is_explained_by_who_asked(api: Api, receipts: Workflow) -> None:
    job = make_job(receipts, State.CANCELLED)
    Event.objects.create(job=job, at=NOW, kind=EventKind.CANCEL_REQUESTED.value, actor="anna@acme.test")
    Event.objects.create(job=job, at=NOW, kind=EventKind.CANCELLED.value, state="CANCELLED", actor="host:1")
    assert "It was cancelled by anna@acme.test" in read(api.get(f"jobs/{job.uid}"))["explanation"]


@pytest.mark.parametrize("state", list(State))
def test_a_job_in_any_state_is_told_in_few_queries(api: Api, receipts: Workflow, state: State) -> None:
    job = make_job(receipts, state, lease_id=make_lease().pk if state is State.RUNNING else None)
    make_queue("default", cap=5)
    make_lane(job.queue, job.tenant, cap=5)
    read(api.get(f"jobs/{job.uid}"))
    with CaptureQueriesContext(connection) as queries:
        assert read(api.get(f"jobs/{job.uid}"))["explanation"]
    assert len(queries) <= 12


@pytest.mark.parametrize("state", [*CANCELLABLE, State.CANCELLED])
def test_a_job_that_nothing_runs_is_cancelled_at_once(api: Api, receipts: Workflow, state: State) -> None:
    job = make_job(receipts, state)
    assert read(api.post(f"jobs/{job.uid}/cancel"))["state"] == "CANCELLED"
    assert Job.objects.get(pk=job.pk).state == "CANCELLED"


def test_a_running_job_is_asked_to_stop(api: Api, receipts: Workflow) -> None:
    job = make_job(receipts, State.RUNNING)
    answer = read(api.post(f"jobs/{job.uid}/cancel"))
    assert answer["state"] == "RUNNING"
    assert answer["cancel_requested_at"]
    assert Event.objects.get(job=job).actor == f"api:{api.api_key.prefix}"


@pytest.mark.parametrize("state", sorted(FINAL - {State.CANCELLED}))
def test_a_job_that_is_over_cannot_be_cancelled(api: Api, receipts: Workflow, state: State) -> None:
    job = make_job(receipts, state)
    document = read(api.post(f"jobs/{job.uid}/cancel"), 409)
    assert document["type"] == "urn:taskflow:problem:not-cancellable"
    assert document["detail"] == f"The job is {state.value} already."


@pytest.mark.parametrize("state", sorted(RETRYABLE))
def test_a_job_that_failed_goes_on_where_it_stopped(api: Api, receipts: Workflow, state: State) -> None:
    job = failed_job(receipts, state)
    answer = read(api.post(f"jobs/{job.uid}/retry"))
    assert (answer["state"], answer["error"], answer["finished_at"]) == ("PENDING", None, None)
    assert Job.objects.get(pk=job.pk).position == 1
    story = read(api.get(f"jobs/{job.uid}"))
    assert f"It was retried by api:{api.api_key.prefix}" in story["explanation"]
    assert "goes on from step 'parse'" in story["explanation"]


def test_a_job_is_retried_from_a_step_it_has_passed(api: Api, receipts: Workflow) -> None:
    job = failed_job(receipts)
    read(api.post(f"jobs/{job.uid}/retry", {"from_step": "fetch"}))
    assert Job.objects.get(pk=job.pk).position == 0


def test_a_job_is_retried_with_another_payload_from_the_start(api: Api, receipts: Workflow) -> None:
    job = failed_job(receipts)
    assert read(api.post(f"jobs/{job.uid}/retry", {"payload": {"text": "new"}}))["payload"] == {"text": "new"}
    stored = Job.objects.get(pk=job.pk)
    assert (stored.payload, stored.position) == ({"text": "new"}, 0)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"from_step": "nope"}, "from_step"),
        ({"from_step": ""}, "from_step"),
        ({"from_step": 1}, "from_step"),
        ({"payload": []}, "payload"),
        ({"payload": {"total": "x"}}, "payload.total"),
        ({"step": "fetch"}, "step"),
    ],
)
def test_a_wrong_retry_is_refused_by_field_and_changes_nothing(
    api: Api, acme: Cast, body: dict[str, Any], field: str
) -> None:
    fields = [{"key": "total", "type": "number"}]
    job = failed_job(make_workflow(acme.tenant, "bills", steps=STEPS, version={"fields": fields}))
    assert set(faults(api.post(f"jobs/{job.uid}/retry", body))) == {field}
    assert Job.objects.get(pk=job.pk).state == "FAILED"


@pytest.mark.parametrize("state", sorted(set(State) - RETRYABLE))
def test_only_a_job_that_is_over_without_success_is_retried(api: Api, receipts: Workflow, state: State) -> None:
    job = make_job(receipts, state)
    document = read(api.post(f"jobs/{job.uid}/retry"), 409)
    assert document["type"] == "urn:taskflow:problem:not-retryable"


def test_a_payload_over_the_limit_is_refused_in_a_retry_too(api: Api, receipts: Workflow, settings: Any) -> None:
    settings.MAX_PAYLOAD_BYTES = 100
    job = failed_job(receipts)
    assert set(faults(api.post(f"jobs/{job.uid}/retry", {"payload": {"text": "x" * 100}}))) == {"payload"}
