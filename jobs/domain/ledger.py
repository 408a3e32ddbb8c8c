"""The ledger of jobs: what came in is done, failed, cancelled, or in one of the places where a job can be."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from jobs.domain.states import FINAL, State

#: The parts of WAITING: for a person's answer to a review, or for sub-jobs or an answer from outside.
FOR_PERSON, FOR_OTHERS = "person", "other"
OPEN = tuple(state.value for state in State if state not in FINAL)


@dataclass(frozen=True, slots=True)
class Ledger:
    """How many jobs are in which state at one instant, and how many of the waiting ones wait for a person."""

    states: Mapping[str, int] = field(default_factory=dict)
    for_person: int = 0

    @property
    def came_in(self) -> int:
        """All of them."""
        return sum(self.states.values())

    @property
    def in_hand(self) -> int:
        """Those that are not final."""
        return sum(self.states.get(state, 0) for state in OPEN)

    @property
    def for_others(self) -> int:
        """Those that wait for something else than a person."""
        return self.of(State.WAITING) - self.for_person

    @property
    def bad(self) -> int:
        """Those that failed or are dead."""
        return self.of(State.FAILED) + self.of(State.DEAD)

    @property
    def success_rate(self) -> float | None:
        """The share that succeeded of those that succeeded or failed; None where there are none."""
        ended = self.of(State.SUCCEEDED) + self.bad
        return self.of(State.SUCCEEDED) / ended if ended else None

    def of(self, state: str) -> int:
        """Return how many are in `state`."""
        return self.states.get(state, 0)

    @classmethod
    def total(cls, ledgers: Iterable[Self]) -> Self:
        """Return the ledger of all of these together."""
        states: Counter[str] = Counter()
        person = 0
        for ledger in ledgers:
            states.update(ledger.states)
            person += ledger.for_person
        return cls(dict(states), person)
