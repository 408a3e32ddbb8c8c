"""What reading a document gives, and the words for what stands against it."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Answer:
    """The text of a document with what else it says of itself; `warnings` are for people."""

    text: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Wish:
    """How a document is to be read: pages or sheets and characters at most, and whether columns keep their places."""

    pages: int = 200
    characters: int = 500_000
    layout: bool = True
    attachments: bool = False


class Unreadable(Exception):
    """The document cannot be read; the message says why in words for people."""


class Paper:
    """Text that is gathered up to a limit; `full` when there is no use in more."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.parts: list[str] = []
        self.length = 0
        self.cut = False

    @property
    def full(self) -> bool:
        return self.length >= self.limit

    def write(self, text: str) -> None:
        """Add a piece of text, or as much of it as there is room for."""
        room = self.limit - self.length
        if room <= 0:
            self.cut = self.cut or bool(text.strip())
            return
        if len(text) > room:
            self.cut, text = True, text[:room]
        self.parts.append(text)
        self.length += len(text)

    def text(self, separator: str = "\n") -> str:
        """Return what was gathered."""
        return separator.join(self.parts)
