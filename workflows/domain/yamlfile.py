"""YAML as plain data: what JSON can say, written once, with no surprises.

Only the JSON types exist, by the rules of YAML 1.2 (`no` and `on` are texts, and so are 2026-01-31, 12:30 and 007).
Anchors, aliases, tags and keys that appear twice are refused.
"""

import math
import re
from typing import Any, NoReturn

import yaml

MAX_SIZE = 512 * 1024
MAX_DEPTH = 50
_TAG = "tag:yaml.org,2002:"
_INTEGER = r"-?(?:0|[1-9][0-9]*)"
_RESOLVERS = (
    ("null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    ("bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")),
    ("int", re.compile(rf"^{_INTEGER}$"), list("-0123456789")),
    (
        "float",
        re.compile(rf"^(?:{_INTEGER}\.[0-9]*(?:[eE][-+]?[0-9]+)?|-?\.[0-9]+|{_INTEGER}[eE][-+]?[0-9]+)$"),
        list("-.0123456789"),
    ),
)


class YamlError(ValueError):
    """The text is not YAML of this form; `place` says where ("line 3, column 5")."""

    def __init__(self, place: str, message: str) -> None:
        super().__init__(f"{place}: {message}" if place else message)
        self.place = place
        self.message = message


class _Loader(yaml.CSafeLoader):
    """Reads the JSON types only."""

    yaml_implicit_resolvers: Any = {}


class _Dumper(yaml.CSafeDumper):
    """Writes what the loader reads back the same, texts of several lines as blocks."""

    yaml_implicit_resolvers: Any = {}

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: Any, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text.strip("\n") else None
    node: yaml.ScalarNode = dumper.represent_scalar(f"{_TAG}str", text, style=style)
    return node


_Dumper.add_representer(str, _represent_text)
for _name, _pattern, _first in _RESOLVERS:
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(_TAG + _name, _pattern, _first)


def load_yaml(text: str) -> Any:
    """Return the data of a YAML text; raises YamlError."""
    if len(text) > MAX_SIZE:
        raise YamlError("", f"the file is larger than {MAX_SIZE // 1024} KiB")
    try:
        _check_events(text)
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        raise YamlError(_place(error.problem_mark), str(error.problem or error.context)) from None
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        raise YamlError("", f"the text holds a character that YAML does not allow ({error})") from None
    return None if node is None else _build(node)


def dump_yaml(data: Any) -> str:
    """Return plain data as YAML that people like to read: blocks, and keys in their order."""
    text: str = yaml.dump(
        data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=110
    )
    return text


def _check_events(text: str) -> None:
    """Refuse what could make a small text huge or deep, before anything is built of it."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            _refuse(event, "anchors and aliases (& and *) are not supported; write it out, or put the text in quotes")
        if getattr(event, "tag", None):
            _refuse(event, "tags (!) are not supported; put the text in quotes")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            _refuse(event, f"nested deeper than {MAX_DEPTH}")


def _build(node: yaml.Node) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return [_build(item) for item in node.value]
    if isinstance(node, yaml.MappingNode):
        return _mapping(node)
    return _scalar(node)


def _mapping(node: yaml.MappingNode) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if key_node.tag != f"{_TAG}str":
            _refuse(key_node, "a key must be text; put it in quotes")
        if key_node.value in found:
            _refuse(key_node, f"the key '{key_node.value}' is there twice")
        found[key_node.value] = _build(value_node)
    return found


def _scalar(node: yaml.Node) -> Any:
    kind, text = node.tag.removeprefix(_TAG), str(node.value)
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind == "int":
        return _whole(node, text)
    if kind == "float":
        number = float(text)
        return number if math.isfinite(number) else _refuse(node, f"the number {text[:40]} is too large")
    return text


def _whole(node: yaml.Node, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        _refuse(node, f"a whole number of {len(text)} digits is too long")


def _refuse(where: Any, message: str) -> NoReturn:
    raise YamlError(_place(where.start_mark), message)


def _place(mark: Any) -> str:
    return "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}"
