"""What strangers try on a real web server: refused with the right status, a line in the log, and nothing made."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from automations.models import AutomationRule, Firing, WebhookDelivery
from automations.services.endpoints import create_endpoint, update_endpoint
from automations.services.occurrences import fire_received
from jobs.models import Job
from taskflow.lib.clock import utcnow
from tests.conftest import url_of_test_database
from tests.factories import make_queue, make_tenant
from tests.servers import free_port
from tests.webhooks import SECRETS, signed

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
BODY = json.dumps({"type": "invoice.paid", "text": "café 😀"}).encode()
#: More than the threads of the server.
SLOW_CLIENTS = 30


@dataclass
class Server:
    """A web server of one process with two threads, and what it logged."""

    port: int
    log: Path
    #: How much of the log is of earlier tests, in bytes.
    past: int = 0

    def post(self, path: str, body: Any, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            known = {"Content-Type": "application/json"}
            connection.request("POST", path, body, known | headers, encode_chunked=not isinstance(body, bytes))
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

    def raw(self, request: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as wire:
            wire.sendall(request)
            return b"".join(iter(lambda: wire.recv(65536), b""))

    def said(self, *words: str) -> bool:
        """Say whether a line of the log has all these words, within a moment."""
        for _ in range(50):
            lines = self.log.read_bytes()[self.past :].decode().splitlines()
            if any(all(word in line for word in words) for line in lines):
                return True
            time.sleep(0.1)
        return False


@pytest.fixture(scope="module")
def running(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server for all tests, which see the same database."""
    port, log = free_port(), tmp_path_factory.mktemp("server") / "log"
    with django_db_blocker.unblock():
        env = os.environ | {"DATABASE_URL": url_of_test_database(), "HTTPS": "false"}
    env |= {"PORT": str(port), "WEB_PROCESSES": "1", "WEB_THREADS": "2"}
    with log.open("wb") as output:
        command = [sys.executable, "manage.py", "start", "web"]
        process = subprocess.Popen(command, env=env, stdout=output, stderr=output)
        try:
            for _ in range(300):
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=5).close()
                    break
                except OSError:
                    assert process.poll() is None, log.read_text()
                    time.sleep(0.1)
            yield Server(port, log)
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture
def server(running: Server, transactional_db: None) -> Server:
    return replace(running, past=running.log.stat().st_size)


