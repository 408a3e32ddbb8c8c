"""A steady stream of webhooks, none of which may be lost, while jobs run; beside it, a view that only stores the body.

    python -m bench.webhooks [product|floor] [SECONDS] [RATE]

Servers are private and go away afterwards. Prints one line of JSON. Requests leave at their times whether or not
earlier ones were answered, and each is timed from when it was to leave: a server that falls behind cannot hide it.
"""

import http.client
import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from bench.http_subject import wait_for_web
from bench.measure import percentile
from bench.peers.django_subject import DjangoSubject
from bench.servers import servers
from bench.subject import Subject
from bench.taskflow_peer import TaskFlow
from bench.workload import order
from tests.servers import free_port

SECONDS, RATE = 30, 200
CLIENTS = 24
WARM = 200
#: Jobs that are submitted besides, a second, so that workers have something to do.
BESIDE = 50
PATIENCE = 120.0
FIELDS = ("id", "customer", "region", "items", "note", "pad")


class Stream:
    """Sends `count` bodies at `rate` a second over some connections, and notes status and seconds of each."""

    def __init__(self, port: int, path: str, sign: Callable[[int, bytes], Mapping[str, str]]) -> None:
        self.port, self.path, self.sign = port, path, sign
        self.lock, self.next = threading.Lock(), 0
        self.seconds: list[float] = []
        self.statuses: Counter[int] = Counter()

    def run(self, first: int, count: int, rate: float) -> None:
        """Send them and wait for the last answer."""
        self.next, self.last, self.first, self.rate = first, first + count, first, rate
        self.began = time.perf_counter() + 0.2
        threads = [threading.Thread(target=self._client, daemon=True) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _client(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        while True:
            with self.lock:
                number, self.next = self.next, self.next + 1
            if number >= self.last:
                connection.close()
                return
            due = self.began + (number - self.first) / self.rate
            time.sleep(max(0.0, due - time.perf_counter()))
            self._note(self._send(connection, number), time.perf_counter() - due)

    def _send(self, connection: http.client.HTTPConnection, number: int) -> int:
        body = json.dumps(order(number)).encode()
        headers = {"Content-Type": "application/json", **self.sign(number, body)}
        for fresh in (False, True):
            try:
                connection.request("POST", self.path, body, headers)
                answer = connection.getresponse()
                answer.read()
                return answer.status
            except (http.client.HTTPException, OSError):
                connection.close()
                if fresh:
                    return 0
        return 0

    def _note(self, status: int, seconds: float) -> None:
        with self.lock:
            self.statuses[status] += 1
            self.seconds.append(seconds)

    def figures(self) -> dict[str, Any]:
        """Return what was answered, and how soon in milliseconds."""
        parts = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
        answer = {name: round((percentile(self.seconds, part) or 0.0) * 1000, 1) for name, part in parts.items()}
        return {"statuses": dict(self.statuses), "answer_ms": answer}


class Product(TaskFlow):
    """The web server, two worker processes and beat, with one rule that makes a job of each delivery."""

    name = "webhooks"

    def setup(self, mode: str) -> None:
        super().setup("w1")
        from automations.services.endpoints import create_endpoint
        from automations.services.rules import create_rule

        now = datetime.now(UTC)
        self.issued = create_endpoint(tenant=self.tenant, name="bench", scheme="standard", now=now)
        payload = {name: {"expression": f"payload.{name}"} for name in FIELDS}
        values = {
            "name": "bench",
            "trigger": {"kind": "webhook", "endpoint": str(self.issued.endpoint.uid)},
            "actions": [{"kind": "create_jobs", "jobs": [{"workflow": "bench", "payload": payload}]}],
            "rate_limit": 1_000_000,
        }
        create_rule(tenant=self.tenant, values=values, now=now)

    def environment(self, mode: str) -> dict[str, str]:
        self.port = free_port()
        return super().environment("w1") | {"HOST": "127.0.0.1", "PORT": str(self.port)}

    def start(self, mode: str) -> None:
        from taskflow.programs import PROGRAMS

        super().start("w1")
        self.spawn(*PROGRAMS["web"]())
        wait_for_web(self.port)

    def stream(self) -> Stream:
        """Return what sends webhooks to it."""
        from taskflow.lib.webhooks import sign

        secret = self.issued.secret

        def headers(number: int, body: bytes) -> Mapping[str, str]:
            return sign(secret, message_id=f"m{number}", now=datetime.now(UTC), body=body)

        return Stream(self.port, f"/api/v1/events/webhook/{self.issued.key}", headers)

    def beside(self, over: threading.Event) -> None:
        """Submit jobs until the stream is over."""
        from django.db import connection

        number = 5_000_000
        while not over.wait(0.2):
            self._submit(range(number, number + BESIDE // 5), "w1")
            number += BESIDE // 5
        connection.close()

    def counts(self) -> dict[str, int]:
        """Return how many rows there are of what counts."""
        questions = {
            "deliveries": "SELECT COUNT(*) FROM automations_webhookdelivery",
            "firings": "SELECT COUNT(*) FROM automations_firing",
            "firings_done": "SELECT COUNT(*) FROM automations_firing WHERE state = 'done'",
            "jobs_made": "SELECT COUNT(*) FROM automations_joblink",
            "jobs": "SELECT COUNT(*) FROM jobs_job",
            "jobs_succeeded": "SELECT COUNT(*) FROM jobs_job WHERE state = 'SUCCEEDED'",
        }
        return {name: int(self.query(sql)[0][0]) for name, sql in questions.items()}

    def settle(self) -> float:
        """Wait until everything is worked off; return the seconds. Raises TimeoutError."""
        began = time.monotonic()
        while time.monotonic() - began < PATIENCE:
            counts = self.counts()
            if counts["firings_done"] == counts["firings"] and counts["jobs_succeeded"] == counts["jobs"]:
                return time.monotonic() - began
            time.sleep(0.2)
        raise TimeoutError(f"{self.counts()}\n{self.last_output()}")

    def lags(self) -> dict[str, float]:
        """Return the seconds from a delivery's receipt until its firing was done, and its job."""
        fired = self.query("SELECT TIMESTAMPDIFF(MICROSECOND, created_at, finished_at) / 1e6 FROM automations_firing")
        worked = self.query(
            "SELECT TIMESTAMPDIFF(MICROSECOND, f.created_at, j.finished_at) / 1e6 FROM automations_firing f"
            " JOIN automations_joblink l ON l.firing_id = f.id JOIN jobs_job j ON j.id = l.job_id"
        )
        found = {"fired": [float(row[0]) for row in fired], "job_done": [float(row[0]) for row in worked]}
        parts = {"p50": 0.5, "p95": 0.95}
        return {
            f"{name}_{part}_s": round(percentile(values, at) or 0.0, 2)
            for name, values in found.items()
            for part, at in parts.items()
        }


class Floor(DjangoSubject):
    """A view by hand behind the same web server: it stores the body, and that is all."""

    name = "webhooks-floor"

    def setup(self, mode: str) -> None:
        super().setup(mode)
        sql = "CREATE TABLE webhook_body (id BIGINT AUTO_INCREMENT PRIMARY KEY, body LONGBLOB NOT NULL, at DATETIME(6))"
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute(sql)

    def start(self, mode: str) -> None:
        self.port = free_port()
        self.spawn(
            sys.executable, "-m", "gunicorn", "bench.peers.webhook_view:application", "--bind",
            f"127.0.0.1:{self.port}", "--worker-class", "gthread", "--workers", "2", "--threads", "4",
            "--log-level", "warning", env={"PEER_URLS": "bench.peers.webhook_view"},
        )  # fmt: skip
        wait_for_web(self.port)

    def stream(self) -> Stream:
        """Return what sends webhooks to it."""
        return Stream(self.port, "/webhook", lambda number, body: {})

    def counts(self) -> dict[str, int]:
        """Return how many bodies are stored."""
        return {"deliveries": self.count("webhook_body")}


def measure(subject: Product | Floor, seconds: int, rate: int) -> dict[str, Any]:
    """Set the subject up, send the stream, and return what came of it."""
    try:
        subject.setup("w1")
        subject.start("w1")
        subject.stream().run(9_000_000, WARM, rate / 2)
        if isinstance(subject, Product):
            subject.settle()
        before, over = subject.counts(), threading.Event()
        beside = [threading.Thread(target=subject.beside, args=(over,))] if isinstance(subject, Product) else []
        for thread in beside:
            thread.start()
        meter, stream, count = subject.meter(), subject.stream(), seconds * rate
        stream.run(0, count, rate)
        over.set()
        for thread in beside:
            thread.join()
        line = {"peer": subject.name, "sent": count, "rate": rate, "seconds": seconds} | stream.figures()
        line |= {"during": meter.since(count)}
        if isinstance(subject, Product):
            line |= {"left_seconds": round(subject.settle(), 2)} | {"lag": subject.lags()}
        after = subject.counts()
        return line | {"made": {name: after[name] - before[name] for name in after}}
    finally:
        subject.close()


def main() -> None:
    """Run what the command line asks for."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    which = sys.argv[1] if len(sys.argv) > 1 else "product"
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else SECONDS
    rate = int(sys.argv[3]) if len(sys.argv) > 3 else RATE
    with servers(postgres=False) as env:
        os.environ.update(env)
        kinds: dict[str, type[Subject]] = {"product": Product, "floor": Floor}
        print(json.dumps(measure(kinds[which](), seconds, rate)), flush=True)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
