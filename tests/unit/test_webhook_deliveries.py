"""What a webhook says: its payload, the event's name, and the id by which a repetition is known."""

import json

import pytest

from automations.domain.deliveries import BadBody, delivery_id, read_delivery, read_payload
from automations.domain.signatures import Plain
from automations.domain.states import Scheme

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


def read(scheme: Scheme, headers=None, body=None, content_type=JSON, raw=b""):
    return read_delivery(
        scheme, headers=headers or {}, body=raw or json.dumps(body).encode(), content_type=content_type
    )


@pytest.mark.parametrize(
    ("scheme", "headers", "body", "identity", "event"),
    [
        (Scheme.STANDARD, {"webhook-id": "msg_1"}, {"type": "user.created"}, "msg_1", "user.created"),
        (Scheme.STANDARD, {"svix-id": "msg_1"}, {"type": "user.created"}, "msg_1", "user.created"),
        (Scheme.GITHUB, {"X-GitHub-Delivery": "d1", "X-GitHub-Event": "push"}, {"type": "x"}, "d1", "push"),
        (Scheme.STRIPE, {"X-Delivery-Id": "other"}, {"id": "evt_1", "type": "charge.ok"}, "evt_1", "charge.ok"),
        (Scheme.SLACK, {}, {"event_id": "Ev1", "type": "x", "event": {"type": "message"}}, "Ev1", "message"),
        (Scheme.PLAIN, {"X-Delivery-Id": "7", "X-Event-Type": "sale"}, {"type": "x"}, "7", "sale"),
        (Scheme.PLAIN, {"Idempotency-Key": "8"}, {"event": "sale"}, "8", "sale"),
    ],
)  # fmt: skip
def test_each_scheme_has_its_place_for_id_and_event(scheme, headers, body, identity, event):
    found = read(scheme, headers, body)
    assert (found.external_id, found.event, found.payload) == (identity, event, body)


def test_a_plain_sender_may_have_headers_of_its_own_for_id_and_event():
    plain = Plain(id_header="X-Shop-Id", event_header="X-Shop-Topic")
    headers = {"X-Shop-Id": "5", "X-Shop-Topic": "orders/paid", "X-Delivery-Id": "other"}
    found = read_delivery(Scheme.PLAIN, headers=headers, body=b"{}", content_type=JSON, plain=plain)
    assert (found.external_id, found.event) == ("5", "orders/paid")


def test_without_an_id_the_body_and_its_signed_time_are_one():
    def at(time: str, body: bytes = b"{}") -> str:
        return delivery_id(Scheme.SLACK, headers={"X-Slack-Request-Timestamp": time}, body=body)

    assert at("1") == at("1")
    assert len({at("1"), at("2"), at("1", b"[]")}) == 3
    assert len(at("1")) == 64


@pytest.mark.parametrize("identity", ["a" * 201, "line\nbreak", "é", "two  blanks", "\x00"])
def test_an_id_that_is_too_long_or_odd_is_kept_as_its_digest(identity):
    found = delivery_id(Scheme.GITHUB, headers={"X-GitHub-Delivery": identity}, body=b"{}")
    assert len(found) == 64
    assert found.isascii()


def test_an_event_named_oddly_becomes_one_short_line():
    found = read(Scheme.GITHUB, {"X-GitHub-Event": "pu\nsh\x1b[0m" + "x" * 500}, {})
    assert found.event.startswith("pu sh [0m")
    assert len(found.event) == 100


def test_slack_tries_an_address_by_a_challenge():
    assert read(Scheme.SLACK, {}, {"type": "url_verification", "challenge": "abc"}).challenge == "abc"
    assert read(Scheme.STRIPE, {}, {"type": "url_verification", "challenge": "abc"}).challenge == ""
    assert read(Scheme.SLACK, {}, ["url_verification"]).challenge == ""


def test_a_form_is_its_fields_or_the_json_it_carries():
    found = read(Scheme.SLACK, raw=b"command=%2Fweather&text=caf%C3%A9&text=second", content_type=f"{FORM}; charset=x")
    assert (found.payload, found.event) == ({"command": "/weather", "text": "café"}, "/weather")
    assert read_payload(b"payload=%7B%22a%22%3A1%7D", FORM) == {"a": 1}


@pytest.mark.parametrize(
    ("body", "kind", "reason"),
    [
        (b"", JSON, "the text is empty"),
        (b"{", JSON, "not JSON"),
        (b'{"a": 1, "a": 2}', JSON, "appears twice"),
        (b'{"a": NaN}', JSON, "NaN is not a JSON value"),
        (b"\xff", JSON, "not UTF-8"),
        (b"[" * 5000, JSON, "JSON"),
        (b"a=%FF", FORM, "form cannot be read"),
        (b"\xff=1", FORM, "form cannot be read"),
        (b"&".join(b"a%d=1" % n for n in range(1001)), FORM, "form cannot be read"),
        (b"payload=nonsense", FORM, "not JSON"),
    ],
)
def test_a_body_that_cannot_be_read_says_why(body, kind, reason):
    with pytest.raises(BadBody, match=reason):
        read_payload(body, kind)
