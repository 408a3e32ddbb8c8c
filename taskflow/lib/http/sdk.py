"""The guarded way out for libraries that bring their own HTTP calls: an httpx2 client on our checked connections.

Its calls go only where ours may, follow no redirect, end when their time is over, and take in a bounded answer.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import httpcore2
import httpx2
from django.conf import settings

from taskflow.lib.http.addresses import parse_allow_list
from taskflow.lib.http.client import HttpClient, decoded
from taskflow.lib.http.errors import AnswerTooLarge
from taskflow.lib.http.transport import deadline

MAX_ANSWER = 20 * 1024 * 1024


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Give everything that is called inside `seconds` in all: looking up, connecting, sending and reading."""
    token = deadline.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        deadline.reset(token)


@contextmanager
def _translated() -> Iterator[None]:
    """Raise the errors of the connection as those an httpx2 client knows."""
    try:
        yield
    except httpcore2.TimeoutException as error:
        raise httpx2.ReadTimeout(str(error)) from error
    except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.UnsupportedProtocol) as error:
        raise httpx2.RemoteProtocolError(str(error) or type(error).__name__) from error


class _Body(httpx2.SyncByteStream):
    """An answer's body, decoded, and refused where it grows too large."""

    def __init__(self, response: httpcore2.Response, encoding: str) -> None:
        self.response = response
        self.encoding = encoding

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        with _translated():
            for part in decoded(self.response.iter_stream(), self.encoding, MAX_ANSWER):
                size += len(part)
                if size > MAX_ANSWER:
                    raise AnswerTooLarge(f"The answer is larger than {MAX_ANSWER:,} bytes.")
                yield part

    def close(self) -> None:
        self.response.close()


class GuardedTransport(httpx2.BaseTransport):
    """Sends an httpx2 client's requests over the guarded pool. Must be used `within` some seconds."""

    def __init__(self, client: HttpClient) -> None:
        self.client = client

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        url = self.client.checked(str(request.url))
        target = httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        with _translated():
            response = self.client.pool.handle_request(
                httpcore2.Request(
                    request.method,
                    target,
                    headers=request.headers.raw,
                    content=request.read(),
                    extensions={"timeout": request.extensions.get("timeout", {})},
                )
            )
        headers = httpx2.Headers(response.headers)
        encoding = headers.pop("content-encoding", "").strip().lower()
        return httpx2.Response(response.status, headers=headers, stream=_Body(response, encoding))


def get_sdk_client() -> httpx2.Client:
    """Return this process's client for the allow-list OUTGOING_HTTP_ALLOW; threads may share it."""
    return _client(tuple(settings.OUTGOING_HTTP_ALLOW))


@lru_cache(maxsize=8)
def _client(entries: tuple[str, ...]) -> httpx2.Client:
    transport = GuardedTransport(HttpClient(parse_allow_list(entries)))
    return httpx2.Client(
        transport=transport, follow_redirects=False, trust_env=False, headers={"Accept-Encoding": "gzip"}
    )


# A forked worker must not share its parent's connections.
os.register_at_fork(after_in_child=_client.cache_clear)
