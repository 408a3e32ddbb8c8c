"""The same request twice makes one job."""

from typing import Any

import pytest

from jobs.models import Job
from tests.factories import Cast, make_workflow
from tests.journeys.api.client import Api, faults, read
from workflows.models import Workflow

pytestmark = pytest.mark.django_db


def send(api: Api, key: str, **more: Any) -> Any:
    return api.post("jobs", {"workflow": "receipts", "payload": {"n": 1}} | more, Idempotency_Key=key)


def test_the_same_key_and_body_answer_the_first_job_again(api: Api, workflow: Workflow) -> None:
    first = read(send(api, "order-12"), 201)
    assert read(send(api, "order-12"), 200) == first
    assert Job.objects.count() == 1


def test_a_body_that_only_looks_different_is_the_same(api: Api, workflow: Workflow) -> None:
    first = read(send(api, "order-12"), 201)
    raw = b'{ "payload" : {"n":1},\n "workflow":"receipts" }'
    assert read(api.post("jobs", raw=raw, Idempotency_Key="order-12"), 200)["id"] == first["id"]


def test_the_first_job_is_answered_as_it_is_now(api: Api, workflow: Workflow) -> None:
    first = read(send(api, "order-12"), 201)
    Job.objects.update(state="SUCCEEDED", result={"total": 3})
    again = read(send(api, "order-12"), 200)
    assert (again["id"], again["state"], again["result"]) == (first["id"], "SUCCEEDED", {"total": 3})


def test_the_same_key_with_another_body_is_a_conflict(api: Api, workflow: Workflow) -> None:
    read(send(api, "order-12"), 201)
    document = read(send(api, "order-12", priority=5), 409)
    assert document["type"] == "urn:taskflow:problem:idempotency-conflict"
    assert document["detail"] == "This Idempotency-Key was used before with another body."
    assert Job.objects.count() == 1


def test_keys_that_differ_in_case_only_are_two(api: Api, workflow: Workflow) -> None:
    assert read(send(api, "Order-12"), 201)["id"] != read(send(api, "order-12"), 201)["id"]


def test_a_key_belongs_to_its_tenant(api: Api, workflow: Workflow, globex: Cast) -> None:
    make_workflow(globex.tenant, "receipts")
    assert read(send(api, "order-12"), 201)["id"] != read(send(Api(globex.tenant), "order-12"), 201)["id"]


def test_a_refused_request_does_not_use_up_its_key(api: Api, workflow: Workflow) -> None:
    assert send(api, "order-12", priority=-1).status_code == 400
    assert send(api, "order-12", workflow="nope").status_code == 400
    read(send(api, "order-12"), 201)


@pytest.mark.parametrize(
    ("key", "reason"),
    [("", "Must be printable ASCII."), ("x" * 256, "Longer than 255 characters."), ("é", "Must be printable ASCII.")],
)
def test_a_key_that_cannot_be_one_is_refused(api: Api, workflow: Workflow, key: str, reason: str) -> None:
    assert faults(send(api, key)) == {"Idempotency-Key": reason}
    assert not Job.objects.exists()
