"""Reading mail from servers that people name: only at addresses that outgoing calls may go to, and never for long."""

import base64
import contextlib
import imaplib
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any

from django.conf import settings

from taskflow.lib.http import CallRefused
from taskflow.lib.http.addresses import parse_allow_list
from taskflow.lib.http.transport import open_socket

#: Seconds for each answer, and for all that is done over one connection.
ANSWER_SECONDS = 30.0
WHOLE_SECONDS = 120.0
_SIZE = re.compile(rb"RFC822\.SIZE (\d+)")


class ImapFailed(Exception):
    """The folder could not be read; the message says why, in words for people."""


class _Guarded:
    """Connects to a checked address, and ends the connection after a while whatever the server does."""

    host: str
    port: int
    longest: int
    _end: threading.Timer | None = None

    def _reach(self) -> socket.socket:
        opened = open_socket(
            self.host, self.port, ANSWER_SECONDS, parse_allow_list(tuple(settings.OUTGOING_HTTP_ALLOW))
        )
        handle = opened.dup()
        self._end = threading.Timer(WHOLE_SECONDS, _cut, [handle])
        self._end.daemon = True
        self._end.start()
        self._handle = handle
        return opened

    def read(self, size: int) -> bytes:
        """Read what a server announces, unless it announces more than any message may be."""
        if size > self.longest:
            raise imaplib.IMAP4.abort(f"the server sends {size:,} bytes at once")
        return bytes(super().read(size))  # type: ignore[misc]

    def shutdown(self) -> None:
        if self._end is not None:
            self._end.cancel()
            self._handle.close()
            self._end = None
        super().shutdown()  # type: ignore[misc]


def _cut(handle: socket.socket) -> None:
    with contextlib.suppress(OSError):
        handle.shutdown(socket.SHUT_RDWR)


class _Plain(_Guarded, imaplib.IMAP4):
    def __init__(self, host: str, port: int, longest: int) -> None:
        self.longest = longest
        super().__init__(host, port)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        return self._reach()


class _Encrypted(_Guarded, imaplib.IMAP4_SSL):
    def __init__(self, host: str, port: int, longest: int) -> None:
        self.longest = longest
        super().__init__(host, port, ssl_context=ssl.create_default_context())

    def _create_socket(self, timeout: float | None) -> socket.socket:
        return ssl.create_default_context().wrap_socket(self._reach(), server_hostname=self.host)


class Folder:
    """A folder that is open. Messages are named by their UIDs, which hold as long as `validity` stays the same."""

    def __init__(self, server: imaplib.IMAP4, validity: int) -> None:
        self.server = server
        self.validity = validity

    def unseen(self) -> list[int]:
        """Return the messages that nobody has read yet."""
        return self._search("UNSEEN")

    def after(self, uid: int) -> list[int]:
        """Return the messages that came after this one."""
        return [found for found in self._search("UID", f"{uid + 1}:*") if found > uid]

    def size(self, uid: int) -> int:
        """Return a message's size in bytes; 0 where it is gone."""
        for item in self._ask("FETCH", str(uid), "(RFC822.SIZE)"):
            if isinstance(item, bytes) and (found := _SIZE.search(item)):
                return int(found[1])
        return 0

    def message(self, uid: int) -> bytes:
        """Return a message as it is, and leave it unread."""
        for item in self._ask("FETCH", str(uid), "(BODY.PEEK[])"):
            if isinstance(item, tuple):
                return bytes(item[1])
        return b""

    def mark_read(self, uid: int) -> None:
        """Show people who look into the folder that the message is done with."""
        self._ask("STORE", str(uid), "+FLAGS", "(\\Seen)")

    def _search(self, *criteria: str) -> list[int]:
        numbers = b" ".join(item for item in self._ask("SEARCH", *criteria) if isinstance(item, bytes)).split()
        return sorted(int(number) for number in numbers if number.isdigit())

    def _ask(self, command: str, *words: str) -> list[Any]:
        status, found = self.server.uid(command, *words)
        if status != "OK":
            raise ImapFailed(f"The mail server refused {command}: {_said(found)}")
        return [item for item in found if item is not None]


@contextlib.contextmanager
def open_folder(
    *, host: str, port: int, security: str, username: str, password: str, folder: str, longest: int
) -> Iterator[Folder]:
    """Log in and open a folder for the time of the block. Raises ImapFailed, in words for people."""
    with _in_words(host):
        server = (_Encrypted if security == "tls" else _Plain)(host, port, longest)
    try:
        with _in_words(host):
            if security == "starttls":
                server.starttls(ssl.create_default_context())
            _log_in(server, username, password)
            yield _select(server, folder)
    finally:
        with contextlib.suppress(imaplib.IMAP4.error, OSError):
            server.logout()
        with contextlib.suppress(imaplib.IMAP4.error, OSError):
            server.shutdown()


def _log_in(server: imaplib.IMAP4, username: str, password: str) -> None:
    try:
        if username.isascii() and password.isascii():
            server.login(username, password)
        else:
            server.authenticate("PLAIN", lambda _: f"\0{username}\0{password}".encode())
    except imaplib.IMAP4.abort:
        raise
    except imaplib.IMAP4.error as error:
        raise ImapFailed(
            f"The mail server refused the login: {_said([error.args[0] if error.args else ''])}"
        ) from error


def _select(server: imaplib.IMAP4, folder: str) -> Folder:
    quoted = encode_folder(folder).replace("\\", "\\\\").replace('"', '\\"')
    status, found = server.select(f'"{quoted}"')
    if status != "OK":
        raise ImapFailed(f"The mail server has no folder “{folder}”: {_said(found)}")
    _, validity = server.response("UIDVALIDITY")
    known = validity[0] if validity and isinstance(validity[0], bytes) else b"0"
    return Folder(server, int(known) if known.isdigit() else 0)


def encode_folder(name: str) -> str:
    """Return a folder's name in IMAP's own UTF-7 (RFC 3501, section 5.1.3)."""
    encoded, strange = "", ""
    for letter in [*name, ""]:
        if letter and not " " <= letter <= "~":
            strange += letter
            continue
        if strange:
            text = base64.b64encode(strange.encode("utf-16-be")).decode().rstrip("=").replace("/", ",")
            encoded, strange = f"{encoded}&{text}-", ""
        encoded += "&-" if letter == "&" else letter
    return encoded


@contextlib.contextmanager
def _in_words(host: str) -> Iterator[None]:
    try:
        yield
    except CallRefused as error:
        raise ImapFailed(f"{error} The operator may allow it: OUTGOING_HTTP_ALLOW.") from error
    except ssl.SSLError as error:
        raise ImapFailed(f"No encrypted connection to {host} could be made: {error.reason or error}") from error
    except TimeoutError as error:
        raise ImapFailed(f"{host} did not answer in time.") from error
    except imaplib.IMAP4.error as error:
        raise ImapFailed(f"{host} does not speak as a mail server should: {_said(list(error.args))}") from error
    except OSError as error:
        raise ImapFailed(f"{host} could not be reached: {error.strerror or error}") from error


def _said(words: list[Any]) -> str:
    first = next((word for word in words if word), "")
    text = first.decode("utf-8", "replace") if isinstance(first, bytes) else str(first)
    return " ".join(text.split())[:200]
