"""Endpoints by the API: address and secret are told once, secrets change without losing a delivery."""

import base64
import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.test import Client

from automations.models import AutomationRule, Firing, WebhookDelivery, WebhookEndpoint, WebhookReplay
from automations.services.occurrences import fire_received
from taskflow.lib.clock import utcnow
from taskflow.lib.sealing import new_key
from tenants.domain.roles import Scope
from tests.factories import NOW, Cast
from tests.journeys.api.client import JSON, Api, faults, read
from tests.webhooks import SECRETS, signed

pytestmark = pytest.mark.django_db
BODY = b'{"type": "invoice.paid"}'


def create(api: Api, **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = read(api.post("webhook-endpoints", {"name": "Shop"} | fields), 201)
    return made


def call(api: Api, method: str, path: str, body: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {api.key}"}
    data = json.dumps({} if body is None else body)
    return getattr(api.client, method)(f"/api/v1/{path}", data, content_type=JSON, headers=headers)


def send(url: str, secret: str, *, body: bytes = BODY, scheme: str = "standard", name: str = "msg_1") -> int:
    headers = signed(scheme, body, secret=secret, now=utcnow(), name=name)
    path = url.removeprefix("http://testserver")
    return Client().post(path, body, content_type=JSON, headers=headers).status_code


def test_the_address_and_the_secret_are_told_once(api: Api) -> None:
    made = create(api)
    assert made["url"].startswith("http://testserver/api/v1/events/webhook/")
    assert send(made["url"], made["secret"]) == 202
    later = json.dumps([read(api.get("webhook-endpoints")), read(api.get(f"webhook-endpoints/{made['id']}"))])
    assert made["secret"] not in later
    assert made["url"].rsplit("/", 1)[1] not in later
    row = WebhookEndpoint.objects.get()
    assert made["secret"] not in row.sealed
    assert made["url"].rsplit("/", 1)[1] not in (row.key_hash, row.prefix)


@pytest.mark.parametrize(("scheme", "ours"), [("standard", True), ("github", True), ("plain", True), ("stripe", False)])
def test_a_secret_is_made_unless_the_sender_makes_it(api: Api, scheme: str, ours: bool) -> None:
    made = create(api, scheme=scheme)
    assert (made["secret"] is not None) == ours
    given = create(api, scheme=scheme, secret=SECRETS.get(scheme, SECRETS["hmac"]))
    assert given["secret"] == SECRETS.get(scheme, SECRETS["hmac"])


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"scheme": "md5"}, "scheme"),
        ({"scheme": "github", "secret": "short"}, "secret"),
        ({"secret": "not base64 but long enough"}, "secret"),
        ({"tolerance": 1}, "tolerance"),
        ({"tolerance": "300"}, "tolerance"),
        ({"scheme": "github", "config": {"header": "X-A"}}, "config"),
        ({"scheme": "plain", "config": {"header": "X A"}}, "config.header"),
        ({"scheme": "plain", "config": {"header": "X-A\r\nSet-Cookie: a=b"}}, "config.header"),
        ({"scheme": "plain", "config": {"proof": "none"}}, "config.proof"),
        ({"scheme": "plain", "config": {"proof": ["token"]}}, "config.proof"),
        ({"scheme": "plain", "config": {"more": "x"}}, "config.more"),
        ({"more": 1}, "more"),
    ],
)
def test_what_is_wrong_with_an_endpoint_is_named(api: Api, fields: dict[str, Any], field: str) -> None:
    assert list(faults(api.post("webhook-endpoints", {"name": "Shop"} | fields))) == [field]
    assert not WebhookEndpoint.objects.exists()


def test_an_endpoint_is_changed_and_switched_off(api: Api) -> None:
    made = create(api, scheme="plain")
    path = f"webhook-endpoints/{made['id']}"
    changed = read(call(api, "patch", path, {"name": "Till", "config": {"header": "X-Till"}, "enabled": False}))
    assert (changed["name"], changed["config"], changed["enabled"]) == ("Till", {"header": "X-Till"}, False)
    assert send(made["url"], made["secret"], scheme="hmac") == 403
    assert read(api.get(path))["refusals"][0]["cause"] == "switched off"
    assert list(faults(call(api, "patch", path, {"config": {"header": "no header"}}))) == ["config.header"]
    assert list(faults(call(api, "patch", path, {"scheme": "github"}))) == ["scheme"]
    assert read(api.get(path))["config"] == {"header": "X-Till"}


def test_while_the_secret_changes_both_are_taken_until_the_old_one_is_removed(api: Api) -> None:
    made = create(api)
    path = f"webhook-endpoints/{made['id']}"
    new = read(api.post(f"{path}/rotate"))
    assert new["url"] is None
    assert sorted(new["secrets"]) == ["current", "previous"]
    assert send(made["url"], made["secret"], name="a") == send(made["url"], new["secret"], name="b") == 202
    assert sorted(read(call(api, "delete", f"{path}/previous-secret"))["secrets"]) == ["current"]
    assert send(made["url"], made["secret"], name="c") == 401
    assert send(made["url"], new["secret"], name="d") == 202
    assert read(call(api, "delete", f"{path}/previous-secret"), 409)["type"].endswith("no-previous-secret")


