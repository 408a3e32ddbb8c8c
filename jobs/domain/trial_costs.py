"""What a test run will cost and take, before it starts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

#: What a step takes that nobody has seen run, in seconds, and one that asks a model.
QUICK_SECONDS, MODEL_SECONDS = 0.01, 2.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimate. `cost` is in US dollars, None where no run of a step that asks a model is known.

    `asks` is how many times a model will be asked, `reused` how many answers are there from before.
    """

    items: int
    seconds: float
    cost: float | None
    asks: int = 0
    reused: int = 0

    @property
    def is_free(self) -> bool:
        """Whether there is surely nothing to pay."""
        return self.asks == 0 or self.cost == 0

    def words(self) -> str:
        """Return it in a few words: "about $0.42, 4 min"."""
        took = duration(self.seconds)
        if self.is_free:
            return f"Nothing to pay, {took}"
        if self.cost is None:
            return "Cost unknown: no job has run these steps yet"
        return f"About {money(self.cost)}, {took}"

    def to_json(self) -> dict[str, Any]:
        """Return it in a form that JSON can keep."""
        return {name: getattr(self, name) for name in ("items", "seconds", "cost", "asks", "reused")}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(**kept)


def money(dollars: float) -> str:
    """Return an amount as people read it: $12, $0.42, $0.0031."""
    if dollars >= 100:
        return f"${dollars:,.0f}"
    return f"${dollars:,.2f}" if dollars >= 0.01 or dollars == 0 else f"${dollars:.2g}"


def duration(seconds: float) -> str:
    """Return how long something takes, roughly."""
    if seconds < 10:
        return "a few seconds"
    if seconds < 90:
        return f"{round(seconds, -1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
