"""A mail server for tests: speaks as much IMAP4rev1 as a client needs that reads one folder."""

import base64
import re
import socketserver
import threading
from dataclasses import dataclass, field

LITERAL_TAIL = b")\r\n"


@dataclass
class Store:
    """What the server holds. `validity` changes where a server numbers its messages anew."""

    password: str = "sesame"
    folder: str = "INBOX"
    validity: int = 7
    messages: dict[int, bytes] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)
    announced_size: int | None = None
    commands: list[str] = field(default_factory=list)
    _last: int = 0

    def add(self, raw: bytes) -> int:
        """Put a message into the folder; returns its UID."""
        self._last += 1
        self.messages[self._last] = raw
        return self._last


class Session(socketserver.StreamRequestHandler):
    """One connection."""

    server: "Server"

    def handle(self) -> None:
        self.say("* OK ready")
        while line := self.rfile.readline():
            tag, _, rest = line.decode().rstrip("\r\n").partition(" ")
            command, _, words = rest.partition(" ")
            self.server.store.commands.append(command.upper())
            if not self.answer(tag, command.upper(), words):
                return

    def say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")

    def answer(self, tag: str, command: str, words: str) -> bool:
        store = self.server.store
        if command == "CAPABILITY":
            self.say("* CAPABILITY IMAP4rev1 AUTH=PLAIN")
        elif command == "LOGIN":
            if words.split(" ", 1)[1].strip('"') != store.password:
                self.say(f"{tag} NO [AUTHENTICATIONFAILED] wrong password")
                return True
        elif command == "AUTHENTICATE":
            self.say("+ ")
            given = base64.b64decode(self.rfile.readline()).decode().split("\0")[2]
            if given != store.password:
                self.say(f"{tag} NO wrong password")
                return True
        elif command == "SELECT":
            if words.strip('"') != store.folder:
                self.say(f"{tag} NO no such mailbox")
                return True
            self.say(f"* {len(store.messages)} EXISTS")
            self.say(f"* OK [UIDVALIDITY {store.validity}] valid")
        elif command == "UID":
            self.uid(words)
        elif command == "LOGOUT":
            self.say("* BYE")
        self.say(f"{tag} OK done")
        return command != "LOGOUT"

    def uid(self, words: str) -> None:
        store = self.server.store
        command, _, rest = words.partition(" ")
        if command == "SEARCH":
            if rest == "UNSEEN":
                found = [uid for uid in store.messages if uid not in store.seen]
            else:
                first = int(re.search(r"UID (\d+):\*", rest)[1])
                # A range up to * always holds the last message.
                found = [uid for uid in store.messages if uid >= first] or list(store.messages)[-1:]
            self.say(f"* SEARCH {' '.join(map(str, found))}".rstrip())
            return
        number, _, what = rest.partition(" ")
        uid = int(number)
        if uid not in store.messages:
            return
        if command == "STORE":
            store.seen.add(uid)
        elif "SIZE" in what:
            size = store.announced_size or len(store.messages[uid])
            self.say(f"* 1 FETCH (UID {uid} RFC822.SIZE {size})")
        else:
            raw = store.messages[uid]
            self.wfile.write(b"* 1 FETCH (UID %d BODY[] {%d}\r\n" % (uid, len(raw)) + raw + LITERAL_TAIL)


class Server(socketserver.ThreadingTCPServer):
    """Listens on a free port of this machine for the time of a `with` block."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        self.store = Store()
        super().__init__(("127.0.0.1", 0), Session)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def __enter__(self) -> "Server":
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.shutdown()
        self.server_close()
