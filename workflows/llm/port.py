"""What is asked of a language model and what comes back, whoever the provider is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from workflows.domain.outcomes import Usage


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of the conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Request:
    """A question. `timeout` is in seconds, for the whole call.

    With a `schema` (JSON Schema of an object) the answer is JSON; the provider is held to it where it can be, and who
    asks checks it all the same. `logprobs` asks for the probabilities of the answer's tokens.
    """

    model: str
    messages: tuple[Message, ...]
    max_tokens: int
    timeout: float
    schema: Mapping[str, Any] | None = None
    temperature: float | None = None
    logprobs: bool = False


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the answer, and the natural logarithm of its probability."""

    text: str
    logprob: float


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. `model` is the one that gave it; `cut` says that it ended because it reached `max_tokens`.

    `tokens` are empty where the provider gives no probabilities.
    """

    text: str
    model: str
    usage: Usage
    finish_reason: str = "stop"
    cut: bool = False
    tokens: tuple[Token, ...] = ()
