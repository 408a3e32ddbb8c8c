"""Webhooks come in by their own addresses: proved, stored once, told to the rules; refused with a reason otherwise."""

import json
import logging
import re
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.test import Client

from automations.models import AutomationRule, Firing, WebhookDelivery, WebhookEndpoint, WebhookRefusal
from automations.runtime.fire import fire
from automations.services.endpoints import Issued, create_endpoint
from automations.services.occurrences import fire_received
from jobs.models import Job
from taskflow.lib.clock import utcnow
from taskflow.logs import make_formatter
from tests.factories import NOW, Cast, make_workflow
from tests.journeys.api.client import read
from tests.webhooks import SECRETS, signed

pytestmark = pytest.mark.django_db
JSON = "application/json"
BODY = {"type": "invoice.paid", "id": "evt_1", "total": 12.5}


@pytest.fixture
def log() -> Iterator[StringIO]:
    text = StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(make_formatter(form="json"))
    logging.getLogger().addHandler(handler)
    yield text
    logging.getLogger().removeHandler(handler)


def make_endpoint(cast: Cast, scheme: str = "standard", **fields: Any) -> Issued:
    known = {"name": "Shop", "scheme": scheme, "secret": SECRETS[scheme], "now": NOW}
    if scheme in ("hmac", "token"):
        config = {"proof": "token" if scheme == "token" else "signature"}
        known |= {"scheme": "plain", "config": config}
    return create_endpoint(tenant=cast.tenant, **known | fields)


def make_rule(endpoint: WebhookEndpoint, **fields: Any) -> AutomationRule:
    known = {
        "tenant": endpoint.tenant,
        "name": "A rule",
        "enabled": True,
        "trigger": {"kind": "webhook", "endpoint": str(endpoint.uid)},
        "trigger_kind": "webhook",
        "listens_to": str(endpoint.uid),
        "created_at": NOW,
        "updated_at": NOW,
    }
    return AutomationRule.objects.create(**known | fields)


def send(key: str, scheme: str = "standard", body: Any = None, *, raw: bytes | None = None, **more: Any) -> Any:
    """Send a body, signed as the scheme does it; `headers` replace or, with None, take away."""
    raw = json.dumps(BODY if body is None else body).encode() if raw is None else raw
    now = more.pop("now", utcnow()) - timedelta(minutes=more.pop("minutes_late", 0))
    headers = signed(scheme, more.pop("signed_body", raw), now=now, **more.pop("sign", {}))
    headers = {name: value for name, value in (headers | more.pop("headers", {})).items() if value is not None}
    kind = more.pop("kind", JSON)
    return Client().post(f"/api/v1/events/webhook/{key}", raw, content_type=kind, headers=headers)


def nothing_was_made() -> bool:
    return not (WebhookDelivery.objects.exists() or Firing.objects.exists() or Job.objects.exists())


@pytest.mark.parametrize("scheme", SECRETS)
def test_what_is_proved_is_stored_and_makes_one_firing_of_each_rule_that_listens(scheme: str, acme: Cast) -> None:
    endpoint, key, _ = make_endpoint(acme, scheme)
    make_rule(endpoint)
    make_rule(endpoint, enabled=False)
    make_rule(make_endpoint(acme).endpoint)
    answer = read(send(key, scheme), 202)
    fire_received()
    row = WebhookDelivery.objects.get()
    assert answer == {"id": str(row.uid), "delivery_id": row.delivery_id, "event": row.event_type}
    assert (row.payload, json.loads(bytes(row.body)), row.state) == (BODY, BODY, "fired")
    firing = Firing.objects.get()
    assert (firing.delivery, firing.event["payload"], firing.tenant) == (row, BODY, acme.tenant)
    kept = json.dumps(row.headers).lower()
    assert "signature" not in kept
    assert SECRETS[scheme] not in kept


@pytest.mark.parametrize("scheme", SECRETS)
def test_the_same_delivery_again_gets_the_first_answer_and_makes_nothing_twice(scheme: str, acme: Cast) -> None:
    endpoint, key, _ = make_endpoint(acme, scheme)
    make_rule(endpoint)
    now = utcnow()
    first, again = send(key, scheme, now=now), send(key, scheme, now=now)
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json() == again.json()
    for _worker in range(2):
        fire_received()
    assert (WebhookDelivery.objects.count(), Firing.objects.count()) == (1, 1)


def test_two_endpoints_may_get_the_same_delivery(acme: Cast, globex: Cast) -> None:
    for cast in (acme, acme, globex):
        assert send(make_endpoint(cast).key).status_code == 202
    assert WebhookDelivery.objects.count() == 3


