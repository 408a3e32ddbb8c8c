"""Sending many jobs at once."""

from typing import Any

import pytest

from jobs.models import Event, Job
from taskflow.lib.telemetry import subscribe, unsubscribe
from tests.factories import make_queue, make_workflow
from tests.journeys.api.client import Api, faults, read
from workflows.models import Workflow

pytestmark = pytest.mark.django_db


def item(**more: Any) -> dict[str, Any]:
    return {"workflow": "receipts", "payload": {}} | more


def test_all_are_created_in_the_order_they_were_sent(api: Api, workflow: Workflow) -> None:
    answer = read(api.post("jobs/bulk", {"jobs": [item(payload={"n": n}) for n in range(1000)]}), 201)
    assert (answer["created"], answer["refused"]) == (1000, 0)
    assert [result["job"]["payload"]["n"] for result in answer["results"]] == list(range(1000))
    numbers = [job.payload["n"] for job in Job.objects.order_by("id")]
    assert numbers == list(range(1000))
    assert Event.objects.filter(kind="created").count() == 1000


def test_what_is_stored_is_counted_where_it_goes(api: Api, workflow: Workflow) -> None:
    make_workflow(workflow.tenant, "tickets", queue=make_queue("express").slug)
    told: list[Any] = []

    def listen(name: str, fields: dict[str, Any]) -> None:
        told.extend(fields["batches"] if name == "engine.submit" else [])

    subscribe(listen)
    try:
        jobs = [
            item(workflow="nope"),
            item(),
            item(workflow="tickets"),
            item(queue="express"),
            item(workflow="tickets"),
        ]
        read(api.post("jobs/bulk", {"jobs": jobs}), 207)
    finally:
        unsubscribe(listen)
    assert sorted(told) == [("default", "receipts", 1), ("express", "receipts", 1), ("express", "tickets", 2)]


def test_each_wrong_item_is_refused_by_itself(api: Api, workflow: Workflow) -> None:
    jobs = [
        item(payload={"n": 0}),
        item(priority=-1, colour="red"),
        "text",
        item(workflow="nope"),
        item(payload={"n": 4}),
    ]
    answer = read(api.post("jobs/bulk", {"jobs": jobs}), 207)
    assert (answer["created"], answer["refused"]) == (2, 3)
    first, second, third, fourth, fifth = answer["results"]
    assert (first["status"], first["job"]["payload"], fifth["job"]["payload"]) == (201, {"n": 0}, {"n": 4})
    assert {fault["field"] for fault in second["errors"]} == {"priority", "colour"}
    assert third == {"status": 400, "errors": [{"field": "", "reason": "Must be a JSON object."}]}
    assert fourth["errors"] == [{"field": "workflow", "reason": "There is no workflow 'nope'."}]
    assert Job.objects.count() == 2


def test_when_none_is_right_the_whole_is_a_problem_with_the_results(api: Api, workflow: Workflow) -> None:
    document = read(api.post("jobs/bulk", {"jobs": [item(workflow="nope")]}), 400)
    assert document["detail"] == "None of the jobs was created."
    assert document["results"][0]["errors"][0]["field"] == "workflow"


def test_a_payload_over_the_limit_refuses_its_item_only(api: Api, workflow: Workflow, settings: Any) -> None:
    settings.MAX_PAYLOAD_BYTES = 500
    answer = read(api.post("jobs/bulk", {"jobs": [item(payload={"x": "y" * 600}), item()]}), 207)
    assert answer["results"][0]["errors"] == [{"field": "payload", "reason": "Larger than 500 bytes."}]


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({}, {"jobs": "This field is required."}),
        ({"jobs": {}}, {"jobs": "Must be a list."}),
        ({"jobs": []}, {"jobs": "Must have at least 1 item after validation, not 0."}),
        ({"jobs": [{}] * 1001}, {"jobs": "Must have at most 1000 items after validation, not 1001."}),
        ({"jobs": [{}], "atomic": True}, {"atomic": "This field is not known."}),
    ],
)
def test_a_body_that_is_no_list_of_jobs_is_refused(api: Api, body: Any, fault: dict[str, str]) -> None:
    assert faults(api.post("jobs/bulk", body)) == fault


def test_an_idempotency_key_is_refused_rather_than_ignored(api: Api, workflow: Workflow) -> None:
    answer = api.post("jobs/bulk", {"jobs": [item()]}, Idempotency_Key="k")
    assert faults(answer) == {"Idempotency-Key": "Not supported here. Send the jobs one by one with a key each."}
    assert not Job.objects.exists()
