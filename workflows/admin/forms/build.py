"""Builds the nodes of a form: for every control what it shows, and for lists the templates of a new row."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from workflows.admin.forms.context import EditorContext
from workflows.admin.forms.nodes import SLOT, Node, Problems, as_text, mapping, singular
from workflows.admin.forms.simple import simple_node
from workflows.admin.forms.spec import (
    NOTHING,
    Control,
    Data,
    FieldSpec,
    Group,
    Listed,
    ModelSpec,
    Number,
    OneOf,
    Pairs,
    Switch,
    Text,
)
from workflows.domain.expressions.rows import in_words, rows_of
from workflows.domain.hints import Computed, Condition, ShownWhen, Templated

#: A group with more fields than this is folded; so is a card where there are more than FEW_CARDS.
SMALL_GROUP = 3
FEW_CARDS = 1
DATA_KINDS = (
    ("text", "Text"),
    ("value", "Computed value"),
    ("number", "Number"),
    ("boolean", "Yes or no"),
    ("group", "Named values"),
    ("list", "List"),
    ("nothing", "Nothing"),
)


class Builder:
    """Builds one form's nodes. `templates` collects what the script makes new rows and other variants of."""

    def __init__(self, context: EditorContext, problems: Problems) -> None:
        self.context = context
        self.problems = problems
        self.templates: dict[str, Node] = {}

    def model(self, spec: ModelSpec, name: str, place: str, data: Any) -> Node:
        """Return the node of a model's fields."""
        values = self._values(spec, data)
        node = Node("fields", name, extra={"id": spec.id})
        for each in spec.fields:
            if spec.either and each.name in spec.either.fields:
                if each.name == spec.either.fields[0]:
                    node.children.append(self._either(spec, name, place, values))
                continue
            child = self._field(each, name, place, values)
            (node.folded if each.advanced else node.children).append(child)
        node.extra["fold_open"] = any(each.is_wrong for each in node.folded)
        changed = sum(each.advanced and each.name in values for each in spec.fields)
        node.extra["changed"] = changed
        return node

    def _values(self, spec: ModelSpec, data: Any) -> Mapping[str, Any]:
        # Short forms in files are a name alone: {"key": name}.
        return {spec.fields[0].name: data} if isinstance(data, str) and spec.fields else mapping(data)

    def _either(self, spec: ModelSpec, name: str, place: str, values: Mapping[str, Any]) -> Node:
        if spec.either is None:
            raise AssertionError("unreachable")
        fields = [each for each in spec.fields if each.name in spec.either.fields]
        given = next((each.name for each in fields if values.get(each.name) is not None), fields[0].name)
        node = Node("either", f"{name}.either", title=spec.either.title, text=given)
        node.options = [(each.name, each.title) for each in fields]
        for each in fields:
            child = self._field(each, name, place, values)
            child.extra |= _hidden_unless(ShownWhen("either", (each.name,)), given)
            node.children.append(child)
        return node

    def _field(self, spec: FieldSpec, name: str, place: str, values: Mapping[str, Any]) -> Node:
        usual = spec.default
        if usual is NOTHING:
            usual = "" if isinstance(spec.control, Data) else None
        value = values.get(spec.name, usual)
        node = self.control(spec.control, f"{name}.{spec.name}", _join(place, spec.name), value, spec.id, spec.title)
        node.part, node.title, node.help, node.required = spec.name, spec.title, spec.help, spec.required
        if isinstance(spec.control, Group) and not spec.help:
            node.help = ""
        if spec.shown_when is not None:
            node.extra |= _hidden_unless(spec.shown_when, as_text(values.get(spec.shown_when.field)))
        return node

    def control(self, control: Control, name: str, place: str, value: Any, key: str, title: str) -> Node:
        """Return the node of one control. `key` names it among the form's, `title` is what it is called."""
        match control:
            case Group() | OneOf() | Pairs() | Data():
                return self._compound(control, name, place, value, key, title)
            case Listed() if not control.in_lines:
                return self._list(control, name, place, value, key, title)
        node = simple_node(control, name, value, self.context)
        node.problems = self.problems.below(place)
        return node

    def _compound(self, control: Control, name: str, place: str, value: Any, key: str, title: str) -> Node:
        match control:
            case Group():
                return self._group(control, name, place, value)
            case OneOf():
                return self._one_of(control, name, place, value, key)
            case Pairs():
                return self._pairs(control, name, place, value, key)
            case Data():
                return self._data(control, name, place, value, key)
        raise AssertionError("unreachable")

    def _group(self, control: Group, name: str, place: str, value: Any) -> Node:
        inner = self.model(control.model, name, place, value)
        node = Node("group", name, children=[inner], problems=self.problems.at(place))
        node.extra = {
            "nullable": control.nullable,
            "given": value is not None,
            "small": len(control.model.fields) <= SMALL_GROUP,
            "open": node.is_wrong,
        }
        return node

    def _one_of(self, control: OneOf, name: str, place: str, value: Any, key: str) -> Node:
        values = mapping(value)
        tag = as_text(values.get(control.tag)) or control.variants[0][0]
        self.problems.skip(place, tag)
        inner = self._variant(control.model(tag), name, place, {k: v for k, v in values.items() if k != control.tag})
        node = Node("variant", name, text=tag, children=[inner], problems=self.problems.at(place))
        node.options = [(each, title) for each, title, _ in control.variants]
        node.extra = {"tag": f"{name}.{control.tag}", "key": key}
        for each, _, model in control.variants:
            self._template(f"{key}:{each}", lambda slot, model=model: self._variant(model, slot, SLOT, {}))
        return node

    def _variant(self, model: ModelSpec, name: str, place: str, data: Mapping[str, Any]) -> Node:
        node = self.model(model, name, place, data)
        node.extra["help"] = model.help
        return node

    def _template(self, key: str, build: Any) -> None:
        if key not in self.templates:
            self.templates[key] = Node("fields", SLOT)
            self.templates[key] = build(SLOT)

    def _list(self, control: Listed, name: str, place: str, value: Any, key: str, title: str) -> Node:
        items = list(value) if isinstance(value, list | tuple) else []
        node = Node("list", name, extra={"key": key, "noun": singular(title)})
        many = len(items) > FEW_CARDS
        node.children = [
            self._row(
                control.item, f"{name}.{index}", _join(place, str(index)), str(index), item, key, title, many=many
            )
            for index, item in enumerate(items)
        ]
        node.problems = self.problems.below(place)
        node.extra["layout"] = _layout(control.item)
        self._template(key, lambda slot: self._row(control.item, slot, SLOT, "", _blank(control.item), key, title))
        return node

    def _row(
        self, item: Control, name: str, place: str, part: str, value: Any, key: str, title: str, *, many: bool = False
    ) -> Node:
        inner = self.control(item, name, place, value, f"{key}-item", title)
        if isinstance(item, Group):
            problems, inner = inner.problems, inner.children[0]
            inner.problems = problems
        inner.title = inner.title or singular(title).capitalize()
        row = Node("row", name, part, children=[inner], extra={"layout": _layout(item), "noun": singular(title)})
        row.text = self._summary(item, value)
        row.extra["open"] = not many or row.is_wrong
        return row

    def _summary(self, item: Control, value: Any) -> str:
        """Return what tells a folded card from the others: its first texts, a condition in words."""
        if isinstance(item, Group):
            fields, values = item.model.fields, self._values(item.model, value)
        elif isinstance(item, OneOf):
            tag = as_text(mapping(value).get(item.tag))
            fields, values = item.model(tag).fields, mapping(value)
            return _joined(
                [next((title for name, title, _ in item.variants if name == tag), ""), *_texts(fields, values)]
            )
        else:
            return ""
        labels = {each.path: each.label for each in self.context.variables}
        return _joined(_texts(fields, values, labels))

    def _pairs(self, control: Pairs, name: str, place: str, value: Any, key: str) -> Node:
        node = Node("list", name, extra={"key": key, "noun": "line", "layout": "pairs"})
        for index, (label, item) in enumerate(mapping(value).items()):
            node.children.append(self._pair(control, f"{name}.{index}", _join(place, label), label, item, key))
        node.problems = self.problems.below(place)
        self._template(key, lambda slot: self._pair(control, slot, SLOT, "", _blank(control.value), key))
        return node

    def _pair(self, control: Pairs, name: str, place: str, label: str, item: Any, key: str) -> Node:
        inner = self.control(control.value, f"{name}.value", place, item, f"{key}-value", "Value")
        inner.title = inner.title or "Value"
        named = Node("line", f"{name}.key", title="Name", text=label, required=True)
        return Node(
            "row", name, label, children=[named, inner], extra={"layout": "pairs", "noun": "line", "open": True}
        )

    def _data(self, control: Data, name: str, place: str, value: Any, key: str) -> Node:
        """Return the node of free data: what kind of value it is, and the value."""
        kind = _data_kind(value, control)
        shared = "data-filled" if control.fill else "data"
        node = Node("variant", name, text=kind, problems=self.problems.at(place))
        node.options = [each for each in DATA_KINDS if control.fill or each[0] != "value"]
        node.extra = {"tag": f"{name}.kind", "key": shared, "data": True}
        if kind == "value":
            self.problems.skip(place, "expression")
            value = value["expression"]
        inner = self._datum(control, kind, f"{name}.of", place, value, shared)
        node.children = [inner]
        for each, _ in node.options:
            self._template(f"{shared}:{each}", lambda slot, each=each: self._new_datum(control, each, slot, shared))
        return node

    def _new_datum(self, control: Data, kind: str, slot: str, shared: str) -> Node:
        return self._datum(control, kind, f"{slot}.of", SLOT, None, shared)

    def _datum(self, control: Data, kind: str, name: str, place: str, value: Any, shared: str) -> Node:
        part: Control
        if kind in ("group", "list"):
            part = Pairs(control) if kind == "group" else Listed(control)
            node = self.control(part, name, place, value, f"{shared}-{kind}", "Values")
        else:
            part = _DATA_CONTROLS.get(kind, Text())
            if kind == "text":
                part = Text(Templated(control.fill.extra) if control.fill else None, longest=2000)
            node = self.control(part, name, place, value, shared, "Value")
        if kind == "nothing":
            node.kind = "nothing"
        node.title = "Value"
        return node


