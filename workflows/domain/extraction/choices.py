"""Choosing one of several values by the words of a text."""

from collections.abc import Sequence
from dataclasses import dataclass

from workflows.domain.extraction.text import Phrases


@dataclass(frozen=True, slots=True)
class Choice:
    """A value, and the points it gets for each different phrase that occurs."""

    value: str
    phrases: Phrases
    points: float


def count_phrases(text: str, phrases: Phrases) -> int:
    """Return how many different phrases occur."""
    return len({" ".join(match[0].lower().split()) for match in phrases.all(text)})


def points_of(text: str, choices: Sequence[Choice]) -> dict[str, float]:
    """Return the points of every value."""
    totals: dict[str, float] = {}
    for choice in choices:
        totals[choice.value] = totals.get(choice.value, 0.0) + choice.points * count_phrases(text, choice.phrases)
    return totals


def choose(text: str, choices: Sequence[Choice]) -> str | None:
    """Return the value with the most points, the first of equals; None when no value has any."""
    totals = points_of(text, choices)
    best = max(totals, key=lambda value: totals[value], default=None)
    return best if best is not None and totals[best] > 0 else None
