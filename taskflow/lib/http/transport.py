"""Connections that go only to checked addresses, and never last longer than their call."""

import contextvars
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from functools import lru_cache
from typing import Any

import httpcore2

from taskflow.lib.http.addresses import Address, AllowList, check_address, literal_address
from taskflow.lib.http.errors import CallRefused

Resolver = Callable[[str, int], list[Address]]
#: When the call of this thread must be over, by the monotonic clock.
deadline: contextvars.ContextVar[float] = contextvars.ContextVar("deadline")
LOOKUP_THREADS = 16


def time_left(error: type[Exception]) -> float:
    """Return the seconds left of the present call; raise `error` when there are none."""
    left = deadline.get() - time.monotonic()
    if left <= 0:
        raise error("the call's time is over")
    return left


@lru_cache(maxsize=1)
def _lookups() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(LOOKUP_THREADS, thread_name_prefix="lookup")


def _getaddrinfo(host: str, port: int) -> list[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ipaddress.ip_address(entry[4][0]) for entry in found]


def resolve(host: str, port: int) -> list[Address]:
    """Return the addresses of the name `host`, best first, within the time of the present call.

    The system's lookup knows no time limit, so it runs in a thread that is left alone when it is late.
    """
    try:
        return _lookups().submit(_getaddrinfo, host, port).result(timeout=time_left(httpcore2.ConnectTimeout))
    except FutureTimeout:
        raise httpcore2.ConnectTimeout(f"looking up {host} took too long") from None
    except (OSError, UnicodeError) as error:
        raise httpcore2.ConnectError(f"the name {host} could not be found") from error


class GuardedBackend(httpcore2.NetworkBackend):
    """Opens connections for the pool: looks the name up, checks every address, and connects to one that was checked.

    The pool keeps the name for TLS and the Host header, so a name cannot point elsewhere between check and use.
    """

    def __init__(self, allow: AllowList, resolver: Resolver = resolve) -> None:
        self.allow = allow
        self.resolver = resolver
        self.inner = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> "GuardedStream":
        failure: Exception = httpcore2.ConnectError(f"the name {host} has no address")
        for address in self.addresses(host, port):
            left = time_left(httpcore2.ConnectTimeout)
            try:
                return GuardedStream(
                    self.inner.connect_tcp(str(address), port, left, local_address, socket_options or ())
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    def addresses(self, host: str, port: int) -> list[Address]:
        """Return the addresses to try for `host`; raises CallRefused if any of them is forbidden."""
        literal = literal_address(host)
        found = [literal] if literal else self.resolver(host, port)
        for address in found:
            check_address(host, address, self.allow)
        return found

    def connect_unix_socket(self, *args: Any, **kwargs: Any) -> httpcore2.NetworkStream:
        raise CallRefused("Calls go over the network only.")


class GuardedStream(httpcore2.NetworkStream):
    """A connection each of whose reads and writes ends with the call's time."""

    def __init__(self, inner: httpcore2.NetworkStream) -> None:
        self.inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self.inner.read(max_bytes, time_left(httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.inner.write(buffer, time_left(httpcore2.WriteTimeout))

    def close(self) -> None:
        self.inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> "GuardedStream":
        return GuardedStream(self.inner.start_tls(ssl_context, server_hostname, time_left(httpcore2.ConnectTimeout)))

    def get_extra_info(self, info: str) -> Any:
        return self.inner.get_extra_info(info)


def open_socket(host: str, port: int, timeout: float, allow: AllowList, resolver: Resolver = resolve) -> socket.socket:
    """Connect to a checked address of `host` within `timeout` seconds, for protocols other than HTTP.

    Raises CallRefused for a forbidden address, OSError (TimeoutError among them) where nobody answers.
    """
    token = deadline.set(time.monotonic() + timeout)
    failure: Exception = OSError(f"the name {host} has no address")
    try:
        for address in GuardedBackend(allow, resolver).addresses(host, port):
            try:
                return socket.create_connection((str(address), port), time_left(TimeoutError))
            except OSError as error:
                failure = error
    except httpcore2.ConnectTimeout as error:
        raise TimeoutError(str(error)) from None
    except httpcore2.ConnectError as error:
        raise OSError(str(error)) from None
    finally:
        deadline.reset(token)
    raise failure