_DATA_CONTROLS: dict[str, Control] = {"value": Text(Computed()), "number": Number(), "boolean": Switch()}


def _data_kind(value: Any, control: Data) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case list():
            return "list"
        case {"expression": str()} if control.fill and len(value) == 1:
            return "value"
        case Mapping():
            return "group"
    return "text"


def _layout(item: Control) -> str:
    if isinstance(item, Group):
        return "table" if item.model.is_flat else "card"
    return "card" if isinstance(item, OneOf) else "single"


def _blank(item: Control) -> Any:
    return "" if isinstance(item, Text | Data) else {}


def _texts(
    fields: Sequence[FieldSpec], values: Mapping[str, Any], labels: Mapping[str, str] | None = None
) -> Iterator[str]:
    for field in fields:
        text = values.get(field.name)
        if isinstance(text, str) and text.strip() and isinstance(field.control, Text):
            is_condition = isinstance(field.control.marker, Condition)
            rows = rows_of(text) if is_condition else None
            yield in_words(rows, labels or {}) if rows else text


def _joined(texts: Iterable[str]) -> str:
    return " · ".join(" ".join(each.split())[:80] for each in list(filter(None, texts))[:2])


def _hidden_unless(shown: ShownWhen, value: str) -> dict[str, Any]:
    return {"shown_when": f"{shown.field}={','.join(shown.values)}", "hidden": value not in shown.values}


def _join(place: str, part: str) -> str:
    return f"{place}.{part}" if place else part
