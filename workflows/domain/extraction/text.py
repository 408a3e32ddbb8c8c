"""The text that rules read, and words as people write them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

#: What the finders read of a text; a rule with a pattern of its own reads all of it.
MAX_LINES, MAX_LINE = 5_000, 1_000
#: Two spaces or more part the cells of a line.
_CELL = re.compile(r"\S+(?: \S+)*")


@dataclass(frozen=True, slots=True)
class Cell:
    """A run of words on a line, and the columns it takes up."""

    text: str
    start: int
    end: int


def split_cells(text: str) -> list[list[Cell]]:
    """Return the cells of every line that has any; at most MAX_LINES lines, each cut at MAX_LINE."""
    rows = []
    for line in text.splitlines():
        cells = [Cell(match[0], *match.span()) for match in _CELL.finditer(line[:MAX_LINE].expandtabs(4))]
        if cells:
            rows.append(cells)
        if len(rows) == MAX_LINES:
            break
    return rows


@dataclass(frozen=True)
class Document:
    """A text, and the lines that finders read: stripped, without empty ones, cut at `MAX_LINE`, `MAX_LINES` of them."""

    text: str

    @cached_property
    def lines(self) -> tuple[str, ...]:
        lines = (line.strip() for line in self.text.splitlines())
        return tuple(islice((line[:MAX_LINE] for line in lines if line), MAX_LINES))

    @cached_property
    def cells(self) -> list[list[Cell]]:
        """The cells of each line, for texts laid out in columns."""
        return split_cells(self.text)


class Phrases:
    """Words and phrases to look for as a person writes them: whole words, any case, any punctuation between words.

    "SUB TOTAL" finds "Subtotal" and "SUB-TOTAL:"; a star stands for the rest of a word ("ROUND*" finds "Rounding").
    """

    def __init__(self, phrases: Iterable[str]) -> None:
        patterns = [pattern for pattern in map(_phrase_pattern, phrases) if pattern]
        # The alternatives are tried in order at each place, so the longest comes first.
        patterns.sort(key=len, reverse=True)
        self._pattern = re.compile("|".join(patterns), re.IGNORECASE) if patterns else None

    def find(self, text: str) -> re.Match[str] | None:
        """Return the first place one of the phrases stands at, the longest there."""
        return self._pattern.search(text) if self._pattern else None

    def all(self, text: str) -> list[re.Match[str]]:
        """Return every place, from left to right and without overlaps."""
        return list(self._pattern.finditer(text)) if self._pattern else []

    def starts(self, text: str) -> bool:
        """Say whether `text` begins with one of the phrases, after any punctuation."""
        match = self.find(text)
        return match is not None and not _has_word(text[: match.start()])


def _has_word(text: str) -> bool:
    return any(character.isalnum() for character in text)


def _phrase_pattern(phrase: str) -> str:
    words = re.findall(r"[\w*]+", phrase)
    parts = [r"\w*".join(map(re.escape, word.split("*"))) for word in words]
    body = r"[\W_]{0,3}".join(part for part in parts if part)
    return rf"(?<![^\W_]){body}(?![^\W_])" if body.replace(r"\w*", "") else ""


def count_letters(text: str) -> int:
    """Return how many letters `text` has."""
    return sum(map(str.isalpha, text))
