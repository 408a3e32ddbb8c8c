"""The `http` step by way of a connection: on its host only, logged in, and the secret nowhere to be read."""

import base64
import json

import pytest
from werkzeug import Response

from taskflow.lib.http import CallRefused
from tenants.domain.connections import Connection
from tenants.services.calls import url_below
from tests.factories import NOW
from workflows.domain.outcomes import PermanentError, TransientError
from workflows.kinds.base import ConfigError, StepContext
from workflows.kinds.registry import make_runner

SECRET = "s3cr3t+/token"
BASIC = base64.b64encode(f"me:{SECRET}".encode()).decode()


@pytest.fixture(autouse=True)
def _loopback_is_allowed(settings):
    settings.OUTGOING_HTTP_ALLOW = ["127.0.0.1/32"]


def context(base_url, *, kind="http", auth="bearer", payload=None, **config):
    secrets = {"password" if auth == "basic" else "token": SECRET}
    given = {"base_url": base_url, "auth": auth, "auth_name": "X-Shop", "username": "me"} | config
    shop = Connection("shop", kind, given, secrets, id=1)
    return StepContext(
        payload=payload or {"id": "a/b"},
        steps={},
        job={"id": "j1"},
        tenant={"slug": "acme"},
        now=NOW,
        idempotency_key="j1:call:1",
        connections={"shop": shop},
    )


def step(**config):
    return make_runner("http", {"connection": "shop", "url": "/orders"} | config)


@pytest.mark.parametrize(
    ("auth", "seen"),
    [
        ("bearer", ("Authorization", f"Bearer {SECRET}")),
        ("basic", ("Authorization", f"Basic {BASIC}")),
        ("header", ("X-Shop", SECRET)),
        ("none", ("Authorization", None)),
    ],
)
def test_the_connection_gives_the_address_and_logs_in(httpserver, auth, seen):
    got = {}

    def note(request):
        got.update(request.headers)
        return Response("{}", content_type="application/json")

    httpserver.expect_request("/v1/orders/a%2Fb").respond_with_handler(note)
    httpserver.expect_request("/v1/orders/a/b").respond_with_handler(note)
    step(url="/orders/{{ payload.id }}").run(context(httpserver.url_for("/v1"), auth=auth))
    assert got.get(seen[0]) == seen[1]


def test_a_secret_in_the_query_is_added_to_what_is_there(httpserver):
    expected = {"X-Shop": SECRET, "page": "2"}
    httpserver.expect_request("/orders", query_string=expected).respond_with_json({"ok": True})
    outcome = step(query={"page": 2}).run(context(httpserver.url_for(""), auth="query"))
    assert outcome.output["body"] == {"ok": True}


def test_the_steps_own_header_does_not_replace_the_login(httpserver):
    httpserver.expect_request("/orders", headers={"Authorization": f"Bearer {SECRET}"}).respond_with_data("ok")
    step(headers={"authorization": "Bearer mine"}).run(context(httpserver.url_for("")))


@pytest.mark.parametrize("auth", ["bearer", "basic", "header", "query"])
def test_an_echo_of_the_secret_does_not_reach_the_output(httpserver, auth):
    def echo(request):
        seen = {"headers": dict(request.headers), "query": request.query_string.decode(), "plain": SECRET}
        return Response(json.dumps(seen), content_type="application/json")

    httpserver.expect_request("/orders").respond_with_handler(echo)
    outcome = step().run(context(httpserver.url_for(""), auth=auth))
    shown = json.dumps(outcome.output)
    assert outcome.output["body"]["plain"] == "***"
    assert not [form for form in (SECRET, BASIC, "s3cr3t") if form in shown]


@pytest.mark.parametrize(("status", "error"), [(400, PermanentError), (503, TransientError)])
def test_an_error_does_not_repeat_the_secret(httpserver, status, error):
    httpserver.expect_request("/orders").respond_with_data(f"bad token {SECRET}", status=status)
    with pytest.raises(error, match=r"bad token \*\*\*") as caught:
        step().run(context(httpserver.url_for(""), auth="header"))
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("auth", ["bearer", "basic", "header", "query", "none"])
def test_a_dry_run_says_what_it_would_send_without_the_secret(auth):
    found = step(method="POST", url="/orders/{{ payload.id }}", body={"content": {"n": 1}})
    output = found.dry_run(context("https://shop.example/v1/", auth=auth)).output["would_send"]
    assert (output["method"], output["connection"]) == ("POST", "shop")
    assert output["url"] == "https://shop.example/v1/orders/a%2Fb"
    assert SECRET not in json.dumps(output)
    assert BASIC not in json.dumps(output)