@dataclass
class Address:
    path: str
    endpoint: Any

    def head(self, length: int, headers: dict[str, str]) -> bytes:
        lines = [f"POST {self.path} HTTP/1.1", "Host: localhost", f"Content-Length: {length}", "Connection: close"]
        lines += ["Content-Type: application/json", *(f"{name}: {value}" for name, value in headers.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


@pytest.fixture
def address(transactional_db: None) -> Address:
    make_queue()
    endpoint, key, _ = create_endpoint(
        tenant=make_tenant("acme"), name="Shop", scheme="standard", secret=SECRETS["standard"], now=utcnow()
    )
    AutomationRule.objects.create(
        tenant=endpoint.tenant, name="A rule", enabled=True, trigger={}, trigger_kind="webhook",
        listens_to=str(endpoint.uid), created_at=utcnow(), updated_at=utcnow(),
    )  # fmt: skip
    return Address(f"/api/v1/events/webhook/{key}", endpoint)


def made() -> tuple[int, int]:
    while fire_received():
        pass
    assert not Job.objects.exists()
    return WebhookDelivery.objects.count(), Firing.objects.count()


def headers_of(body: bytes = BODY, **more: Any) -> dict[str, str]:
    return signed("standard", body, **{"now": utcnow()} | more)


def test_a_captured_request_sent_again_makes_nothing_more(server: Server, address: Address) -> None:
    headers = headers_of()
    answers = [server.post(address.path, BODY, headers) for _ in range(3)]
    assert [status for status, _ in answers] == [202, 200, 200]
    assert answers[0][1] == answers[1][1] == answers[2][1]
    assert made() == (1, 1)
    # Under another id the signature does not fit any more.
    assert server.post(address.path, BODY, headers | {"webhook-id": "another"})[0] == 401
    assert made() == (1, 1)


def test_what_is_stale_forged_unknown_or_off_is_refused_and_logged(server: Server, address: Address) -> None:
    late = headers_of(now=utcnow() - timedelta(minutes=12))
    assert server.post(address.path, BODY, late)[0] == 401
    assert server.said("webhook.refused", "12 minutes old")
    assert server.post(address.path, BODY, headers_of(secret="whsec_" + "n" * 32))[0] == 401
    assert server.said("webhook.refused", "does not fit the body")
    assert server.post(address.path[:-1] + "x", BODY, headers_of())[0] == 404
    assert server.said("no endpoint has this address")
    other = create_endpoint(tenant=make_tenant("globex"), name="Theirs", scheme="standard", now=utcnow())
    assert server.post(f"/api/v1/events/webhook/{other.key}", BODY, headers_of())[0] == 401
    update_endpoint(endpoint=address.endpoint, enabled=False)
    assert server.post(address.path, BODY, headers_of())[0] == 403
    assert server.said("webhook.refused", "switched off")
    assert made() == (0, 0)
    text = server.log.read_text()
    assert address.path.rsplit("/", 1)[1] not in text
    assert SECRETS["standard"] not in text
    assert "invoice.paid" not in text


def test_a_body_of_ten_megabytes_is_refused_before_it_is_there(server: Server, address: Address) -> None:
    size = 10 * 1000 * 1000
    answer = server.raw(address.head(size, headers_of()) + b" " * 1000)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"larger than 1048576 bytes" in answer
    assert server.post(address.path, b" " * size, headers_of())[0] == 413
    chunks = iter([b" " * 1_000_000] * 3)
    assert server.post(address.path, chunks, headers_of() | {"Transfer-Encoding": "chunked"})[0] == 413
    assert server.said("webhook.refused", "too large")
    assert made() == (0, 0)


def test_a_body_that_is_no_json_is_400_and_kept_for_the_owner(server: Server, address: Address) -> None:
    for number, body in enumerate((b"", b"{", b"\xff\xfe", b'{"a": 1, "a": 2}', b"[" * 10_000), 1):
        status, problem = server.post(address.path, body, headers_of(body, name=f"m{number}"))
        assert (status, problem["type"]) == (400, "urn:taskflow:problem:not-json")
        assert made() == (number, 0)
        assert bytes(WebhookDelivery.objects.order_by("-pk")[0].body) == body


def test_headers_cannot_be_made_to_say_more(server: Server, address: Address) -> None:
    body = b"{}"
    odd = ["a\r\nX-Injected: 1\r\n\r\nGET /health HTTP/1.1\r\n\r\n", "a\x00b", "a" * 9000, "é", "a\nb"]
    for value in odd:
        answer = server.raw(address.head(len(body), headers_of(body) | {"webhook-id": value}) + body)
        assert answer.split(b" ")[1] in {b"400", b"401", b"431"}, value
        assert b"X-Injected" not in answer
    twice = address.head(len(body), headers_of(body)).replace(
        b"Content-Length: 2", b"Content-Length: 2\r\nContent-Length: 9"
    )
    assert server.raw(twice + body).startswith(b"HTTP/1.1 400 ")
    assert made() == (0, 0)


def test_bodies_of_any_text_come_through_as_they_are(server: Server, address: Address) -> None:
    for number, text in enumerate(("café 😀", "\u0000\u202e", "<script>", "a\r\nb", "x" * 900_000)):
        body = json.dumps({"text": text}, ensure_ascii=number % 2 == 0).encode()
        assert server.post(address.path, body, headers_of(body, name=f"m{number}"))[0] == 202
        assert WebhookDelivery.objects.order_by("-pk")[0].payload == {"text": text}


@pytest.mark.parametrize("where", ["headers", "body", "large body"])
def test_who_sends_slowly_keeps_nobody_waiting(server: Server, address: Address, where: str) -> None:
    size = 5_000_000 if where == "large body" else len(BODY)
    head = address.head(size, headers_of())
    begun = head[:-10] if where == "headers" else head + BODY[:5]
    with ExitStack() as stack:
        slow = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=30))
            for _ in range(SLOW_CLIENTS)
        ]
        for wire in slow:
            wire.sendall(begun)
        time.sleep(0.5)
        for number in range(5):
            # A thread that somebody slow held would be held for longer than this waits for its answer.
            assert server.post(address.path, BODY, headers_of(name=f"quick{number}"))[0] == 202
            for wire in slow:
                wire.sendall(head[-10 + number : -9 + number] if where == "headers" else BODY[5 + number : 6 + number])
        if where != "large body":
            rest = head[-5:] + BODY if where == "headers" else BODY[10:]
            slow[0].sendall(rest)
            assert slow[0].recv(65536).startswith(b"HTTP/1.1 202 ")
    deliveries, firings = made()
    assert deliveries == firings == (5 if where == "large body" else 6)
