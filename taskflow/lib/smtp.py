"""Sending mail through servers that people name: only to addresses that outgoing calls may go to, and never for long.

The deployment's own mail server is the operator's choice and goes through Django's usual backend.
"""

import contextlib
import smtplib
import socket
import threading
from typing import Any

from django.conf import settings
from django.core.mail.backends.smtp import EmailBackend

from taskflow.lib.http.addresses import parse_allow_list
from taskflow.lib.http.transport import open_socket


class _Limited:
    """Connects to a checked address, and ends the connection `timeout` seconds later whatever the server does.

    The system's own limit is for each read: a server that sends a letter now and then could keep a worker for ever.
    """

    timeout: float
    _end: threading.Timer | None = None
    _handle: socket.socket | None = None

    def _open(self, host: str, port: int) -> socket.socket:
        opened = open_socket(host, port, self.timeout, parse_allow_list(tuple(settings.OUTGOING_HTTP_ALLOW)))
        # A second handle on the connection: the first is handed over when TLS starts.
        self._handle = opened.dup()
        self._end = threading.Timer(self.timeout, _cut, [self._handle])
        self._end.daemon = True
        self._end.start()
        return opened

    def close(self) -> None:
        if self._end is not None and self._handle is not None:
            self._end.cancel()
            self._handle.close()
            self._end = None
        super().close()  # type: ignore[misc]


def _cut(handle: socket.socket) -> None:
    with contextlib.suppress(OSError):
        handle.shutdown(socket.SHUT_RDWR)


class GuardedSMTP(_Limited, smtplib.SMTP):
    """A connection to a checked address; TLS, once started, is checked against the server's name."""

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return self._open(host, port)


class GuardedSMTPS(_Limited, smtplib.SMTP_SSL):
    """The same, encrypted from the first byte."""

    context: Any
    _host: str

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        opened = self._open(host, port)
        try:
            wrapped: socket.socket = self.context.wrap_socket(opened, server_hostname=self._host)
        except BaseException:
            opened.close()
            self.close()
            raise
        return wrapped


class GuardedMail(EmailBackend):
    """Django's SMTP backend over guarded connections; `timeout` is the seconds for the whole of it."""

    _partial_connection: Any

    @property
    def connection_class(self) -> Any:
        return GuardedSMTPS if self.use_ssl else GuardedSMTP

    def open(self) -> bool | None:
        try:
            return super().open()
        except BaseException:
            # Django keeps a connection whose login failed until somebody opens or closes the backend again.
            partial, self._partial_connection = self._partial_connection, None
            if partial is not None:
                partial.close()
            raise