def test_the_old_secret_may_end_by_itself(api: Api) -> None:
    made = create(api)
    path = f"webhook-endpoints/{made['id']}"
    new = read(api.post(f"{path}/rotate", {"keep_previous_seconds": 3600}))
    assert new["previous_until"] is not None
    with time_machine.travel(utcnow() + timedelta(minutes=59)):
        assert send(made["url"], made["secret"], name="a") == 202
    with time_machine.travel(utcnow() + timedelta(minutes=61)):
        assert send(made["url"], made["secret"], name="b") == 401
        assert send(made["url"], new["secret"], name="c") == 202


def test_a_secret_that_the_sender_makes_is_set_when_it_is_known(api: Api) -> None:
    made = create(api, scheme="stripe")
    path = f"webhook-endpoints/{made['id']}"
    assert list(faults(api.post(f"{path}/rotate"))) == ["secret"]
    assert list(faults(api.post(f"{path}/rotate", {"secret": "short"}))) == ["secret"]
    read(api.post(f"{path}/rotate", {"secret": SECRETS["stripe"]}))
    assert send(made["url"], SECRETS["stripe"], scheme="stripe") == 202
    assert list(faults(api.post(f"{path}/rotate", {"secret": SECRETS["stripe"]}))) == ["secret"]


def test_another_address_ends_the_first(api: Api) -> None:
    made = create(api)
    renewed = read(api.post(f"webhook-endpoints/{made['id']}/address"))
    assert renewed["secret"] is None
    assert send(made["url"], made["secret"]) == 404
    assert send(renewed["url"], made["secret"]) == 202


def test_what_came_in_can_be_read_and_told_again(api: Api, acme: Cast) -> None:
    made = create(api)
    AutomationRule.objects.create(
        tenant=acme.tenant, name="A rule", enabled=True, trigger={"kind": "webhook", "endpoint": made["id"]},
        trigger_kind="webhook", listens_to=made["id"], created_at=NOW, updated_at=NOW,
    )  # fmt: skip
    for name in ("a", "b", "c"):
        assert send(made["url"], made["secret"], name=name) == 202
    fire_received()
    path = f"webhook-endpoints/{made['id']}/deliveries"
    page = read(api.get(path, {"page_size": 2, "state": "fired"}))
    assert [row["delivery_id"] for row in page["results"]] == ["c", "b"]
    rest = read(api.get(path, {"page_size": 2, "cursor": page["next_cursor"]}))
    assert ([row["delivery_id"] for row in rest["results"]], rest["next"]) == (["a"], None)
    one = f"{path}/{rest['results'][0]['id']}"
    assert Firing.objects.count() == 3
    for _ in range(2):
        assert read(api.post(f"{one}/replay"), 202)["firings"] == 1
    assert Firing.objects.count() == 5
    assert len(set(Firing.objects.values_list("key", flat=True))) == 5
    story = read(api.get(one))
    assert base64.b64decode(story["body"]) == BODY
    assert (story["payload"], story["size"], len(story["firings"])) == ({"type": "invoice.paid"}, len(BODY), 3)
    assert [each["by"] for each in story["replayed"]] == [f"api:{api.api_key.prefix}"] * 2
    assert Firing.objects.order_by("-pk")[0].event["replay"]["by"] == f"api:{api.api_key.prefix}"


def test_what_could_not_be_read_is_not_told_again(api: Api) -> None:
    made = create(api)
    assert send(made["url"], made["secret"], body=b"{") == 400
    path = f"webhook-endpoints/{made['id']}/deliveries"
    (row,) = read(api.get(path, {"state": "refused"}))["results"]
    assert row["reason"].startswith("This is not JSON")
    assert read(api.post(f"{path}/{row['id']}/replay"), 409)["type"].endswith("not-replayable")
    assert not WebhookReplay.objects.exists()
    assert list(faults(api.get(path, {"state": "lost"}))) == ["state"]
    assert list(faults(api.get(path, {"order": "x"}))) == ["order"]


def test_an_endpoint_goes_with_what_it_received(api: Api) -> None:
    made = create(api)
    send(made["url"], made["secret"])
    assert call(api, "delete", f"webhook-endpoints/{made['id']}").status_code == 204
    assert not WebhookDelivery.objects.exists()
    assert send(made["url"], made["secret"]) == 404


def test_a_key_that_may_read_may_not_change(acme: Cast, api: Api) -> None:
    made = create(api)
    reader = Api(acme.tenant, [Scope.AUTOMATIONS_READ])
    path = f"webhook-endpoints/{made['id']}"
    assert reader.get(path).status_code == reader.get("webhook-endpoints").status_code == 200
    assert reader.post("webhook-endpoints", {"name": "x"}).status_code == 403
    assert reader.post(f"{path}/rotate").status_code == reader.post(f"{path}/address").status_code == 403
    assert call(reader, "delete", path).status_code == 403


def test_the_keys_that_seal_the_secrets_can_be_changed(api: Api, settings: Any) -> None:
    made = create(api)
    old, new = new_key(), new_key()
    settings.ENCRYPTION_KEYS = [new, old]
    call_command("secrets", "rotate", stdout=StringIO())
    settings.ENCRYPTION_KEYS, settings.SECRET_KEY = [new], "another-" * 10
    call_command("secrets", "check", stdout=StringIO())
    assert send(made["url"], made["secret"]) == 202
    settings.ENCRYPTION_KEYS = [old]
    with pytest.raises(CommandError, match="acme/webhook Shop"):
        call_command("secrets", "check", stdout=StringIO())
    assert send(made["url"], made["secret"], name="b") == 403
    assert "cannot be opened" in read(api.get(f"webhook-endpoints/{made['id']}"))["refusals"][0]["reason"]
