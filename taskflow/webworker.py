"""Gunicorn's threaded worker, with patience: who sends slowly costs memory and no thread.

A request is gathered by the main loop as it arrives, up to `GATHER_BYTES`, and given to a thread when it is whole;
until then no one else waits for it. What is larger, or wants to be asked (`Expect`), is read by a thread as ever, but
such requests never hold more than half of the threads. Behind a proxy that buffers requests it changes nothing.
"""

import re
import socket
import struct
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

#: One request, headers included, that is gathered; and all of a process together.
GATHER_BYTES, GATHER_BYTES_IN_ALL = 1_200_000, 64_000_000
CHUNK = 65_536
#: How long a request may take to arrive, and a connection may say nothing.
GATHER_SECONDS, SILENT_SECONDS = 60.0, 5.0
#: How long a thread waits for more of what is not gathered.
READ_SECONDS = 30
#: What is thrown away of a body that was refused, so that who sends all of it first sees the answer.
DRAIN_BYTES, DRAIN_SECONDS = 64_000_000, 5.0
HEADERS_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length[ \t]*:[ \t]*([0-9]{1,18})[ \t]*\r\n", re.I)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding[ \t]*:[^\r\n]*chunked", re.I)
_EXPECT = re.compile(rb"\r\nexpect[ \t]*:", re.I)
TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


@dataclass(slots=True)
class Gathered:
    """What has arrived of a request. `needed` is its size once its headers are there, None for a chunked body."""

    since: float
    data: bytearray = field(default_factory=bytearray)
    headers: int = 0
    needed: int | None = 0

    def add(self, chunk: bytes) -> None:
        """Take in what came."""
        start = max(len(self.data) - len(HEADERS_END) + 1, 0)
        self.data += chunk if self.data else chunk.lstrip(b"\r\n")
        if not self.headers and (end := self.data.find(HEADERS_END, start)) >= 0:
            self.headers = end + len(HEADERS_END)
            head = bytes(self.data[: self.headers])
            length = _LENGTH.search(head)
            self.needed = None if _CHUNKED.search(head) else self.headers + int(length[1] if length else 0)
            if _EXPECT.search(head):
                # The sender waits for a word of ours, which the parser gives.
                self.needed = max(self.needed or 0, GATHER_BYTES + 1)

    @property
    def whole(self) -> bool:
        """Whether all of it is there; of a chunked body, whether it ends as one does."""
        if not self.headers:
            return False
        if self.needed is None:
            return self.data.endswith(b"0\r\n\r\n", self.headers)
        return len(self.data) >= self.needed

    @property
    def too_large(self) -> bool:
        """Whether it is not gathered to its end."""
        return len(self.data) > GATHER_BYTES or (self.needed or 0) > GATHER_BYTES


class PatientWorker(ThreadWorker):
    """The worker class to give to gunicorn."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.gathering: dict[TConn, Gathered] = {}
        self.gathered_bytes = 0
        #: What was gathered for a connection that a thread takes up.
        self.arrived: dict[TConn, bytes] = {}
        #: Connections whose requests threads read to the end, and those that wait for their turn.
        self.reading: set[TConn] = set()
        self.queued: deque[TConn] = deque()

    def enqueue_req(self, conn: TConn) -> None:
        """Gather a connection's next request, before it goes to a thread."""
        if self.cfg.is_ssl or _has_read_ahead(conn):
            super().enqueue_req(conn)
            return
        conn.sock.setblocking(False)
        self.gathering[conn] = Gathered(time.monotonic())
        self.poller.register(conn.sock, EVENT_READ, partial(self.on_more, conn))

    def on_more(self, conn: TConn, sock: socket.socket) -> None:
        """Take in what a connection sent; hand it on when its request is whole, or will not be here."""
        gathered = self.gathering[conn]
        try:
            chunk = sock.recv(CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            chunk, gathered.data = b"", bytearray()
        if not chunk and not gathered.data:
            self.let_go(conn)
            return
        gathered.add(chunk)
        self.gathered_bytes += len(chunk)
        if gathered.whole and not gathered.too_large:
            self.hand_on(conn)
        elif not chunk:
            # It broke off: the parser says what is wrong with it.
            self.hand_on(conn)
        elif gathered.too_large or self.gathered_bytes > GATHER_BYTES_IN_ALL:
            self.forget(conn)
            self.queued.append(conn)
            self.start_queued()

    def forget(self, conn: TConn) -> None:
        """Gather no more of a connection; what came so far is there for the thread that takes it up."""
        gathered = self.gathering.pop(conn, None)
        if gathered is not None:
            self.poller.unregister(conn.sock)
            self.gathered_bytes -= len(gathered.data)
            self.arrived[conn] = bytes(gathered.data)

    def hand_on(self, conn: TConn) -> None:
        """Give a connection to the threads."""
        self.forget(conn)
        conn.data_ready = True
        super().enqueue_req(conn)

    def start_queued(self) -> None:
        """Give the next requests that threads must read themselves to them, up to half of the threads."""
        while self.queued and len(self.reading) < max(self.cfg.threads // 2, 1):
            conn = self.queued.popleft()
            self.reading.add(conn)
            self.hand_on(conn)

    def let_go(self, conn: TConn, answer: bytes = b"") -> None:
        """Close a connection whose request did not come."""
        self.forget(conn)
        self.arrived.pop(conn, None)
        self.nr_conns -= 1
        with suppress(OSError):
            conn.sock.send(answer)
        conn.close()

    def handle(self, conn: TConn) -> Any:
        """Run a request in a thread, which finds what was gathered in front of what is still to come."""
        data = self.arrived.pop(conn, b"")
        if data:
            conn.sock.setblocking(True)
            conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", READ_SECONDS, 0))
            conn.init()
            conn.parser.unreader.unread(data)
        return super().handle(conn)

    def _keepalive_after(self, conn: TConn, keepalive: Any) -> bool:
        """Throw away what is left of a body after its answer: closing at once would take the answer back."""
        drained = conn.parser.finish_body(deadline=time.monotonic() + DRAIN_SECONDS, max_bytes=DRAIN_BYTES)
        return bool(keepalive and drained)

    def finish_request(self, conn: TConn, fs: Any) -> None:
        """Make room for the next one that a thread must read."""
        self.reading.discard(conn)
        super().finish_request(conn, fs)
        self.start_queued()

    def murder_pending(self) -> None:
        """Close connections that took too long, too; a worker that stops waits for none that say nothing."""
        super().murder_pending()
        now = time.monotonic()
        for conn, gathered in list(self.gathering.items()):
            allowed = GATHER_SECONDS if gathered.data and self.alive else SILENT_SECONDS
            if now - gathered.since > allowed:
                self.let_go(conn, TOO_SLOW if gathered.data else b"")


def _has_read_ahead(conn: TConn) -> bool:
    unreader = getattr(conn.parser, "unreader", None)
    return unreader is not None and bool(unreader.buf.getvalue())
