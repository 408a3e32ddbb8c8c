"""Rules by the API: made and changed with every mistake named, tried without doing anything, and watched."""

import json
from typing import Any

import pytest

from automations.models import AutomationRule, Firing
from automations.runtime.fire import fire
from automations.services.endpoints import create_endpoint
from automations.services.rules import create_rule
from jobs.models import Job
from taskflow.lib.clock import utcnow
from tenants.domain.roles import Scope
from tests.factories import NOW, Cast
from tests.journeys.api.client import JSON, Api, faults, read
from workflows.models import Workflow

pytestmark = pytest.mark.django_db
MAKE = {"kind": "create_jobs", "jobs": [{"workflow": "receipts", "payload": {"text": "{{ payload.note }}"}}]}
RULE = {
    "name": "Paid orders",
    "trigger": {"kind": "event", "name": "order.paid"},
    "condition": "payload.total > 100",
    "actions": [MAKE],
}
CRON = {"name": "Every morning", "trigger": {"kind": "cron", "expression": "0 7 * * *"}, "actions": [MAKE]}


def call(api: Api, method: str, path: str, body: Any = None, **headers: str) -> Any:
    known = {"Authorization": f"Bearer {api.key}"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return getattr(api.client, method)(f"/api/v1/{path}", json.dumps(body or {}), content_type=JSON, headers=known)


@pytest.fixture
def rule(api: Api, workflow: Workflow) -> dict[str, Any]:
    made: dict[str, Any] = read(api.post("automation-rules", RULE), 201)
    return made


def test_a_rule_is_made_listed_and_read(api: Api, rule: dict[str, Any]) -> None:
    assert {name: rule[name] for name in RULE} == RULE
    assert (rule["enabled"], rule["revision"], rule["next_at"]) == (True, 1, None)
    assert rule["sentence"]
    path = f"automation-rules/{rule['id']}"
    assert read(api.get(path)) == rule
    assert api.get(path)["ETag"] == '"1"'
    assert read(api.get("automation-rules"))["results"] == [rule]
    assert read(api.post("automation-rules", CRON), 201)["next_at"] is not None


@pytest.mark.parametrize(
    ("change", "places"),
    [
        ({"name": " "}, {"name"}),
        ({"name": "two\nlines"}, {"name"}),
        ({"remember": {"a b": "payload.total"}}, {"remember"}),
        ({"trigger": {"kind": "cron", "expression": "61 * * * *"}}, {"trigger.expression"}),
        ({"trigger": {"kind": "sometimes"}}, {"trigger.kind"}),
        ({"trigger": {"kind": "webhook", "endpoint": "01a20504-a541-7513-86ab-2bf8324e04c1"}}, {"trigger.endpoint"}),
        ({"trigger": []}, {"trigger"}),
        ({"condition": "payload.total >"}, {"condition"}),
        ({"condition": "nothing.known > 1"}, {"condition"}),
        ({"actions": []}, {"actions"}),
        ({"actions": [MAKE, {"kind": "dance"}]}, {"actions.1.kind"}),
        ({"actions": [{"kind": "create_jobs", "jobs": [{"workflow": "none"}]}]}, {"actions.0.jobs.0.workflow"}),
        (
            {"actions": [{"kind": "create_jobs", "jobs": [{"workflow": "receipts", "payload": {"n": "{{ x"}}]}]},
            {"actions.0.jobs.0.payload.n"},
        ),
        ({"rate_limit": 0}, {"rate_limit"}),
        ({"rate_limit": "many"}, {"rate_limit"}),
        ({"enabled": "yes"}, {"enabled"}),
        ({"for_each_tenant": "true"}, {"for_each_tenant"}),
        ({"name": "x" * 201, "rate_limit": 0}, {"name", "rate_limit"}),
    ],
)
def test_each_mistake_is_named_by_its_place_and_nothing_stored(
    api: Api, workflow: Workflow, change: dict[str, Any], places: set[str]
) -> None:
    assert set(faults(api.post("automation-rules", RULE | change))) == places
    assert not AutomationRule.objects.exists()


def test_a_rule_is_changed_at_its_revision_alone(api: Api, rule: dict[str, Any]) -> None:
    path = f"automation-rules/{rule['id']}"
    changed = read(call(api, "patch", path, {"name": "Large orders", "revision": 1}))
    assert (changed["name"], changed["condition"], changed["revision"]) == ("Large orders", RULE["condition"], 2)
    late = read(call(api, "patch", path, {"name": "Mine", "revision": 1}), 409)
    assert (late["type"], late["current"]) == ("urn:taskflow:problem:revision-conflict", 2)
    assert read(call(api, "patch", path, {"name": "Mine"}, If_Match='"1"'), 412)["current"] == 2
    assert read(call(api, "put", path, RULE | {"name": "Whole"}, If_Match='"2"'))["name"] == "Whole"
    assert set(faults(call(api, "patch", path, {"name": "Mine"}))) == {"revision"}
    assert set(faults(call(api, "patch", path, {"name": "Mine"}, If_Match='"x"'))) == {"revision"}
    assert set(faults(call(api, "patch", path, {"condition": ">", "revision": 3}))) == {"condition"}
    assert set(faults(call(api, "put", path, {"revision": 3}))) == {"name", "trigger", "actions"}
    assert read(api.get(path))["name"] == "Whole"


def test_a_rule_is_switched_and_deleted(api: Api, rule: dict[str, Any]) -> None:
    path = f"automation-rules/{rule['id']}"
    assert read(api.post(f"{path}/disable")) == {"id": rule["id"], "enabled": False}
    api.post("events", {"name": "order.paid"})
    assert not Firing.objects.exists()
    assert read(api.post(f"{path}/enable"))["enabled"] is True
    assert read(call(api, "patch", path, {"enabled": False, "revision": 1}))["enabled"] is False
    assert call(api, "delete", path).status_code == 204
    assert api.get(path).status_code == 404


def test_an_event_that_fits_makes_the_jobs_and_one_that_does_not_says_why(api: Api, rule: dict[str, Any]) -> None:
    for total in (150, 50):
        read(api.post("events", {"name": "order.paid", "payload": {"total": total, "note": f"of {total}"}}), 202)
    fire()
    job = Job.objects.get()
    assert job.payload == {"text": "of 150"}
    path = f"automation-rules/{rule['id']}/firings"
    second, first = read(api.get(path))["results"]
    assert (first["matched"], first["jobs_made"], first["state"]) == (True, 1, "done")
    assert (second["matched"], second["jobs_made"]) == (False, 0)
    assert [row["id"] for row in read(api.get(path, {"matched": "false"}))["results"]] == [second["id"]]
    assert read(api.get(path, {"state": "failed"}))["results"] == []
    assert set(faults(api.get(path, {"matched": "maybe", "state": "done"}))) == {"matched"}
    story = read(api.get(f"{path}/{first['id']}"))
    assert (story["jobs"], story["event"]["payload"]["total"]) == ([str(job.uid)], 150)
    assert story["took_ms"] > 0
    assert read(api.post(f"{path}/{first['id']}/retry"), 409)["type"].endswith("not-retryable")
    Firing.objects.filter(uid=second["id"]).update(state="failed")
    assert read(api.post(f"{path}/{second['id']}/retry"), 202)["state"] == "pending"


def test_a_try_tells_what_would_happen_and_does_nothing(api: Api, acme: Cast, rule: dict[str, Any]) -> None:
    path = f"automation-rules/{rule['id']}/test"
    told = read(api.post(path, {"event": {"payload": {"total": 150, "note": "n"}}}))
    (trial,) = told["results"]
    assert trial["matched"] is True
    assert trial["would"][0]["payload"] == {"text": "n"}
    (trial,) = read(api.post(path, {"event": {"payload": {"total": 50, "note": "n"}}}))["results"]
    assert (trial["matched"], trial["would"]) == (False, [])
    (trial,) = read(api.post(path, {"event": {"at": "no instant"}}))["results"]
    assert trial["problems"] == [
        {"field": "event", "reason": "at and scheduled_for should be times such as 2026-03-02T07:00:00Z"}
    ]
    api.post("events", {"name": "order.paid", "payload": {"total": 200, "note": "latest"}})
    latest = read(api.post(path))
    assert (latest["event"]["payload"]["note"], latest["results"][0]["matched"]) == ("latest", True)
    firing = Firing.objects.get()
    assert read(api.post(path, {"firing": str(firing.uid)}))["event"] == firing.event
    assert set(faults(api.post(path, {"firing": rule["id"]}))) == {"firing"}
    assert set(faults(api.post(path, {"delivery": rule["id"]}))) == {"delivery"}
    assert not Job.objects.exists()
    assert Firing.objects.get().state == "pending"


def test_a_rule_is_run_by_hand(api: Api, rule: dict[str, Any]) -> None:
    path = f"automation-rules/{rule['id']}/run"
    (firing,) = read(api.post(path, {"payload": {"total": 500, "note": "by hand"}}), 202)["firings"]
    assert (firing["trigger"], firing["state"]) == ("manual", "pending")
    fire()
    assert Job.objects.get().payload == {"text": "by hand"}


def test_a_webhook_of_anothers_endpoint_sets_no_rule_going(api: Api, globex: Cast, workflow: Workflow) -> None:
    theirs = create_endpoint(tenant=globex.tenant, name="Theirs", scheme="github", now=NOW).endpoint
    trigger = {"kind": "webhook", "endpoint": str(theirs.uid)}
    assert set(faults(api.post("automation-rules", RULE | {"trigger": trigger}))) == {"trigger.endpoint"}


def test_all_rules_are_told_with_how_they_do(api: Api, acme: Cast, globex: Cast, rule: dict[str, Any]) -> None:
    pause = [{"kind": "pause_queue", "queue": "default"}]
    values = {"name": "Of the operator", "trigger": CRON["trigger"], "actions": pause}
    create_rule(tenant=None, values=values, now=utcnow())
    create_rule(tenant=globex.tenant, values=values | {"name": "Of globex"}, now=utcnow())
    api.post("events", {"name": "order.paid", "payload": {"total": 150, "note": "n"}})
    Firing.objects.update(state="failed", error="It broke.")
    (mine,) = read(api.get("admin/automations"))["results"]
    assert (mine["id"], mine["tenant"], mine["failures"], mine["error"]) == (rule["id"], "acme", 1, "It broke.")
    assert mine["last_fired_at"] is not None
    assert api.get("admin/automations", {"whole": "true"}).status_code == 403
    fleet = Api(acme.tenant, [Scope.AUTOMATIONS_READ, Scope.FLEET])
    every = read(fleet.get("admin/automations", {"whole": "true"}))["results"]
    assert [(each["name"], each["tenant"]) for each in every] == [
        ("Of globex", "globex"), ("Of the operator", None), ("Paid orders", "acme"),
    ]  # fmt: skip
    assert every[1]["next_at"] is not None
    assert len(read(fleet.get("admin/automations"))["results"]) == 1


def test_a_key_that_may_read_may_not_change(acme: Cast, api: Api, rule: dict[str, Any]) -> None:
    reader = Api(acme.tenant, [Scope.AUTOMATIONS_READ])
    path = f"automation-rules/{rule['id']}"
    assert reader.get(path).status_code == reader.get(f"{path}/firings").status_code == 200
    for way in ("enable", "disable", "test", "run"):
        assert reader.post(f"{path}/{way}").status_code == 403
    assert call(reader, "patch", path).status_code == call(reader, "delete", path).status_code == 403