@pytest.mark.parametrize(
    ("scheme", "change", "status", "said"),
    [
        ("standard", {"sign": {"secret": "whsec_" + "n" * 32}}, 401, "does not fit"),
        ("standard", {"minutes_late": 12}, 401, "12 minutes old; 5 minutes are allowed"),
        ("standard", {"minutes_late": -12}, 401, "ahead of our clock"),
        ("standard", {"headers": {"webhook-id": "msg_2"}}, 401, "does not fit"),
        ("standard", {"headers": {"webhook-signature": None}}, 401, "webhook-signature is missing"),
        ("github", {"signed_body": b"{}"}, 401, "does not fit"),
        ("github", {"headers": {"X-Hub-Signature-256": "sha256=é"}}, 401, "does not fit"),
        ("stripe", {"headers": {"Stripe-Signature": "t=1,v1=" + "0" * 64}}, 401, "days old"),
        ("slack", {"headers": {"X-Slack-Request-Timestamp": "now"}}, 401, "not a whole number"),
        ("token", {"headers": {"Authorization": "Bearer guess"}}, 401, "none of the endpoint's secrets"),
        ("standard", {"raw": b""}, 400, "the text is empty"),
        ("standard", {"raw": b"{nonsense"}, 400, "not JSON"),
        ("standard", {"raw": b"x" * (1024 * 1024 + 1)}, 413, "larger than 1048576 bytes"),
    ],
)
def test_what_is_not_right_is_refused_and_makes_nothing(
    scheme: str, change: dict[str, Any], status: int, said: str, acme: Cast, log: StringIO
) -> None:
    endpoint, key, secret = make_endpoint(acme, scheme)
    make_rule(endpoint)
    problem = read(send(key, scheme, **change), status)
    assert said in problem["detail"]
    fire_received()
    assert not Firing.objects.exists()
    if status == 400:
        # It was proved, so its owner may look at what came; it never fires.
        assert [row.state for row in WebhookDelivery.objects.all()] == ["refused"]
    else:
        assert nothing_was_made()
        refusal = WebhookRefusal.objects.get()
        assert (refusal.endpoint, refusal.count) == (endpoint, 1)
        assert said in refusal.reason
        assert said in log.getvalue()
    assert secret not in log.getvalue()
    assert key not in log.getvalue()


def test_an_address_that_is_none_is_404_and_its_key_stays_out_of_the_log(acme: Cast, log: StringIO) -> None:
    problem = read(send("a-guessed-key"), 404)
    assert problem["detail"] == "There is no such webhook address."
    assert nothing_was_made()
    assert "no endpoint has this address" in log.getvalue()
    assert "a-guessed-key" not in log.getvalue()


@pytest.mark.parametrize("key", ["é" * 20, "%00", "a" * 3000, "..", "'; DROP TABLE x; --"])
def test_an_odd_address_is_404(key: str, db: None) -> None:
    assert send(key).status_code == 404


@pytest.mark.parametrize("off", ["endpoint", "tenant"])
def test_an_address_that_is_switched_off_takes_nothing(off: str, acme: Cast) -> None:
    endpoint, key, _ = make_endpoint(acme, enabled=off != "endpoint")
    if off == "tenant":
        acme.tenant.active = False
        acme.tenant.save()
    assert read(send(key), 403)["detail"] == "This webhook address is switched off."
    assert nothing_was_made()
    assert endpoint.refusals.get().cause == "switched off"


def test_an_address_without_a_secret_takes_nothing_and_says_so(acme: Cast) -> None:
    _, key, secret = make_endpoint(acme, "stripe", secret="")
    assert secret == ""
    assert read(send(key, "stripe"), 403)["detail"] == "The secret of this address was not set yet."


def test_a_secret_of_another_tenant_opens_nothing(acme: Cast, globex: Cast) -> None:
    _, key, _ = make_endpoint(acme, secret="")
    theirs = make_endpoint(globex, secret="")
    assert send(key, sign={"secret": theirs.secret}).status_code == 401
    assert send(theirs.key, sign={"secret": theirs.secret}).status_code == 202
    assert WebhookDelivery.objects.get().tenant == globex.tenant


def test_many_refusals_are_one_row_and_few_lines(acme: Cast, log: StringIO) -> None:
    _, key, _ = make_endpoint(acme, "github")
    for _each in range(20):
        send(key, "github", signed_body=b"other")
    assert WebhookRefusal.objects.count() == 1
    assert log.getvalue().count("webhook.refused") < 20
    assert nothing_was_made()


def test_a_body_that_cannot_be_read_is_kept_for_its_owner_and_refused_again(acme: Cast) -> None:
    endpoint, key, _ = make_endpoint(acme)
    make_rule(endpoint)
    first, again = send(key, raw=b"\xff"), send(key, raw=b"\xff")
    assert read(first, 400)["detail"] == read(again, 400)["detail"] == "The text is not UTF-8: byte 0 cannot be read."
    row = WebhookDelivery.objects.get()
    assert (bytes(row.body), row.state, row.reason) == (b"\xff", "refused", first.json()["detail"])


