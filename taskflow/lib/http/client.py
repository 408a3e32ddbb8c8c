"""The one way out: HTTP calls to the public internet, with limits on time, size and redirects.

A client keeps its connections open and may be shared by threads.
"""

import logging
import os
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

import httpcore2
import httpx2
from django.conf import settings

from taskflow.lib.http.addresses import AllowList, check_address, literal_address, parse_allow_list
from taskflow.lib.http.errors import AnswerTooLarge, CallRefused, CallTimeout, Unreachable
from taskflow.lib.http.transport import GuardedBackend, Resolver, deadline, resolve

MAX_URL = 4000
MAX_PORT = 65535
MAX_REDIRECTS = 5
MAX_CONNECTIONS = 500
KEPT_CONNECTIONS = 64
KEEP_SECONDS = 30.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
#: Set from the call itself; a caller that sets them could smuggle a second request or another host.
OWN_HEADERS = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer"})
#: What may follow a redirect to another host: everything else could be a secret.
_HARMLESS_HEADERS = frozenset({"accept", "accept-encoding", "user-agent"})

# It writes headers, with their secrets, at the debug level.
logging.getLogger("httpcore2").setLevel(logging.INFO)


@dataclass(frozen=True, slots=True)
class Call:
    """A request to make. `timeout` is the seconds it may take in all, `max_bytes` the size of the decoded answer.

    `label` is how messages name it where its path is a secret.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    timeout: float = 30.0
    max_bytes: int = 5 * 1024 * 1024
    label: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Header names are in small letters; `url` is where the last redirect led."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str

    @property
    def text(self) -> str:
        """The body as text, in the encoding its header names, else UTF-8; what does not fit is replaced."""
        _, _, charset = self.headers.get("content-type", "").partition("charset=")
        try:
            text = self.body.decode(charset.split(";")[0].strip("\"' ") or "utf-8", "replace")
        except (LookupError, ValueError):
            text = self.body.decode("utf-8", "replace")
        return text.encode("utf-8", "replace").decode()


class HttpClient:
    """Makes guarded calls. `resolver` looks names up."""

    def __init__(self, allow: AllowList, resolver: Resolver = resolve) -> None:
        self.allow = allow
        self.pool = httpcore2.ConnectionPool(
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=KEPT_CONNECTIONS,
            keepalive_expiry=KEEP_SECONDS,
            network_backend=GuardedBackend(allow, resolver),
        )

    def send(self, call: Call) -> Answer:
        """Make `call` and return the answer, whatever its status.

        Raises CallRefused, CallTimeout, Unreachable or AnswerTooLarge.
        """
        token = deadline.set(time.monotonic() + call.timeout)
        try:
            for _ in range(MAX_REDIRECTS + 1):
                answer = self._exchange(call)
                following = _redirect(call, answer)
                if following is None:
                    return answer
                call = following
        finally:
            deadline.reset(token)
        raise CallRefused(f"{_name(call)} was redirected more than {MAX_REDIRECTS} times.")

    def _exchange(self, call: Call) -> Answer:
        url = self.checked(call.url)
        request = _request(call, url)
        try:
            response = self.pool.handle_request(request)
            try:
                return _read(call, response)
            finally:
                response.close()
        except httpcore2.TimeoutException:
            raise CallTimeout(f"{_name(call)} did not answer within its time.") from None
        except (httpcore2.UnsupportedProtocol, httpcore2.LocalProtocolError) as error:
            raise CallRefused(f"{_name(call)} is not a well-formed request: {error}") from None
        except (httpcore2.NetworkError, httpcore2.ProtocolError) as error:
            raise Unreachable(f"{_name(call)} failed: {str(error) or type(error).__name__}") from None

    def checked(self, text: str) -> httpx2.URL:
        """Read a URL that may be called, as far as it shows by itself; raises CallRefused."""
        url = parse_url(text)
        self.check_host(url.raw_host.decode("ascii"))
        return url

    def check_host(self, host: str) -> None:
        """Raise CallRefused where `host` spells out an address that connections may not go to."""
        address = literal_address(host)
        if address is not None:
            check_address(host, address, self.allow)


def parse_url(text: str) -> httpx2.URL:
    """Read an absolute http or https URL; raises CallRefused with the reason."""
    if len(text) > MAX_URL:
        raise CallRefused(f"The URL is longer than {MAX_URL} characters.")
    try:
        url = httpx2.URL(text)
    except (httpx2.InvalidURL, UnicodeError, ValueError) as error:
        raise CallRefused(f"The URL is not well formed: {error}") from None
    if url.scheme not in ("http", "https"):
        raise CallRefused(f"The URL must start with http:// or https://, not {url.scheme or 'nothing'}.")
    if url.userinfo:
        raise CallRefused("The URL must not hold a user name or password; send them in a header.")
    if not url.host or "%" in url.host or "\\" in text:
        raise CallRefused("The URL names no host.")
    if url.port is not None and not 1 <= url.port <= MAX_PORT:
        raise CallRefused(f"The URL's port must be from 1 to {MAX_PORT}.")
    return url


def _request(call: Call, url: httpx2.URL) -> httpcore2.Request:
    headers = [(b"Host", url.netloc), (b"Accept-Encoding", b"gzip"), (b"User-Agent", b"TaskFlow")]
    if call.body or call.method in ("POST", "PUT", "PATCH"):
        headers.append((b"Content-Length", str(len(call.body)).encode()))
    own = {name.lower() for name in call.headers}
    if refused := own & OWN_HEADERS:
        raise CallRefused(f"The header {min(refused)} cannot be set.")
    try:
        given = [(name.encode("ascii"), value.encode("latin-1")) for name, value in call.headers.items()]
    except UnicodeEncodeError:
        raise CallRefused("A header holds characters that headers cannot hold.") from None
    headers = [pair for pair in headers if pair[0].decode().lower() not in own]
    target = httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
    return httpcore2.Request(
        call.method, target, headers=headers + given, content=call.body, extensions=_timeouts(call)
    )


def _timeouts(call: Call) -> dict[str, dict[str, float]]:
    return {"timeout": {"connect": call.timeout, "read": call.timeout, "write": call.timeout, "pool": call.timeout}}


def _read(call: Call, response: httpcore2.Response) -> Answer:
    headers: dict[str, str] = {}
    for name, value in response.headers:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    encoding = headers.get("content-encoding", "identity").strip().lower()
    body = bytearray()
    for part in decoded(response.iter_stream(), encoding, call.max_bytes):
        body += part
        if len(body) > call.max_bytes:
            raise AnswerTooLarge(f"{_name(call)} answered with more than {call.max_bytes} bytes.")
    return Answer(response.status, headers, bytes(body), call.url)


def decoded(parts: Iterable[bytes], encoding: str, limit: int) -> Iterator[bytes]:
    """Decode `parts`, never making more than a byte over `limit` of one: a few bytes can unpack to gigabytes."""
    if encoding in ("", "identity"):
        yield from parts
        return
    if encoding not in ("gzip", "x-gzip"):
        raise Unreachable(f"The answer is encoded as {encoding[:20]!r}, which was not asked for.")
    unpack = zlib.decompressobj(wbits=31)
    try:
        for part in parts:
            yield unpack.decompress(part, limit + 1)
    except zlib.error as error:
        raise Unreachable("The answer's compression is broken.") from error


def _redirect(call: Call, answer: Answer) -> Call | None:
    """Return the call that follows, or None if `answer` is the last. Raises CallRefused where following would leak."""
    location = answer.headers.get("location")
    if answer.status not in _REDIRECTS or location is None:
        return None
    here = httpx2.URL(call.url)
    try:
        there = parse_url(str(here.join(location)))
    except (CallRefused, httpx2.InvalidURL, UnicodeError, ValueError) as error:
        raise CallRefused(f"{_name(call)} was redirected to where it must not go: {error}") from None
    if here.scheme == "https" and there.scheme != "https":
        raise CallRefused(f"{_name(call)} was redirected away from https.")
    if answer.status == 303 or (answer.status in (301, 302) and call.method == "POST"):
        call = replace(call, method="GET", body=b"", headers=_without(call.headers, "content-type"))
    if here.origin != there.origin:
        if call.method not in ("GET", "HEAD"):
            raise CallRefused(f"{_name(call)} was redirected to another host with its content.")
        call = replace(
            call, headers={name: text for name, text in call.headers.items() if name.lower() in _HARMLESS_HEADERS}
        )
    return replace(call, url=str(there))


def _without(headers: Mapping[str, str], name: str) -> dict[str, str]:
    return {key: text for key, text in headers.items() if key.lower() != name}


def _name(call: Call) -> str:
    """Name a call for a message: method, host and path, for a query may hold secrets."""
    if call.label:
        return call.label
    url = httpx2.URL(call.url)
    return f"{call.method} {url.scheme}://{url.netloc.decode('ascii', 'replace')}{url.path}"


def get_client() -> HttpClient:
    """Return this process's client for the operator's allow-list (setting OUTGOING_HTTP_ALLOW)."""
    return _client(tuple(settings.OUTGOING_HTTP_ALLOW))


@lru_cache(maxsize=8)
def _client(entries: tuple[str, ...]) -> HttpClient:
    return HttpClient(parse_allow_list(entries))


# A forked worker must not share its parent's connections.
os.register_at_fork(after_in_child=_client.cache_clear)
