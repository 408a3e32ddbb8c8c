"""Nodes of controls that have no parts: texts, numbers, choices, and lists that stand one a line."""

from collections.abc import Sequence
from typing import Any

from tenants.domain.connections import LLM_KINDS
from workflows.admin.conditions import rows_data
from workflows.admin.forms.context import EditorContext
from workflows.admin.forms.nodes import Node, as_text, duration
from workflows.admin.forms.posted import number_of
from workflows.admin.forms.spec import LONG, Choice, Control, Listed, Number, Several, Switch, Text
from workflows.domain.expressions.rows import rows_of
from workflows.domain.hints import Computed, Condition, DataPath, Duration, Names, Templated


def simple_node(control: Control, name: str, value: Any, context: EditorContext) -> Node:
    """Return the node of a control that has no parts."""
    match control:
        case Text() | Number():
            return _text(control, name, value, context)
        case Switch():
            return Node("switch", name, text="true" if value is True else "")
        case Choice():
            return _choice(name, as_text(value), control.options, control.nullable)
        case Several():
            return _several(control, name, value)
        case Listed():
            return _lines(control, name, value)
    raise AssertionError("unreachable")


def _text(control: Text | Number, name: str, value: Any, context: EditorContext) -> Node:
    text = duration(value) if isinstance(control.marker, Duration) else as_text(value)
    if isinstance(control, Number):
        return Node("line", name, text=text, extra={"numeric": control.marker is None})
    if control.numbers:
        text = _loose(value)
    match control.marker:
        case Templated(extra=extra):
            long = control.longest is None or control.longest > 2000
            return Node("prompt", name, text=text, extra={"rows": 4 if long else 1, "names": extra})
        case Condition(extra=extra):
            return _condition(name, text, extra)
        case Computed():
            return Node("value", name, text=text)
        case DataPath(also=also):
            return _path(name, text, also, context)
        case Names():
            return _names(control, control.marker, name, text, context)
    long = (control.longest or 0) > LONG or "\n" in text
    return Node("text" if long else "line", name, text=text)


def _condition(name: str, text: str, extra: Sequence[str]) -> Node:
    rows = rows_data(rows_of(text) if text.strip() else None)
    return Node("condition", name, text=text, extra={"names": extra, "rows": rows})


def _path(name: str, text: str, also: Sequence[tuple[str, str]], context: EditorContext) -> Node:
    if not also:
        return Node("path", name, text=text)
    files = [(each.path, each.label) for each in context.variables if each.type in ("file", "files")]
    return _choice(name, text, [*also, *files], nullable=False)


def _names(control: Text, marker: Names, name: str, text: str, context: EditorContext) -> Node:
    options = context.names(marker.what, marker.kinds)
    if not options and marker.what != "later_step":
        return Node("line", name, text=text, extra={"none_of": marker.what})
    blank = {"later_step": "The next step", "person": "Anybody", "connection": "None"}.get(marker.what, "–")
    if marker.kinds and set(marker.kinds) <= set(LLM_KINDS):
        blank = "The usual one"
    optional = control.nullable or control.may_be_empty
    return _choice(name, text, options, nullable=optional or not text, blank=blank)


def _choice(name: str, text: str, options: Sequence[tuple[str, str]], nullable: bool, blank: str = "–") -> Node:
    listed = [("", blank)] if nullable or not text else []
    listed += options
    if text and text not in [value for value, _ in options]:
        listed.append((text, f"{text} (not known)"))
    return Node("choice", name, text=text, options=listed)


def _several(control: Several, name: str, value: Any) -> Node:
    chosen = [as_text(each) for each in value] if isinstance(value, list | tuple) else []
    known = [each for each, _ in control.options]
    strange = [(each, f"{each} (not known)") for each in chosen if each not in known]
    options = [*control.options, *strange]
    if chosen != [each for each, _ in options if each in chosen]:
        options.sort(key=lambda each: chosen.index(each[0]) if each[0] in chosen else len(chosen))
    return Node("several", name, options=options, extra={"chosen": chosen})


def _lines(control: Listed, name: str, value: Any) -> Node:
    items = value if isinstance(value, list | tuple) else []
    if isinstance(control.item, Number):
        return Node("line", name, text=", ".join(map(as_text, items)), extra={"hint": "With commas between them."})
    loose = isinstance(control.item, Text) and control.item.numbers
    text = "\n".join(_loose(each) if loose else as_text(each) for each in items)
    hint = "One a line. A number in quotes is a text." if loose else "One a line."
    return Node("lines", name, text=text, extra={"hint": hint})


def _loose(value: Any) -> str:
    """Return a text or number so that reading it again gives the same: a text that looks like a number, in quotes."""
    text = as_text(value)
    if isinstance(value, str) and (not isinstance(number_of(value), str | None) or value[:1] == value[-1:] == '"'):
        return f'"{text}"'
    return text
