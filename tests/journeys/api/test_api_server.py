"""Over a real socket and the production web server, as curl would."""

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.factories import make_queue, make_tenant, make_workflow
from tests.journeys.api.client import Api
from tests.servers import free_port

KIND = "application/json"


@pytest.fixture
def port(process_env: dict[str, str]) -> Iterator[int]:
    """The port of a gunicorn that works on this test's database and takes bodies of 2,000 bytes."""
    port = free_port()
    command = [
        "gunicorn",
        "taskflow.wsgi",
        "--bind",
        f"127.0.0.1:{port}",
        "--worker-class",
        "taskflow.webworker.PatientWorker",
        "--threads",
        "2",
    ]
    env = process_env | {"MAX_BODY_BYTES": "2000", "DJANGO_SETTINGS_MODULE": "taskflow.settings"}
    server = subprocess.Popen([sys.executable, "-m", *command], env=env, stdout=subprocess.DEVNULL)
    try:
        wait_for(port, server)
        yield port
    finally:
        server.terminate()
        server.wait(20)


def wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    pytest.fail("The web server did not come up.")


class Wire:
    """One request a connection, its answer as (status, content type, JSON)."""

    def __init__(self, port: int, key: str) -> None:
        self.port, self.key = port, key

    def post(self, body: Any, **headers: str) -> tuple[int, str | None, Any]:
        known = {"Authorization": f"Bearer {self.key}", "Content-Type": KIND}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request(
                "POST", "/api/v1/jobs", body, known | headers, encode_chunked=not isinstance(body, bytes)
            )
            answer = connection.getresponse()
            return answer.status, answer.getheader("Content-Type"), json.loads(answer.read())


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_jobs_are_sent_over_the_wire_in_one_piece_and_in_chunks(port: int) -> None:
    make_queue()
    tenant = make_tenant()
    make_workflow(tenant, "receipts")
    wire = Wire(port, Api(tenant).key)
    raw = json.dumps({"workflow": "receipts", "payload": {"n": 10**40, "é": "😀"}}).encode()

    status, kind, job = wire.post(raw)
    assert (status, kind, job["payload"]) == (201, KIND, {"n": 10**40, "é": "😀"})
    status, _, job = wire.post(iter([raw[:10], raw[10:]]), **{"Transfer-Encoding": "chunked"})
    assert (status, job["payload"]["n"]) == (201, 10**40)

    for body, headers in ((b" " * 2001, {}), (iter([b" " * 1000] * 3), {"Transfer-Encoding": "chunked"})):
        status, kind, problem = wire.post(body, **headers)
        assert (status, kind) == (413, "application/problem+json")
        assert problem["detail"] == "The body is larger than 2000 bytes."


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_body_that_breaks_off_is_refused(port: int) -> None:
    key = Api(make_tenant()).key
    head = f"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nContent-Type: {KIND}\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=30) as wire:
        wire.sendall((head + "Connection: close\r\nContent-Length: 50\r\n\r\n" + '{"workflow":').encode())
        wire.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: wire.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"This is not JSON" in answer
