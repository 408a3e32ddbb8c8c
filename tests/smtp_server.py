"""A mail server of the tests, on loopback: it takes what it is given, or refuses as it is told."""

import socket
import threading
from collections.abc import Callable
from email import message_from_bytes
from email.message import Message


class SmtpServer:
    """Serves each connection in a thread. `replies` overrides the answer to a command by its first word."""

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listening.getsockname()[1]
        self.mails: list[tuple[list[str], Message]] = []
        self.commands: list[str] = []
        self.replies: dict[str, str] = {}
        self.greeting: Callable[[socket.socket], None] = lambda peer: peer.sendall(b"220 test\r\n")
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.listening.close()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        try:
            with peer, peer.makefile("rb") as lines:
                self.greeting(peer)
                self._talk(peer, lines)
        except (OSError, ValueError, IndexError):
            # The other side went away, or began to speak TLS.
            return

    def _talk(self, peer: socket.socket, lines) -> None:
        to: list[str] = []
        for line in lines:
            word = line.split()[0].decode().upper()
            self.commands.append(line.decode().strip())
            reply = self.replies.get(word)
            if word == "RCPT":
                to.append(line.decode().split(":", 1)[1].strip().strip("<>"))
            if reply is None and word == "DATA":
                peer.sendall(b"354 go on\r\n")
                body = b""
                while (part := lines.readline()) not in (b".\r\n", b""):
                    body += part
                self.mails.append((to, message_from_bytes(body)))
                to = []
            peer.sendall(f"{reply or '250 ok'}\r\n".encode())
            if word == "QUIT":
                return
