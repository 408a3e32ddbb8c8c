"""Selecting lines, and values by the label on their line."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice

from workflows.domain.extraction.patterns import Budget, Pattern
from workflows.domain.extraction.text import Phrases

#: Marks that stand between a label and its value.
MARKS = " \t:=#.->|\N{EN DASH}\N{EM DASH}"


def _is_value(text: str, pattern: Pattern | None, budget: Budget) -> bool:
    return any(map(str.isalnum, text)) and (pattern is None or pattern.found_in(text, budget))


def after_label(
    lines: Sequence[str], labels: Phrases, *, within: int, pattern: Pattern | None, budget: Budget
) -> str | None:
    """Return what stands after the first label that has a value: on its line, else on one of the `within` next ones."""
    for index, line in enumerate(lines):
        label = labels.find(line)
        if label is None:
            continue
        places = (line[label.end() :], *lines[index + 1 : index + 1 + within])
        for value in (place.strip(MARKS) for place in places):
            if _is_value(value, pattern, budget):
                return value
    return None


def key_value(lines: Sequence[str], keys: Collection[str], separators: str) -> str | None:
    """Return the value of the first line "key: value" with one of `keys` (small letters, single spaces)."""
    for line in lines:
        place = min((position for mark in separators if (position := line.find(mark)) > 0), default=-1)
        if place > 0 and " ".join(line[:place].lower().split()) in keys:
            value = line[place + 1 :].strip()
            if value:
                return value
    return None


@dataclass(frozen=True, slots=True)
class LineSelection:
    """Which lines: at most `count` that match, between the first line of `after` and the next of `before`."""

    after: Pattern | None
    before: Pattern | None
    matching: Pattern | None
    count: int


def select_lines(lines: Sequence[str], wanted: LineSelection, budget: Budget) -> list[str]:
    """Return the selected lines; none when `after` or `before` is given and matches no line. Raises PatternTimeout."""
    if wanted.after is not None:
        first = _index(lines, wanted.after, budget)
        lines = [] if first is None else lines[first + 1 :]
    if wanted.before is not None:
        lines = lines[: _index(lines, wanted.before, budget) or 0]
    matching = wanted.matching
    found = (line for line in lines if matching is None or matching.found_in(line, budget))
    return list(islice(found, wanted.count))


def _index(lines: Sequence[str], pattern: Pattern, budget: Budget) -> int | None:
    return next((index for index, line in enumerate(lines) if pattern.found_in(line, budget)), None)
