"""Which jobs somebody means: the filters of a list, and of an action on all it shows."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

from jobs.domain.states import FINAL, RETRYABLE, State
from jobs.domain.view_filter import ValueFilter

#: What a bulk action may be, and the states it can change.
BULK_KINDS: dict[str, frozenset[State]] = {
    "retry": RETRYABLE,
    "requeue": frozenset({State.DEAD}),
    "cancel": frozenset({State.PENDING, State.SCHEDULED, State.RUNNING, State.WAITING}),
    "rerun": FINAL,
    "move": frozenset({State.PENDING, State.SCHEDULED}),
}
#: Those that may be chosen for any jobs of a list; the others belong to one workflow and one of its versions.
LIST_KINDS = ("retry", "requeue", "cancel", "rerun")


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Conditions that all hold; empty means any. The date range takes its start in and leaves its end out.

    `values` are conditions on what the jobs hold; they need a workflow.
    `waits` narrows waiting jobs to those that wait for a "person", or for anything "other".
    """

    workflow_id: int | None = None
    queue_id: int | None = None
    states: tuple[str, ...] = ()
    created_from: datetime | None = None
    created_to: datetime | None = None
    correlation_id: str = ""
    ids: tuple[int, ...] | None = None
    values: tuple[ValueFilter, ...] = ()
    waits: str = ""

    def for_kind(self, kind: str) -> tuple[str, ...]:
        """Return the states that an action of `kind` works through: its own, narrowed to those asked for."""
        possible = sorted(state.value for state in BULK_KINDS[kind])
        return tuple(state for state in possible if not self.states or state in self.states)

    def in_states(self, states: tuple[str, ...]) -> Self:
        """Return this filter with other states."""
        return replace(self, states=states)

    def to_json(self) -> dict[str, Any]:
        """Return the filter in a form that JSON can keep."""
        return {
            "workflow_id": self.workflow_id,
            "queue_id": self.queue_id,
            "states": list(self.states),
            "created_from": self.created_from and self.created_from.isoformat(),
            "created_to": self.created_to and self.created_to.isoformat(),
            "correlation_id": self.correlation_id,
            "ids": None if self.ids is None else list(self.ids),
            "values": [each.to_json() for each in self.values],
            "waits": self.waits,
        }

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Self:
        """Return the filter that `to_json` gave."""
        return cls(
            workflow_id=kept["workflow_id"],
            queue_id=kept["queue_id"],
            states=tuple(kept["states"]),
            created_from=_instant(kept["created_from"]),
            created_to=_instant(kept["created_to"]),
            correlation_id=kept["correlation_id"],
            ids=None if kept["ids"] is None else tuple(kept["ids"]),
            values=tuple(ValueFilter.from_json(each) for each in kept.get("values", ())),
            waits=kept.get("waits", ""),
        )


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
