"""Sending one job."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.models import Job, Queue
from taskflow.lib.clock import utcnow
from tests.factories import Cast, make_queue, make_workflow
from tests.journeys.api.client import Api, faults, read
from workflows.models import Workflow

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def send(api: Api, **more: Any) -> Any:
    return read(api.post("jobs", {"workflow": "receipts", "payload": {"text": "hi"}} | more), 201)


def test_a_job_is_created_and_answered_whole(api: Api, workflow: Workflow) -> None:
    job = send(api)
    assert UUID(job["id"]).version == 7
    assert job["created_at"].endswith("Z")
    assert job | {"id": "", "created_at": "", "due_at": "", "correlation_id": ""} == {
        "id": "",
        "state": "PENDING",
        "workflow": "receipts",
        "version": 1,
        "queue": "default",
        "priority": 100,
        "payload": {"text": "hi"},
        "result": None,
        "error": None,
        "correlation_id": "",
        "traceparent": "",
        "source": f"api:{api.api_key.prefix}",
        "parent": None,
        "attempt_count": 0,
        "due_at": "",
        "cancel_requested_at": None,
        "created_at": "",
        "started_at": None,
        "finished_at": None,
        "files": [],
    }
    assert Job.objects.get(uid=job["id"]).tenant == workflow.tenant


def test_the_answer_says_where_the_job_is(api: Api, workflow: Workflow) -> None:
    answer = api.post("jobs", {"workflow": "receipts", "payload": {}})
    assert answer["Location"] == f"/api/v1/jobs/{read(answer, 201)['id']}"


def test_what_the_body_asks_for_is_kept(api: Api, workflow: Workflow) -> None:
    make_queue("slow")
    policy = {"max_attempts": 2, "strategy": "fixed", "base_delay": 1.5}
    job = send(api, queue="slow", priority=7, correlation_id="order 12", retry_policy=policy)
    assert (job["queue"], job["priority"], job["correlation_id"]) == ("slow", 7, "order 12")
    assert policy.items() <= Job.objects.get(uid=job["id"]).retry_policy.items()


def test_a_job_for_later_is_scheduled_for_its_instant(api: Api, workflow: Workflow) -> None:
    later = (utcnow() + timedelta(days=1)).replace(microsecond=0)
    job = send(api, run_at=later.isoformat())
    assert job["state"] == "SCHEDULED"
    assert datetime.fromisoformat(job["due_at"]) == later


def test_an_instant_in_another_zone_is_the_same_instant(api: Api, workflow: Workflow) -> None:
    assert send(api, run_at="2031-06-01T12:00:00+02:00")["due_at"] == "2031-06-01T10:00:00.000000Z"


def test_a_job_whose_time_has_passed_is_due_at_once(api: Api, workflow: Workflow) -> None:
    assert send(api, run_at="2020-01-01T00:00:00Z")["state"] == "PENDING"


def test_the_correlation_id_comes_from_the_headers_when_the_body_has_none(api: Api, workflow: Workflow) -> None:
    body = {"workflow": "receipts", "payload": {}}
    both = api.post("jobs", body, X_Correlation_ID="order-12", X_Request_ID="r-1")
    assert read(both, 201)["correlation_id"] == "order-12"
    assert read(api.post("jobs", body, X_Request_ID="r-1"), 201)["correlation_id"] == "r-1"
    assert send(api)["correlation_id"]


def test_a_valid_traceparent_is_kept_and_an_invalid_one_is_ignored(api: Api, workflow: Workflow) -> None:
    body = {"workflow": "receipts", "payload": {}}
    assert read(api.post("jobs", body, traceparent=TRACE), 201)["traceparent"] == TRACE
    for bad in (TRACE[:-1], "ff" + TRACE[2:], TRACE.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32)):
        assert read(api.post("jobs", body, traceparent=bad), 201)["traceparent"] == ""


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        ({"workflow": "nope"}, "workflow", "There is no workflow 'nope'."),
        ({"workflow": 5}, "workflow", "Must be text."),
        ({"workflow": "no such/slug"}, "workflow", "Must be a slug: letters, digits, hyphens and underscores."),
        ({"payload": [1]}, "payload", "Must be a JSON object."),
        ({"payload": None}, "payload", "Must be a JSON object."),
        ({"queue": "nope"}, "queue", "There is no queue 'nope'."),
        ({"priority": -1}, "priority", "Must be greater than or equal to 0."),
        ({"priority": 1001}, "priority", "Must be less than or equal to 1000."),
        ({"priority": "7"}, "priority", "Must be a whole number."),
        ({"priority": True}, "priority", "Must be a whole number."),
        ({"priority": 10**30}, "priority", "Must be less than or equal to 1000."),
        (
            {"run_at": "2031-06-01T12:00:00"},
            "run_at",
            "Must be a timestamp with an offset, such as 2026-03-02T14:00:00Z.",
        ),
        ({"run_at": "1893456000"}, "run_at", "Must be a timestamp with an offset, such as 2026-03-02T14:00:00Z."),
        ({"run_at": 1893456000}, "run_at", "Must be a timestamp with an offset, such as 2026-03-02T14:00:00Z."),
        ({"run_at": "0001-01-01T00:00:00+14:00"}, "run_at", "Must be in the years 1971 to 9998."),
        ({"run_at": "9999-12-31T23:59:59-14:00"}, "run_at", "Must be in the years 1971 to 9998."),
        ({"correlation_id": "x" * 101}, "correlation_id", "Must have at most 100 characters."),
        ({"correlation_id": "a\x00b"}, "correlation_id", "Must be text without control characters, and not blank."),
        ({"correlation_id": "  "}, "correlation_id", "Must be text without control characters, and not blank."),
        ({"retry_policy": {"max_attempts": 0}}, "retry_policy.max_attempts", "Must be greater than or equal to 1."),
        ({"retry_policy": {"stratgy": "fixed"}}, "retry_policy.stratgy", "This field is not known."),
        (
            {"retry_policy": {"cooldowns": {"429": -1}}},
            "retry_policy.cooldowns.429",
            "Must be greater than or equal to 0.",
        ),
        ({"colour": "red"}, "colour", "This field is not known."),
    ],
)
def test_a_wrong_field_is_named_with_the_reason_and_nothing_is_stored(
    api: Api, workflow: Workflow, change: dict[str, Any], field: str, reason: str
) -> None:
    answer = api.post("jobs", {"workflow": "receipts", "payload": {}} | change)
    assert faults(answer) == {field: reason}
    assert not Job.objects.exists()


def test_every_wrong_field_is_named_at_once(api: Api, workflow: Workflow) -> None:
    answer = api.post("jobs", {"priority": -1, "colour": "red"})
    assert set(faults(answer)) == {"workflow", "payload", "priority", "colour"}


def test_a_payload_is_checked_against_the_fields_of_the_workflow(api: Api, acme: Cast, queue: Queue) -> None:
    fields = [{"key": "total", "type": "number", "required": True}, {"key": "date", "type": "date"}]
    make_workflow(acme.tenant, "bills", version={"fields": fields})
    answer = api.post("jobs", {"workflow": "bills", "payload": {"total": "12", "date": "tomorrow"}})
    assert faults(answer) == {
        "payload.total": "must be a number, not text",
        "payload.date": "must be a date like 2026-03-31",
    }
    read(api.post("jobs", {"workflow": "bills", "payload": {"total": 12.5}}), 201)


def test_a_number_too_large_for_any_float_is_a_number_all_the_same(api: Api, acme: Cast, queue: Queue) -> None:
    make_workflow(acme.tenant, "bills", version={"fields": [{"key": "total", "type": "number"}]})
    job = read(api.post("jobs", {"workflow": "bills", "payload": {"total": 10**400}}), 201)
    assert job["payload"] == {"total": 10**400}


def test_a_workflow_that_is_not_published_takes_no_jobs(api: Api, acme: Cast, queue: Queue) -> None:
    draft = make_workflow(acme.tenant, "draft")
    Workflow.objects.filter(pk=draft.pk).update(live_version=None)
    answer = api.post("jobs", {"workflow": "draft", "payload": {}})
    assert faults(answer) == {"workflow": "The workflow 'draft' is not published yet."}


def test_a_payload_over_the_limit_is_refused_by_name(api: Api, workflow: Workflow, settings: Any) -> None:
    settings.MAX_PAYLOAD_BYTES = 1000
    answer = api.post("jobs", {"workflow": "receipts", "payload": {"text": "x" * 1000}})
    assert faults(answer) == {"payload": "Larger than 1000 bytes."}
    read(api.post("jobs", {"workflow": "receipts", "payload": {"text": "x" * 980}}), 201)


def test_a_body_over_the_limit_is_refused_before_it_is_read_whole(api: Api, workflow: Workflow, settings: Any) -> None:
    settings.MAX_BODY_BYTES = 2000
    answer = api.post("jobs", {"workflow": "receipts", "payload": {"text": "x" * 2000}})
    assert read(answer, 413)["detail"] == "The body is larger than 2000 bytes."


def test_taking_a_job_in_costs_few_queries(api: Api, workflow: Workflow) -> None:
    send(api)
    with CaptureQueriesContext(connection) as queries:
        send(api)
    assert len(queries) <= 6


def test_a_timestamp_in_the_answer_is_utc(api: Api, workflow: Workflow) -> None:
    created = datetime.fromisoformat(send(api)["created_at"])
    assert created.tzinfo == UTC
    assert abs(utcnow() - created) < timedelta(minutes=1)
