"""Other systems tell that something happened: stored once, told to the rules that listen."""

from typing import Any

import pytest

from automations.models import AutomationEvent, AutomationRule, Firing
from tenants.domain.roles import Scope
from tests.factories import NOW, Cast
from tests.journeys.api.client import Api, faults, read

pytestmark = pytest.mark.django_db


def listen(cast: Cast, name: str) -> AutomationRule:
    return AutomationRule.objects.create(
        tenant=cast.tenant, name="A rule", enabled=True, trigger={"kind": "event", "name": name}, trigger_kind="event",
        listens_to=name, created_at=NOW, updated_at=NOW,
    )  # fmt: skip


def test_an_event_makes_a_firing_of_each_rule_that_listens_to_its_name(api: Api, acme: Cast, globex: Cast) -> None:
    rule = listen(acme, "order.paid")
    for cast, name in ((acme, "order.PAID"), (acme, "order"), (globex, "order.paid")):
        listen(cast, name)
    answer = read(api.post("events", {"name": "order.paid", "payload": {"total": 12.5}}), 202)
    row = AutomationEvent.objects.get()
    assert answer == {"id": str(row.uid), "name": "order.paid"}
    firing = Firing.objects.get()
    assert (firing.rule, firing.told_event, firing.event["payload"]) == (rule, row, {"total": 12.5})
    assert row.source == f"api:{api.api_key.prefix}"


def test_the_same_id_again_is_told_once_for_each_tenant(api: Api, acme: Cast, globex: Cast) -> None:
    listen(acme, "order.paid")
    first = api.post("events", {"name": "order.paid", "id": "order 12"})
    again = api.post("events", {"name": "order.paid", "id": "order 12", "payload": {"other": 1}})
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json() == again.json()
    assert Firing.objects.count() == 1
    assert Api(globex.tenant).post("events", {"name": "order.paid", "id": "order 12"}).status_code == 202
    assert api.post("events", {"name": "order.paid", "id": "ORDER 12"}).status_code == 202
    assert [api.post("events", {"name": "order.paid"}).status_code for _ in range(2)] == [202, 202]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "two words"}, "name"),
        ({"name": "x\n"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "x", "payload": []}, "payload"),
        ({"name": "x", "payload": {"a": "b" * 2000}}, "payload"),
        ({"name": "x", "id": ""}, "id"),
        ({"name": "x", "id": " a"}, "id"),
        ({"name": "x", "id": "é"}, "id"),
        ({"name": "x", "id": "a" * 201}, "id"),
        ({"name": "x", "more": 1}, "more"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_stored(api: Api, settings: Any, body: Any, field: str) -> None:
    settings.MAX_PAYLOAD_BYTES = 1000
    assert list(faults(api.post("events", body))) == [field]
    assert not AutomationEvent.objects.exists()


def test_a_key_needs_the_scope(acme: Cast) -> None:
    assert Api(acme.tenant, [Scope.JOBS_WRITE]).post("events", {"name": "x"}).status_code == 403