def test_slack_tries_the_address_and_sends_forms(acme: Cast) -> None:
    _, key, _ = make_endpoint(acme, "slack")
    challenge = {"type": "url_verification", "challenge": "3eZbrw1a", "token": "x"}
    assert read(send(key, "slack", challenge)) == {"challenge": "3eZbrw1a"}
    assert nothing_was_made()
    assert send(key, "slack", challenge, signed_body=b"other").status_code == 401
    form = "application/x-www-form-urlencoded"
    assert read(send(key, "slack", raw=b"command=%2Fask&text=caf%C3%A9", kind=form), 202)["event"] == "/ask"
    assert WebhookDelivery.objects.get().payload == {"command": "/ask", "text": "café"}


def test_what_is_odd_in_a_body_or_header_is_kept_as_it_is_or_made_harmless(acme: Cast) -> None:
    _, key, _ = make_endpoint(acme, "github")
    body = {"emoji": "😀", "line": "a\r\nSet-Cookie: x=1", "null": "\u0000", "number": 10**30}
    headers = {"X-GitHub-Event": "pu\tsh", "X-GitHub-Delivery": "é" * 500, "Cookie": "session=1", "X-Odd": "\x1b[0m"}
    answer = send(key, "github", body, headers=headers)
    assert read(answer, 202)["event"] == "pu sh"
    row = WebhookDelivery.objects.get()
    assert row.payload == body
    assert len(row.delivery_id) == 64
    assert "cookie" not in row.headers
    assert row.headers["x-odd"] == " [0m"


def test_too_many_of_one_sender_are_told_to_come_back(acme: Cast, settings: Any) -> None:
    settings.API_REQUESTS_PER_MINUTE = 3
    _, key, _ = make_endpoint(acme)
    for number in range(3):
        # What is not proved does not count: a flood must not keep the sender out.
        send(key, headers={"webhook-signature": "v1,wrong"})
        assert send(key, sign={"name": f"m{number}"}).status_code == 202
    late = send(key, sign={"name": "m4"})
    assert late.status_code == 429
    assert int(late["Retry-After"]) <= 61


def test_the_address_takes_posts_alone(acme: Cast) -> None:
    _, key, _ = make_endpoint(acme)
    for method in ("get", "put", "delete", "patch"):
        assert getattr(Client(), method)(f"/api/v1/events/webhook/{key}").status_code == 405


def test_many_deliveries_are_told_together_and_large_ones_alone(acme: Cast) -> None:
    endpoint, key, _ = make_endpoint(acme)
    for name in ("A rule", "Another"):
        make_rule(endpoint, name=name)
    make_rule(endpoint, name="Of another type", trigger={"events": ["invoice.sent"]})
    for number, size in enumerate((10, 700_000, 10, 900_000, 10)):
        body = {"type": "invoice.paid", "text": "x" * size}
        assert send(key, body=body, sign={"name": f"m{number}"}).status_code == 202
    told = []
    while count := fire_received():
        told.append(count)
    assert told == [3, 2]
    assert Firing.objects.count() == 10
    assert set(WebhookDelivery.objects.values_list("reason", flat=True)) == {"2 rules"}
    send(make_endpoint(acme).key)
    fire_received()
    assert WebhookDelivery.objects.order_by("-pk")[0].reason == "no rule listens"


def counted() -> dict[str, float]:
    """Return the metrics of rules and webhooks, by name and outcome."""
    text = Client().get("/metrics").content.decode()
    found = re.findall(r'^taskflow_((?:rule|webhook|firing)\w*)(?:\{outcome="(.*)"\})? (\S+)$', text, re.MULTILINE)
    return {f"{name} {outcome}".strip(): float(value) for name, outcome, value in found}


def test_what_becomes_of_webhooks_and_firings_is_counted(acme: Cast) -> None:
    make_workflow(acme.tenant, "target")
    issued = make_endpoint(acme)
    make = [{"kind": "create_jobs", "jobs": [{"workflow": "target"}]}]
    for condition in ("", "payload.total > 100.0", "payload.nothing == 1"):
        make_rule(issued.endpoint, actions=make, condition=condition)
    before = counted()
    for name in ("m1", "m1", "m2"):
        send(issued.key, sign={"name": name})
    send(issued.key, raw=b"no json", sign={"name": "m3"})
    send(issued.key, signed_body=b"another")
    send("nowhere")
    assert counted()["webhooks_waiting"] == 2
    fire()
    after = counted()
    assert {name: value - before.get(name, 0) for name, value in after.items() if value != before.get(name, 0)} == {
        "webhook_deliveries_total stored": 2,
        "webhook_deliveries_total repeated": 1,
        "webhook_deliveries_total not readable": 1,
        "webhook_deliveries_total refused: wrong": 1,
        "webhook_deliveries_total unknown address": 1,
        "rule_firings_total acted": 2,
        "rule_firings_total not matched": 2,
        "rule_firings_total failed": 2,
        "rule_lag_seconds_count": 4,
        "rule_lag_seconds_sum": after["rule_lag_seconds_sum"] - before.get("rule_lag_seconds_sum", 0),
    }
