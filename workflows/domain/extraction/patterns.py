"""Patterns that people write: compiled once, and stopped when they run too long."""

import time
from collections.abc import Callable
from typing import TypeVar

import regex

from workflows.domain.regexes import compile_regex

T = TypeVar("T")


class PatternTimeout(Exception):
    """The patterns took longer than their budget."""


class Budget:
    """The seconds that searches may take together.

    Sensible patterns take microseconds; a catastrophic one ("(a|aa)+$") never ends by itself.
    """

    def __init__(self, seconds: float) -> None:
        self.left = seconds

    def spend(self, search: Callable[[float], T]) -> T:
        """Call `search` with the seconds that are left; raises PatternTimeout when they are over."""
        if self.left <= 0:
            raise PatternTimeout
        start = time.monotonic()
        try:
            return search(self.left)
        except TimeoutError:
            raise PatternTimeout from None
        finally:
            self.left -= time.monotonic() - start


class Pattern:
    """A regular expression over a whole text: `^` and `$` are the ends of a line. Raises RegexError."""

    def __init__(self, source: str, *, ignore_case: bool = True) -> None:
        flags = regex.MULTILINE | (regex.IGNORECASE if ignore_case else 0)
        self._pattern = compile_regex(source, flags)
        self.groups: dict[str, int] = dict(self._pattern.groupindex)
        self.count: int = self._pattern.groups

    def first(self, text: str, budget: Budget, group: str | int = 0) -> str | None:
        """Return `group` of the first match. Raises PatternTimeout."""
        match = budget.spend(lambda left: self._pattern.search(text, timeout=left))
        return None if match is None else match[group]

    def last(self, text: str, budget: Budget, group: str | int = 0) -> str | None:
        """Return `group` of the last match. Raises PatternTimeout."""
        matches = budget.spend(lambda left: [match[group] for match in self._pattern.finditer(text, timeout=left)])
        return matches[-1] if matches else None

    def found_in(self, text: str, budget: Budget) -> bool:
        """Say whether the pattern matches somewhere. Raises PatternTimeout."""
        return self.first(text, budget) is not None