def test_a_dry_run_without_connections_shows_the_path():
    bare = StepContext(payload={}, steps={}, job={}, tenant={}, now=NOW)
    assert step().dry_run(bare).output["would_send"]["url"] == "/orders"


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/orders",
        "http://shop.example/v1/orders",
        "https://shop.example:8443/v1/orders",
        "https://shop.example.evil.example/v1",
        "https://shop.example@evil.example/v1",
        "https://shop.example/v2/orders",
        "https://shop.example/v10/orders",
        "//evil.example/../../orders",
        "/../admin",
        "/orders/../../admin",
        "/orders/%2e%2e/%2E%2e/admin",
        "/orders/..%2f..%2fadmin",
        "/orders%2f..%2f..%2fadmin",
        "/orders/..",
        "\\\\evil.example\\x",
        "javascript://shop.example/v1",
    ],
)
def test_a_call_does_not_leave_the_connections_base(url):
    with pytest.raises(CallRefused):
        url_below("https://shop.example/v1", url)


@pytest.mark.parametrize(
    ("url", "joined"),
    [
        ("/orders", "https://shop.example/v1/orders"),
        ("orders", "https://shop.example/v1/orders"),
        ("", "https://shop.example/v1"),
        ("?a=1", "https://shop.example/v1?a=1"),
        ("//evil.example/x", "https://shop.example/v1/evil.example/x"),
        ("/a..b/...", "https://shop.example/v1/a..b/..."),
        ("https://shop.example/v1/orders?a=1", "https://shop.example/v1/orders?a=1"),
        ("https://SHOP.example:443/v1/orders", "https://SHOP.example:443/v1/orders"),
        ("/see/https://other.example", "https://shop.example/v1/see/https://other.example"),
    ],
)
def test_paths_and_urls_of_the_same_host_are_joined(url, joined):
    assert url_below("https://shop.example/v1/", url) == joined


def test_the_payload_cannot_climb_out_of_the_path(httpserver):
    with pytest.raises(PermanentError, match="leads out of the connection's base URL"):
        step(url="/orders/{{ payload.id }}/items").run(context(httpserver.url_for("/v1"), payload={"id": ".."}))


@pytest.mark.parametrize("auth", ["bearer", "basic", "header", "query"])
def test_a_redirect_to_another_host_does_not_carry_the_login(httpserver, settings, auth):
    seen = {}

    def note(request):
        seen.update(request.headers, query=request.query_string.decode())
        return Response("ok")

    elsewhere = httpserver.url_for("/there").replace("localhost", "127.0.0.1")
    here = httpserver.url_for("").replace("127.0.0.1", "localhost")
    httpserver.expect_request("/orders").respond_with_data("", status=302, headers={"Location": elsewhere})
    httpserver.expect_request("/there").respond_with_handler(note)
    settings.OUTGOING_HTTP_ALLOW = ["127.0.0.1/32", "localhost"]
    step().run(context(here, auth=auth))
    assert seen["Host"].startswith("127.0.0.1")
    assert not [value for value in seen.values() if SECRET in value or BASIC in value or "s3cr3t" in value]
    httpserver.expect_request("/put").respond_with_data("", status=307, headers={"Location": elsewhere})
    with pytest.raises(PermanentError, match="redirected to another host with its content"):
        step(method="PUT", url="/put", body={"content": 1}).run(context(here, auth=auth))


def test_a_connection_of_another_kind_is_refused():
    with pytest.raises(PermanentError, match="'shop' is no HTTP API: its kind is slack"):
        step().run(context("https://shop.example", kind="slack"))


def test_a_connection_that_is_not_there_is_a_clear_reason():
    with pytest.raises(PermanentError, match="There is no connection 'shop': add it"):
        step().run(StepContext(payload={}, steps={}, job={}, tenant={}, now=NOW))


def test_a_name_that_is_no_slug_is_refused_in_the_config():
    with pytest.raises(ConfigError) as caught:
        step(connection="No Slug")
    assert caught.value.field == "connection"


def test_a_call_takes_a_place_and_gives_it_back_whatever_happens(httpserver):
    from dataclasses import replace

    class Counting:
        left = 0
        entered: list[str] = []

        def enter(self, connection, *, now, tokens=0):
            self.entered.append(connection.slug)
            return self

        def leave(self, *, tokens=0, cost=0.0):
            self.left += 1

    gate = Counting()
    httpserver.expect_request("/orders").respond_with_data("no", status=500)
    with pytest.raises(TransientError):
        step().run(replace(context(httpserver.url_for("")), gate=gate))
    assert (gate.entered, gate.left) == (["shop"], 1)
