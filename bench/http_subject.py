"""Giving jobs to a system over HTTP: so many clients, each with one connection, one request after the other."""

import http.client
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.measure import in_ms
from bench.subject import Subject

STARTING_SECONDS = 60


class Client(threading.Thread):
    """Sends requests over one connection and notes how long each took, in seconds."""

    def __init__(self, port: int, headers: Mapping[str, str], requests: Iterator[tuple[str, bytes]]) -> None:
        super().__init__(daemon=True)
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.headers = {"Content-Type": "application/json", **headers}
        self.requests = requests
        self.seconds: list[float] = []
        self.refused: str | None = None

    def run(self) -> None:
        for path, body in self.requests:
            started = time.perf_counter()
            self.connection.request("POST", path, body, self.headers)
            answer = self.connection.getresponse()
            text = answer.read()
            self.seconds.append(time.perf_counter() - started)
            if answer.status not in (200, 201, 207):
                self.refused = f"{answer.status} {text[:300]!r}"
                return


def send_all(port: int, headers: Mapping[str, str], requests: Sequence[tuple[str, bytes]], clients: int) -> list[float]:
    """Send the requests from so many clients and return how long each took. Raises RuntimeError if one is refused."""
    threads = [Client(port, headers, iter(requests[number::clients])) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
        if thread.refused:
            raise RuntimeError(thread.refused)
    return [second for thread in threads for second in thread.seconds]


def wait_for_web(port: int) -> None:
    """Wait until a web server answers at all. Raises TimeoutError."""
    deadline = time.monotonic() + STARTING_SECONDS
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health")
            connection.getresponse().read()
            return
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()
    raise TimeoutError("The web server does not answer.")


class HttpSubject(Subject):
    """A subject that is given jobs over HTTP; mixed into the one whose workers run them. `latency` is in seconds."""

    headers: Mapping[str, str] = {}
    port = 0
    latency: Sequence[float] = ()

    def requests(self, numbers: Sequence[int], mode: str) -> list[tuple[str, bytes]]:
        """Return the requests (path, body) that submit these jobs."""
        raise NotImplementedError

    def submit(self, numbers: Sequence[int], mode: str) -> None:
        requests = self.requests(numbers, mode)
        self.latency = send_all(self.port, self.headers, requests, clients=8 if mode == "post8" else 1)

    def records(self) -> dict[str, Any]:
        return super().records() | {"answer_ms": in_ms(self.latency)}
