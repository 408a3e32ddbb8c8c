"""Ids that were not there when their neighbours were: rows on their way, or rolled back."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Gap:
    """The ids from `first` to `last`, missing since `seen_at`."""

    first: int
    last: int
    seen_at: datetime

    @classmethod
    def read(cls, data: Any) -> "Gap":
        """Return a gap as `write` gave it."""
        first, last, seen_at = data
        return cls(first, last, datetime.fromisoformat(seen_at))

    def write(self) -> list[Any]:
        """Return the gap as plain data."""
        return [self.first, self.last, self.seen_at.isoformat()]


def missing_ranges(first: int, last: int, present: Collection[int]) -> list[tuple[int, int]]:
    """Return the ranges of ids from `first` to `last` that are not `present`."""
    ranges, begin = [], first
    for each in sorted(present):
        if each > begin:
            ranges.append((begin, each - 1))
        begin = each + 1
    if begin <= last:
        ranges.append((begin, last))
    return ranges


def without(gaps: Iterable[Gap], found: Collection[int]) -> list[Gap]:
    """Return what is left of the gaps when these ids have come."""
    left = []
    for gap in gaps:
        inside = [each for each in found if gap.first <= each <= gap.last]
        left += [Gap(low, high, gap.seen_at) for low, high in missing_ranges(gap.first, gap.last, inside)]
    return left
