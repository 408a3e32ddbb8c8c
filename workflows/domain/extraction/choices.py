"""Choosing one of several values by the words of a text."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise

from workflows.domain.extraction.text import Phrases

#: How many hexadecimal digits of a word's hash are kept: enough that two words of a list hardly share one.
DIGITS = 8
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")


@dataclass(frozen=True, slots=True)
class Choice:
    """A value, the points it gets for each different phrase or hashed word that occurs, and those it has anyway."""

    value: str
    phrases: Phrases
    points: float
    hashes: frozenset[str] = frozenset()
    base: float = 0.0


def hash_words(words: str) -> str:
    """Return the hash under which a word, or two that follow one another, stand in a list of hashed words."""
    return sha256(words.lower().encode(errors="replace")).hexdigest()[:DIGITS]


def list_words(text: str) -> Iterator[str]:
    """Yield the words of a text in small letters, and each pair that follow one another."""
    words = [match[0] for match in _WORD.finditer(text.lower())]
    yield from words
    yield from (f"{first} {second}" for first, second in pairwise(words))


def count_phrases(text: str, phrases: Phrases) -> int:
    """Return how many different phrases occur."""
    return len({" ".join(match[0].lower().split()) for match in phrases.all(text)})


def points_of(text: str, choices: Sequence[Choice]) -> dict[str, float]:
    """Return the points of every value."""
    hashed = set(map(hash_words, set(list_words(text)))) if any(choice.hashes for choice in choices) else set()
    totals: dict[str, float] = {}
    for choice in choices:
        found = count_phrases(text, choice.phrases) + len(choice.hashes & hashed)
        totals[choice.value] = totals.get(choice.value, 0.0) + choice.base + choice.points * found
    return totals


def choose(text: str, choices: Sequence[Choice]) -> str | None:
    """Return the value with the most points, the first of equals; None when no value has any."""
    totals = points_of(text, choices)
    best = max(totals, key=lambda value: totals[value], default=None)
    return best if best is not None and totals[best] > 0 else None
