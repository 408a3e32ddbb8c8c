"""What a form offers to choose from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from workflows.services.variables import Variable

GROUPS = {
    "payload": "What comes in",
    "event": "What happened",
    "last": "Remembered from last time",
    "record": "What the steps before found",
    "steps": "Outputs of single steps",
    "output": "What this step gives",
    "item": "The list's element",
    "tenant": "Tenant",
    "job": "Job",
    "now": "Time",
}


@dataclass(frozen=True)
class EditorContext:
    """What there is at this step: its variables, other steps as (key, name), connections as (slug, kind, name).

    `workflows` are (slug, name), `people` user names; `others` is what there is of anything else, by what it is.
    """

    variables: Sequence[Variable] = ()
    later_steps: Sequence[tuple[str, str]] = ()
    earlier_steps: Sequence[tuple[str, str]] = ()
    connections: Sequence[tuple[str, str, str]] = ()
    workflows: Sequence[tuple[str, str]] = ()
    people: Sequence[str] = ()
    others: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)

    def names(self, what: str, kinds: Sequence[str]) -> list[tuple[str, str]]:
        """Return what a field may name, each with the words people read."""
        if what == "connection":
            return [(slug, f"{name} ({kind})") for slug, kind, name in self.connections if not kinds or kind in kinds]
        if what == "person":
            return [(name, name) for name in self.people]
        if what == "workflow":
            return list(self.workflows)
        if what in self.others:
            return list(self.others[what])
        return [(key, name) for key, name in self.later_steps] if what == "later_step" else []

    def described(self) -> list[dict[str, str]]:
        """Return the variables as the scripts take them."""
        return [
            {
                "path": each.path,
                "label": each.label,
                "type": each.type,
                "group": GROUPS.get(each.root, each.root.capitalize()),
            }
            for each in self.variables
        ]
