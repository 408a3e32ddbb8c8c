"""The OpenAPI document and its page."""

import json
import re
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from jobs.api.filters import PAGING, VIEW, JobFilterSet
from jobs.api.shapes import BulkAnswer, CreatedJobAnswer, JobPageAnswer, JobStoryAnswer, QueueListAnswer
from jobs.domain.states import State
from taskflow.lib.openapi import ProblemAnswer
from tests.factories import make_job
from tests.journeys.api.client import Api, read
from tests.journeys.api.test_api_isolation import api_routes
from workflows.api import WorkflowDetailAnswer, WorkflowListAnswer
from workflows.models import Workflow


def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Client().get("/api/v1/schema").content)
    return found


def test_the_document_is_valid_and_complete() -> None:
    output = StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=output)
    assert "openapi: 3.1.0" in output.getvalue()


def test_every_route_is_in_the_document() -> None:
    paths = {re.sub(r"\{|\}", "", path) for path in document()["paths"]}
    routes = {"/api/v1/" + re.sub(r"<(?:\w+:)?(\w+)>", r"\1", route) for route in api_routes()}
    assert paths == routes - {"/api/v1/schema"}


def test_every_operation_needs_a_key_and_says_how_it_may_fail() -> None:
    for path, operations in document()["paths"].items():
        for operation in operations.values():
            if path in {"/api/v1/inbound-mail/{key}", "/api/v1/events/webhook/{key}"}:
                # The address is the key.
                assert "security" not in operation
                continue
            assert operation["security"] == [{"ApiKey": []}], path
            assert {"401", "403", "429"} <= set(operation["responses"]), path


def test_the_documented_filters_are_those_that_are_heeded() -> None:
    documented = {each["name"] for each in document()["paths"]["/api/v1/jobs"]["get"]["parameters"]}
    # A field's value stands for all of them, as every workflow has its own.
    assert documented == {*JobFilterSet.base_filters, *PAGING, VIEW, "result.label"}


def test_the_page_asks_nobody_outside() -> None:
    client = Client()
    page = client.get("/api/docs/")
    assert page.status_code == 200
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.content.decode())
    assert loaded
    assert all(address.startswith("/") for address in loaded)
    assert "<script>" not in page.content.decode()
    script = next(address for address in loaded if "script=" in address)
    assert b"SwaggerUIBundle" in client.get(script.replace("&amp;", "&")).content


@pytest.mark.django_db
def test_answers_have_the_documented_shapes(api: Api, workflow: Workflow) -> None:
    parent = make_job(workflow)
    jobs = [make_job(workflow, state, parent=parent, error_class="E", error_message="m") for state in State]
    body = {"workflow": "receipts", "payload": {}}
    exact(CreatedJobAnswer, read(api.post("jobs", body), 201))
    exact(BulkAnswer, read(api.post("jobs/bulk", {"jobs": [body, {}]}), 207))
    exact(JobPageAnswer, read(api.get("jobs")))
    for job in (parent, *jobs):
        exact(JobStoryAnswer, read(api.get(f"jobs/{job.uid}")))
    exact(QueueListAnswer, read(api.get("admin/queues")))
    exact(WorkflowListAnswer, read(api.get("workflows")))
    exact(WorkflowDetailAnswer, read(api.get("workflows/receipts")))
    exact(ProblemAnswer, read(api.post("jobs", {}), 400))


def exact(model: Any, answer: dict[str, Any]) -> None:
    """`answer` is a `model` and nothing more."""
    shape = model.model_validate(answer, by_alias=True).model_dump(by_alias=True, exclude_unset=True)
    assert keys(shape) == keys(answer)


def keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: keys(child) for key, child in value.items()}
    return [keys(child) for child in value] if isinstance(value, list) else None
