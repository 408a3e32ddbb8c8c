"""What was posted, as the plain data that a config is stored as. Never fails: what cannot be typed stays text."""

import re
from collections.abc import Mapping
from typing import Any

from django.http import QueryDict

from workflows.admin.conditions import posted_condition
from workflows.admin.forms.spec import (
    NOTHING,
    Choice,
    Control,
    Data,
    FieldSpec,
    Group,
    Listed,
    ModelSpec,
    Number,
    OneOf,
    Pairs,
    Several,
    Switch,
    Text,
)
from workflows.domain.hints import Condition

MAX_DEPTH = 20
UNNAMED = "unnamed"
_WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d{1,300}(\.\d{0,300})?|\.\d{1,300})(e[+-]?\d{1,2})?", re.ASCII | re.IGNORECASE)


class Posted:
    """A tree of posted values: by the parts of their names, in the order of the page."""

    def __init__(self) -> None:
        self.values: list[str] = []
        self.parts: dict[str, Posted] = {}

    @classmethod
    def below(cls, posted: QueryDict, prefix: str) -> "Posted":
        """Return what was posted for controls whose names begin with `prefix` and a dot."""
        root = cls()
        for name, values in posted.lists():
            head, _, rest = name.partition(".")
            if head == prefix and rest:
                node = root
                for part in rest.split(".", MAX_DEPTH * 4):
                    node = node.parts.setdefault(part, cls())
                node.values += [str(value).replace("\r\n", "\n") for value in values]
        return root

    def part(self, name: str) -> "Posted":
        """Return what was posted one level below."""
        return self.parts.get(name) or Posted()

    @property
    def text(self) -> str:
        return self.values[-1] if self.values else ""


def read_model(spec: ModelSpec, posted: Posted) -> dict[str, Any]:
    """Return a model's plain data, without what is as usual."""
    chosen = posted.part("either").text
    found = {}
    for field in spec.fields:
        if spec.either and field.name in spec.either.fields:
            value = posted.part(field.name).text if field.name == chosen else NOTHING
        else:
            value = _field(field, posted.part(field.name))
        if value is not NOTHING and value != field.default:
            found[field.name] = value
    return found


def _field(field: FieldSpec, posted: Posted) -> Any:
    value = _read(field.control, posted)
    if value is None and not isinstance(field.control, Data) and not getattr(field.control, "nullable", False):
        return NOTHING
    return value


def _read(control: Control, posted: Posted, depth: int = 0) -> Any:
    """Return a control's value; None where nothing was said."""
    match control:
        case Text():
            return _text(control, posted)
        case Number():
            return number_of(posted.text.strip())
        case Switch():
            return posted.text == "true"
        case Choice(booleans=True):
            return {"true": True, "false": False}.get(posted.text)
        case Choice():
            return posted.text or None
        case Several():
            return posted.values
        case Group():
            return (
                None if control.nullable and posted.part("given").text != "true" else read_model(control.model, posted)
            )
        case OneOf():
            tag = posted.part(control.tag).text
            return {control.tag: tag, **read_model(control.model(tag), posted)}
        case _:
            return _many(control, posted, depth)


def _many(control: Control, posted: Posted, depth: int) -> Any:
    match control:
        case Listed() if control.in_lines:
            return lines_of(control.item, posted.text)
        case Listed():
            items = [_read(control.item, each, depth + 1) for each in posted.parts.values()]
            return [item for item in items if item is not None]
        case Pairs():
            return _pairs(control.value, posted, depth)
        case Data():
            return _data(control, posted, depth)
    raise AssertionError("unreachable")


def _text(control: Text, posted: Posted) -> Any:
    text = posted.text
    if isinstance(control.marker, Condition):
        text = posted_condition(text, posted.part("rows").text)
    if not text and (control.nullable or not control.may_be_empty):
        return None
    return loosely(text) if control.numbers else text


def number_of(text: str) -> int | float | str | None:
    """Return the number a text is; the text itself where it is none, None where it is empty."""
    if not text:
        return None
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text


def loosely(text: str) -> int | float | str:
    """Return a text or the number it looks like; one in quotes is a text."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1]
    number = number_of(text)
    return text if number is None else number


def lines_of(item: Control, text: str) -> list[Any]:
    """Return the values that stand one a line; numbers may also stand beside one another, with commas."""
    if isinstance(item, Number):
        return [number_of(part) for part in re.split(r"[\s,;]+", text.strip()) if part]
    lines = [line.strip() for line in text.split("\n")]
    loose = isinstance(item, Text) and item.numbers
    return [loosely(line) if loose else line for line in lines if line]


def _pairs(value: Control, posted: Posted, depth: int) -> dict[str, Any]:
    """Return names with values. A name that is missing or there twice gets one of its own, so that nothing is lost."""
    found: dict[str, Any] = {}
    for row in posted.parts.values():
        name = row.part("key").text.strip()
        item = _read(value, row.part("value"), depth + 1)
        if not name and item in (None, "", [], {}):
            continue
        found[_free(name or UNNAMED, found)] = item
    return found


def _free(name: str, taken: Mapping[str, Any]) -> str:
    if name not in taken:
        return name
    return next(each for number in range(2, len(taken) + 3) if (each := f"{name}_{number}") not in taken)


def _data(control: Data, posted: Posted, depth: int) -> Any:
    kind, inner = posted.part("kind").text, posted.part("of")
    if depth > MAX_DEPTH:
        return None
    if kind == "number":
        return number_of(inner.text.strip())
    if kind == "boolean":
        return inner.text == "true"
    if kind == "nothing":
        return None
    if kind == "value":
        return {"expression": inner.text}
    if kind == "group":
        return _pairs(control, inner, depth)
    if kind == "list":
        return [_data(control, each, depth + 1) for each in inner.parts.values()]
    return inner.text
