"""A stand-in for a provider of language models, on loopback: it speaks the protocols of OpenAI and of Anthropic, and
answers by a script. What is not scripted is an error that the test sees.
"""

import json
import math
import re
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Answer:
    """A good answer: text, or data that becomes JSON. `sure` is the probability of every token, if it tells any."""

    content: Any
    tokens: tuple[int, int] = (100, 20)
    finish: str = "stop"
    refusal: str | None = None
    sure: float | None = None
    delay: float = 0.0
    model: str = ""


@dataclass(frozen=True)
class Failure:
    """An answer with an error's status, in the provider's words."""

    status: int
    message: str = "not now"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cut:
    """An answer that breaks off in the middle."""


@dataclass(frozen=True)
class Raw:
    """An answer that is anything but what the protocol says."""

    body: str
    content_type: str = "application/json"


Act = Answer | Failure | Cut | Raw


@dataclass
class Seen:
    """A request as it came in."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]

    @property
    def system(self) -> str:
        """What the model was told as the system."""
        if "system" in self.body:
            return str(self.body["system"])
        return "\n".join(turn["content"] for turn in self.body["messages"] if turn["role"] == "system")

    @property
    def user(self) -> str:
        """The last thing the model was told as the user."""
        return str([turn["content"] for turn in self.body["messages"] if turn["role"] == "user"][-1])


class LlmServer:
    """The server with its script. Acts are played in order, one a request."""

    def __init__(self) -> None:
        self.acts: deque[Act] = deque()
        self.requests: list[Seen] = []
        self.over = threading.Event()
        handler = type("Handler", (_Handler,), {"stand_in": self})
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}/v1"

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}"

    def script(self, *acts: Act) -> None:
        """Play these next."""
        self.acts.extend(acts)

    def reset(self) -> None:
        """Forget the script and what was seen; let slow answers go."""
        self.over.set()
        self.over = threading.Event()
        self.acts.clear()
        self.requests.clear()

    def close(self) -> None:
        self.over.set()
        self.http.shutdown()
        self.http.server_close()


class _Handler(BaseHTTPRequestHandler):
    stand_in: LlmServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        server = self.stand_in
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server.requests.append(Seen(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        act: Act = server.acts.popleft() if server.acts else Failure(418, "the script of the stand-in is over")
        if isinstance(act, Failure):
            error = {"error": {"message": act.message, "type": "error", "code": None}}
            self._send(act.status, json.dumps(error), headers=act.headers)
        elif isinstance(act, Cut):
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "5000")
            self.end_headers()
            self.wfile.write(b'{"id": "1", "choices": [{"message": {"content": "car')
            self.close_connection = True
        elif isinstance(act, Raw):
            self._send(200, act.body, content_type=act.content_type)
        else:
            if act.delay:
                server.over.wait(act.delay)
            shape = _anthropic if self.path.endswith("/messages") else _openai
            self._send(200, json.dumps(shape(act, body)))

    def _send(
        self, status: int, text: str, content_type: str = "application/json", headers: Mapping[str, str] | None = None
    ) -> None:
        data = text.encode()
        try:
            self.send_response(status)
            for name, value in {
                "Content-Type": content_type,
                "Content-Length": str(len(data)),
                **(headers or {}),
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)
        except OSError:
            self.close_connection = True  # who asked has gone

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


def _text(act: Answer) -> str:
    return act.content if isinstance(act.content, str) else json.dumps(act.content)


def _openai(act: Answer, body: Mapping[str, Any]) -> dict[str, Any]:
    text = _text(act)
    choice: dict[str, Any] = {
        "index": 0,
        "message": {"role": "assistant", "content": text, "refusal": act.refusal},
        "finish_reason": act.finish,
    }
    if act.sure is not None and body.get("logprobs"):
        choice["logprobs"] = {"content": _pieces(text, act.sure)}
    read, written = act.tokens
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": act.model or body["model"],
        "choices": [choice],
        "usage": {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written},
    }


def _pieces(text: str, sure: float) -> Sequence[dict[str, Any]]:
    return [
        {"token": piece, "logprob": math.log(sure), "bytes": None, "top_logprobs": []}
        for piece in re.findall(r"\w+|\W", text)
    ]


def _anthropic(act: Answer, body: Mapping[str, Any]) -> dict[str, Any]:
    read, written = act.tokens
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": act.model or body["model"],
        "content": [{"type": "text", "text": _text(act)}],
        "stop_reason": {"stop": "end_turn", "length": "max_tokens"}.get(act.finish, act.finish),
        "stop_sequence": None,
        "usage": {"input_tokens": read, "output_tokens": written},
    }
