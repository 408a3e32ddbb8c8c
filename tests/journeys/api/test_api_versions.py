"""Versions over REST: read, published behind the gate, rolled back."""

from typing import Any

import pytest

from tests.factories import Cast, make_version, make_workflow
from tests.journeys.api.client import Api, read
from workflows.models import DraftChange, Sample, Workflow

pytestmark = pytest.mark.django_db
STEP = {
    "key": "sort",
    "kind": "transform",
    "config": {"fields": [{"name": "team", "template": "A"}]},
    "timeout": 5.0,
}


@pytest.fixture
def flow(acme: Cast) -> Workflow:
    workflow = make_workflow(acme.tenant, "letters", steps=[STEP], version={"fields": [{"key": "text"}]})
    told = {"notes": "second", "gate": {"status": "passed"}, "published_by": acme.editor}
    make_version(workflow, number=2, steps=[STEP], fields=[{"key": "text"}], **told)
    return workflow


def test_versions_are_listed_newest_first(api: Api, flow: Workflow) -> None:
    page = read(api.get("workflows/letters/versions"))
    second, first = page["results"]
    assert second == {
        "number": 2,
        "live": True,
        "share": 100,
        "published_at": "2026-03-02T09:00:00.000000Z",
        "published_by": "editor@acme.test",
        "notes": "second",
        "gate": {"status": "passed"},
    }
    assert (first["number"], first["live"], first["share"], first["gate"]) == (1, False, 0, None)
    assert page["next_before"] is None
    older = read(api.get("workflows/letters/versions?before=2"))
    assert [version["number"] for version in older["results"]] == [1]


@pytest.mark.parametrize("query", ["before=x", "before=-1", "before=" + "9" * 20, "page=2"])
def test_a_wrong_parameter_is_named(api: Api, flow: Workflow, query: str) -> None:
    assert read(api.get(f"workflows/letters/versions?{query}"), 400)["errors"][0]["field"] == query.split("=")[0]


def test_a_version_shows_all_it_does(api: Api, flow: Workflow) -> None:
    version = read(api.get("workflows/letters/versions/2"))
    assert version["fields"] == [{"key": "text"}]
    assert version["steps"] == [
        {"name": "Sort", "on_error": "fail", "retry": None, "review": None} | STEP,
    ]
    assert read(api.get("workflows/letters/versions/3"), 404)["detail"] == "'letters' has no version 3."
    assert read(api.get("workflows/gone/versions/1"), 404)


def test_a_draft_is_published_and_its_changes_belong_to_the_version(api: Api, flow: Workflow, acme: Cast) -> None:
    change = DraftChange.objects.create(workflow=flow, at="2026-03-02T09:00:00Z", text="Something")
    version = read(api.post("workflows/letters/publish", {"notes": "third", "share": 25}), 201)
    assert (version["number"], version["live"], version["share"], version["notes"]) == (3, False, 25, "third")
    assert version["gate"]["status"] == "no_golden"
    change.refresh_from_db()
    flow.refresh_from_db()
    assert (change.version, flow.next_share) == (flow.next_version, 25)
    release = flow.releases.get()
    assert (release.kind, release.share, release.by) == ("published", 25, None)
    assert release.actor.startswith("api:")
    assert read(api.get("workflows/letters/versions/2"))["share"] == 75


def test_a_closed_gate_is_a_conflict_unless_a_reason_is_given(api: Api, flow: Workflow) -> None:
    Sample.objects.create(workflow=flow, name="Golden", input={"text": "x"}, expected={"team": "A"})
    problem = read(api.post("workflows/letters/publish", {}), 409)
    assert problem["type"] == "urn:taskflow:problem:gate-closed"
    assert problem["gate"] == {"status": "missing", "run": None, "broken": []}
    assert "not tested over the golden samples" in problem["detail"]
    assert read(api.post("workflows/letters/publish", {"override_reason": "because"}), 409)
    assert flow.versions.exclude(number=None).count() == 2
    version = read(api.post("workflows/letters/publish", {"override_reason": "The sample is wrong."}), 201)
    assert version["gate"]["override"]["reason"] == "The sample is wrong."
    assert version["gate"]["override"]["by"].startswith("api:")


def test_a_draft_with_mistakes_is_refused_with_all_of_them(api: Api, flow: Workflow) -> None:
    step = flow.draft.steps.get()
    step.config, step.review = {"fields": []}, {"confidence_below": 0.5, "when": "nonsense("}
    step.save()
    problem = read(api.post("workflows/letters/publish", {}), 400)
    assert {error["field"] for error in problem["errors"]} == {
        "draft.steps.0.config.fields",
        "draft.steps.0.review.when",
    }


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("publish", {"share": 33}, "share"),
        ("publish", {"share": "25"}, "share"),
        ("publish", {"notes": "x" * 5001}, "notes"),
        ("publish", {"anything": 1}, "anything"),
        ("rollback", {}, "version"),
        ("rollback", {"version": 9}, "version"),
        ("rollback", {"version": "1"}, "version"),
        ("rollback", {"version": 10**30}, "version"),
    ],
)
def test_a_wrong_body_is_refused_and_changes_nothing(
    api: Api, flow: Workflow, path: str, body: dict[str, Any], field: str
) -> None:
    assert read(api.post(f"workflows/letters/{path}", body), 400)["errors"][0]["field"] == field
    assert not flow.releases.exists()


def test_a_version_is_rolled_back(api: Api, flow: Workflow) -> None:
    version = read(api.post("workflows/letters/rollback", {"version": 1, "reason": "worse"}))
    assert (version["number"], version["live"], version["share"]) == (1, True, 100)
    flow.refresh_from_db()
    release = flow.releases.get()
    assert (flow.live_version, release.reason) == (flow.versions.get(number=1), "worse")


@pytest.mark.parametrize("path", ["publish", "rollback"])
def test_a_key_that_may_only_read_changes_nothing(acme: Cast, flow: Workflow, path: str) -> None:
    reader = Api(acme.tenant, scopes=["workflows:read", "jobs:write"])
    assert read(reader.post(f"workflows/letters/{path}", {"version": 1}), 403)
    assert not flow.releases.exists()
