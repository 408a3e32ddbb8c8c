"""Two texts told apart word by word, and two lists item by item."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Literal

#: A word or a run of other signs, with the space behind it: put together again they are the text.
WORD = re.compile(r"\w+\s*|[^\w\s]+\s*|\s+")
#: Longer texts are told apart by lines: words would take too long.
MOST_WORDS = 2_000


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text: "same" on both sides, "removed" or "added"."""

    how: Literal["same", "removed", "added"]
    text: str


def pieces(before: str | Sequence[Any], after: str | Sequence[Any]) -> tuple[Piece, ...]:
    """Return what stayed, went and came. The pieces that are not "added" make up `before`, those not "removed" `after`.

    Items of lists become texts, each a piece of its own.
    """
    if isinstance(before, str) and isinstance(after, str):
        olds, news = _words(before), _words(after)
        if max(len(olds), len(news)) > MOST_WORDS:
            olds, news = before.splitlines(keepends=True), after.splitlines(keepends=True)
        return tuple(_told(olds, news, join=True))
    return tuple(_told([str(item) for item in before], [str(item) for item in after], join=False))


def _words(text: str) -> list[str]:
    return WORD.findall(text)


def _told(olds: Sequence[str], news: Sequence[str], *, join: bool) -> list[Piece]:
    found: list[Piece] = []
    for tag, i, j, k, m in SequenceMatcher(None, olds, news, autojunk=False).get_opcodes():
        if tag == "equal":
            found += _as_pieces("same", olds[i:j], join=join)
            continue
        found += _as_pieces("removed", olds[i:j], join=join)
        found += _as_pieces("added", news[k:m], join=join)
    return found


def _as_pieces(how: Literal["same", "removed", "added"], texts: Sequence[str], *, join: bool) -> list[Piece]:
    if not texts:
        return []
    return [Piece(how, "".join(texts))] if join else [Piece(how, text) for text in texts]
