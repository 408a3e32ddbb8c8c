"""No hostile address is reached: not by an http step, not by a connection's base URL, not by “Test connection”.

Every call would fail in the sandbox of a test anyway. So each must be refused before a socket is opened, and for its
address; and with the guard taken away the same calls are shown to get as far as a socket.
"""

import ipaddress

import pytest

from taskflow.lib.http import client as http_client
from taskflow.lib.http import get_client, transport
from tenants.domain.connections import Connection
from tenants.models import Connection as Row
from tenants.services.connections import ConnectionInvalid, create_connection
from tenants.services.probe import probe
from tests.factories import NOW, make_connection, make_tenant
from tests.unit.hostile import BY_NAME, URLS, resolve
from workflows.domain.outcomes import PermanentError
from workflows.kinds.base import ConfigError, StepContext
from workflows.kinds.registry import make_runner

HOSTILE = URLS + BY_NAME
#: What the tests' web server would not send, or puts right on the way.
UNSENDABLE = {url for url in URLS if not url.isascii() or url.endswith((":-1", ":99999"))} | {"http:///127.0.0.1"}


class Reached(Exception):
    """A socket was about to be opened."""


@pytest.fixture
def dialled(monkeypatch, settings):
    """Note every address that a socket would be opened to; nothing is opened."""
    settings.OUTGOING_HTTP_ALLOW = []
    seen = []

    def dial(self, host, port, *rest, **more):
        seen.append((host, port))
        raise Reached(host)

    monkeypatch.setattr("httpcore2.SyncBackend.connect_tcp", dial)
    monkeypatch.setattr(transport.socket, "create_connection", lambda where, *rest: dial(None, *where))
    http_client._client.cache_clear()
    monkeypatch.setattr(transport.GuardedBackend.__init__, "__defaults__", (resolve,))
    monkeypatch.setattr(http_client.HttpClient.__init__, "__defaults__", (resolve,))
    monkeypatch.setattr(transport.open_socket, "__defaults__", (resolve,))
    yield seen
    http_client._client.cache_clear()


def context(**connections: Connection) -> StepContext:
    return StepContext(payload={}, steps={}, job={}, tenant={}, now=NOW, connections=connections)


def test_there_are_enough_of_them():
    assert len(set(HOSTILE)) >= 70


@pytest.mark.parametrize("url", HOSTILE)
def test_an_http_step_does_not_reach_it(dialled, url):
    with pytest.raises((PermanentError, ConfigError)):
        make_runner("http", {"url": f"{url}/"}).run(context())
    assert dialled == []


@pytest.mark.parametrize("url", HOSTILE)
def test_an_http_step_does_not_reach_it_as_a_value(dialled, url):
    runner = make_runner("http", {"url": "{{ payload.url|safe }}"})
    with pytest.raises(PermanentError):
        runner.run(StepContext(payload={"url": url}, steps={}, job={}, tenant={}, now=NOW))
    assert dialled == []


@pytest.mark.parametrize("url", HOSTILE)
def test_a_connections_base_url_does_not_reach_it(dialled, url):
    way = Connection("way", "http", {"base_url": url, "auth": "bearer"}, {"token": "s3cr3t"}, id=1)
    with pytest.raises(PermanentError) as caught:
        make_runner("http", {"connection": "way", "url": "/x"}).run(context(way=way))
    assert "s3cr3t" not in str(caught.value)
    assert dialled == []


@pytest.mark.parametrize("url", HOSTILE)
@pytest.mark.parametrize("kind", ["openai", "http", "webhook"])
def test_the_test_of_a_connection_does_not_reach_it(dialled, kind, url):
    config = {"base_url": url, "url": url, "model": "m", "auth": "none", "test_path": "/"}
    verdict = probe(Connection("way", kind, config, {}, id=1), now=NOW)
    assert not verdict.ok
    assert "OUTGOING_HTTP_ALLOW" in verdict.message
    assert dialled == []


@pytest.mark.django_db
def test_a_base_url_that_shows_what_it_is_cannot_be_stored(dialled):
    tenant = make_tenant()
    for url in URLS:
        with pytest.raises(ConnectionInvalid) as caught:
            create_connection(tenant=tenant, slug="way", kind="http", config={"base_url": url}, now=NOW)
        assert [field for field, _ in caught.value.problems] == ["config.base_url"], url
    assert not Row.objects.exists()


@pytest.mark.django_db
def test_a_chats_address_that_shows_what_it_is_cannot_be_stored(dialled):
    tenant = make_tenant()
    for url in URLS:
        secrets = {"webhook_url": url.replace("http://", "https://", 1)}
        with pytest.raises(ConnectionInvalid):
            create_connection(tenant=tenant, slug="way", kind="slack", config={}, secrets=secrets, now=NOW)


@pytest.mark.parametrize("url", BY_NAME)
def test_mail_does_not_reach_it(dialled, url):
    host = url.removeprefix("http://")
    config = {"host": host, "port": 25, "security": "none", "username": "", "sender": "a@b.test"}
    verdict = probe(Connection("way", "mail", config, {}, id=1), now=NOW)
    assert "not in the public internet" in verdict.message
    assert dialled == []


@pytest.mark.parametrize("url", [url for url in HOSTILE if url.startswith("http://") and url not in UNSENDABLE])
def test_a_redirect_does_not_lead_to_it(httpserver, settings, monkeypatch, url):
    settings.OUTGOING_HTTP_ALLOW = ["shop.example"]
    seen = []
    real = transport.httpcore2.SyncBackend.connect_tcp

    def dial(self, host, port, *rest, **more):
        seen.append((host, port))
        return real(self, host, port, *rest, **more)

    def look_up(host, port):
        return [ipaddress.ip_address("127.0.0.1")] if host == "shop.example" else resolve(host, port)

    monkeypatch.setattr("httpcore2.SyncBackend.connect_tcp", dial)
    monkeypatch.setattr(http_client.HttpClient.__init__, "__defaults__", (look_up,))
    http_client._client.cache_clear()
    headers = {"Location": f"{url}/latest/meta-data/"}
    httpserver.expect_request("/go").respond_with_data("", status=302, headers=headers)
    with pytest.raises(PermanentError):
        make_runner("http", {"url": f"http://shop.example:{httpserver.port}/go"}).run(context())
    assert seen == [("127.0.0.1", httpserver.port)]
    http_client._client.cache_clear()


@pytest.mark.parametrize("url", ["http://127.0.0.1", "http://internal.example", "http://[64:ff9b::7f00:1]"])
def test_without_the_guard_they_would_be_reached(dialled, monkeypatch, url):
    for module in (transport, http_client):
        monkeypatch.setattr(module, "check_address", lambda *args: None)
    way = Connection("way", "http", {"base_url": url, "auth": "none", "test_path": "/"}, {}, id=1)
    with pytest.raises(Reached):
        make_runner("http", {"url": f"{url}/"}).run(context())
    with pytest.raises(Reached):
        make_runner("http", {"connection": "way", "url": "/x"}).run(context(way=way))
    with pytest.raises(Reached):
        probe(way, now=NOW)
    assert len(dialled) == 3


@pytest.mark.django_db
def test_an_address_that_becomes_private_after_it_was_stored_is_refused_when_it_is_used(dialled):
    row = make_connection(kind="http", config={"base_url": "https://rebound.example"}, secrets={})
    way = Connection(row.slug, row.kind, row.config, {}, id=row.pk)
    with pytest.raises(PermanentError, match="not in the public internet"):
        make_runner("http", {"connection": row.slug, "url": "/"}).run(context(**{row.slug: way}))
    assert get_client().allow.hosts == frozenset()
