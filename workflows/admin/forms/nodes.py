"""From a spec and its data to the tree of nodes that the templates draw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: Stands for a row's name in the templates that new rows are made of.
SLOT = "__row__"


@dataclass
class Node:
    """One part of a form. `name` is posted, `part` is its step in the place of a problem, `kind` names its template."""

    kind: str
    name: str
    part: str = ""
    title: str = ""
    help: str = ""
    required: bool = False
    problems: list[str] = field(default_factory=list)
    children: list["Node"] = field(default_factory=list)
    folded: list["Node"] = field(default_factory=list)
    text: str = ""
    options: Sequence[tuple[str, str]] = ()
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"id_{self.name}"

    @property
    def template(self) -> str:
        return f"taskflow/forms/{self.kind}.html"

    @property
    def problem(self) -> str:
        return "; ".join(self.problems)

    @property
    def is_wrong(self) -> bool:
        """Whether there is a problem here or further inside."""
        return bool(self.problems) or any(each.is_wrong for each in [*self.children, *self.folded])

    @property
    def shown_when(self) -> str:
        """The sibling and its values with which this has a meaning, for the script."""
        return str(self.extra.get("shown_when", ""))


class Problems:
    """Problems by place; each is shown once, at the part it is about or the nearest around it."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        self.left = list(problems)

    def at(self, place: str) -> list[str]:
        """Take the problems of exactly this place."""
        return self._take(lambda each: each == place)

    def below(self, place: str) -> list[str]:
        """Take the problems of this place and of everything inside it."""
        return self._take(lambda each: each == place or each.startswith(f"{place}."))

    def skip(self, place: str, part: str) -> None:
        """Leave `part` out of the places inside `place`: what names a variant is no part of the form."""
        start = f"{place}.{part}"
        self.left = [
            (place + each[len(start) :] if each == start or each.startswith(f"{start}.") else each, message)
            for each, message in self.left
        ]

    def _take(self, fits: Any) -> list[str]:
        found = [message for place, message in self.left if fits(place)]
        self.left = [(place, message) for place, message in self.left if not fits(place)]
        return found


_IRREGULAR = {
    "Criteria": "criterion",
    "Words that speak for it": "words",
    "Fields to take from the answer": "field",
    "To": "address",
    "If it cannot answer": "model",
    "May be edited": "field",
    "Show": "value",
}


def singular(title: str) -> str:
    """Return what one element of a list is called ("Routes": route)."""
    if title in _IRREGULAR:
        return _IRREGULAR[title]
    word = title.lower()
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else "entry"


def as_text(value: Any) -> str:
    """Return a value as it stands in a control."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def duration(value: Any) -> str:
    """Return seconds the way people write them: 14400 is 4h."""
    if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
        for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
            if value % size == 0:
                return f"{value // size:.0f}{unit}"
    return as_text(value)


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a mapping; of a short form that is only a text, an empty one."""
    return value if isinstance(value, Mapping) else {}
