"""One question to a language model and what came of it, as it is kept for audit; and answers kept to be used again."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from workflows.domain.outcomes import Usage


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An answer to be given again to the same question until `until`. `reply` is plain data."""

    key: str
    reply: dict[str, Any]
    until: datetime


@dataclass(slots=True)
class ModelCall:
    """A call to a model. `purpose` says why it was made: answer, repair, sample.

    `cached` calls were answered from memory: nothing was sent or paid. `error` is what went wrong, if it did. `kept` is
    the answer to remember.
    """

    connection: str
    model: str
    prompt: str
    at: datetime
    purpose: str = "answer"
    answer: str = ""
    finish_reason: str = ""
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0
    cached: bool = False
    error: str = ""
    kept: KeptAnswer | None = None


#: From the key of a question, and the instant since when an answer counts, to the answer that was kept.
Recall = Callable[[str, datetime], dict[str, Any] | None]


def recall_nothing(key: str, since: datetime) -> dict[str, Any] | None:
    """Remember no answers: for runs in memory."""
    return None
