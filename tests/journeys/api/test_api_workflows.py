"""Reading what there is to send jobs to."""

import jsonschema
import pytest

from jobs.models import Queue
from tests.factories import ECHO, Cast, make_version, make_workflow
from tests.journeys.api.client import Api, read
from workflows.domain.fields import check_payload
from workflows.models import Workflow

pytestmark = pytest.mark.django_db

FIELDS = [
    {"key": "text", "type": "text", "required": True, "max_length": 20, "label": "Text"},
    {"key": "count", "type": "integer"},
    {"key": "total", "type": "number", "description": "With tax."},
    {"key": "paid", "type": "boolean"},
    {"key": "kind", "type": "choice", "choices": ["a", "b"]},
    {"key": "lines", "type": "list", "max_length": 2},
    {"key": "more", "type": "object"},
    {"key": "company", "type": "text", "role": "output", "required": True},
]
PAYLOADS = [
    {"text": "hi"},
    {"text": "hi", "count": 3, "total": 1.5, "paid": True, "kind": "a", "lines": [1], "more": {}, "else": 1},
    {"text": "hi", "count": None, "kind": None},
    {},
    {"text": ""},
    {"text": None},
    {"text": 5},
    {"text": "x" * 21},
    {"text": "hi", "count": 1.5},
    {"text": "hi", "total": "1"},
    {"text": "hi", "paid": 1},
    {"text": "hi", "kind": "c"},
    {"text": "hi", "lines": [1, 2, 3]},
    {"text": "hi", "more": []},
]


def test_workflows_are_listed_by_name(api: Api, acme: Cast) -> None:
    make_workflow(acme.tenant, "zoo", name="A zoo", label_singular="Animal", label_plural="Animals", queue="slow")
    make_workflow(acme.tenant, "apes", name="Some apes")
    first, second = read(api.get("workflows"))["results"]
    assert first == {
        "slug": "zoo",
        "name": "A zoo",
        "labels": {"singular": "Animal", "plural": "Animals"},
        "queue": "slow",
        "active": True,
        "version": 1,
    }
    assert second["slug"] == "apes"


def test_a_workflow_shows_its_live_version(api: Api, acme: Cast) -> None:
    workflow = make_workflow(acme.tenant, "receipts", version={"fields": FIELDS})
    make_version(workflow, number=2, steps=[{"key": "first"} | ECHO], fields=FIELDS)
    shown = read(api.get("workflows/receipts"))
    assert (shown["version"], shown["published_at"]) == (2, "2026-03-02T09:00:00.000000Z")
    assert shown["steps"] == [{"key": "first", "name": "First", "kind": "python", "on_error": "fail"}]
    assert [field["key"] for field in shown["fields"]] == [field["key"] for field in FIELDS]


def test_a_workflow_that_is_not_published_has_no_version_and_no_fields(api: Api, acme: Cast) -> None:
    draft = make_workflow(acme.tenant, "draft")
    Workflow.objects.filter(pk=draft.pk).update(live_version=None)
    shown = read(api.get("workflows/draft"))
    assert (shown["version"], shown["fields"], shown["steps"], shown["published_at"]) == (None, [], [], None)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_the_json_schema_says_what_the_door_says(
    api: Api, acme: Cast, queue: Queue, payload: dict[str, object]
) -> None:
    make_workflow(acme.tenant, "receipts", version={"fields": FIELDS})
    schema = read(api.get("workflows/receipts"))["input_schema"]
    jsonschema.Draft202012Validator.check_schema(schema)
    fits = jsonschema.Draft202012Validator(schema).is_valid(payload)
    assert fits == (not check_payload(FIELDS, payload))
    answer = api.post("jobs", {"workflow": "receipts", "payload": payload})
    assert answer.status_code == (201 if fits else 400)


def test_a_workflow_that_is_not_there_is_not_found(api: Api) -> None:
    assert read(api.get("workflows/nope"), 404)["detail"] == "There is no workflow 'nope'."
