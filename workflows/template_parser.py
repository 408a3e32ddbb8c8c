"""The strict form of Django's template parser: plain data, no calls, unknown names are errors."""

import difflib
from collections.abc import Collection, Iterator, Mapping
from datetime import date
from typing import Any

from django.template import Library, TemplateSyntaxError
from django.template.base import FilterExpression, Lexer, Node, NodeList, TextNode, Token, Variable, VariableNode
from django.template.base import Parser as DjangoParser
from django.template.defaultfilters import default, default_if_none
from django.template.defaulttags import ForNode, WithNode

MAX_NESTING = 20
MAX_FILTERS = 10
ROUND_COST = 10
_DATE_PARTS = frozenset({"year", "month", "day", "hour", "minute", "second"})
_NOTHING = object()


class TemplateError(ValueError):
    """A template is wrong, or does not fit the values it met; the message names the place and the word."""


class _StrictVariable(Variable):
    """A name that is looked up in plain data only; missing is an error, unless a `default` filter follows."""

    optional = False

    @property
    def path(self) -> tuple[str, ...]:
        return self.lookups or ()

    def _resolve_lookup(self, context: Any) -> Any:
        current: Any = context
        for depth, key in enumerate(self.path):
            current = _step_into(current, key) if depth else context.get(key, _NOTHING)
            if current is _NOTHING:
                return self._missing(context, ".".join(self.path[: depth + 1]))
        return current

    def _missing(self, context: Any, path: str) -> None:
        if not self.optional:
            hint = f'; where it may be, write {{{{ {path}|default:"" }}}}'
            raise context.fail(f"{path} is missing{hint}")


def _step_into(current: Any, key: str) -> Any:
    if isinstance(current, Mapping):
        if key in current:
            return current[key]
        return list(current.items()) if key == "items" else _NOTHING
    if isinstance(current, (list, tuple)) and key.isdecimal():
        return current[int(key)] if int(key) < len(current) else _NOTHING
    if isinstance(current, date) and key in _DATE_PARTS:
        return getattr(current, key, _NOTHING)
    return _NOTHING


class _StrictExpression(FilterExpression):
    """A name or constant with filters; what comes out counts against the rendering's limit."""

    __slots__ = ()

    def __init__(self, token: str, parser: "Parser") -> None:
        super().__init__(token, parser)
        if len(self.filters) > MAX_FILTERS:
            raise TemplateSyntaxError(f"more than {MAX_FILTERS} filters in a row")
        self.var = parser.strict(self.var)
        self.filters = [(call, [(True, parser.strict(arg)) if looked_up else (False, arg) for looked_up, arg in args])
                        for call, args in self.filters]  # fmt: skip
        if isinstance(self.var, _StrictVariable) and self.filters:
            self.var.optional = self.filters[0][0] in (default, default_if_none)

    def resolve(self, context: Any, ignore_failures: bool = False) -> Any:
        value = super().resolve(context, ignore_failures)
        context.spend(len(value) if isinstance(value, (str, list, dict)) else 1)
        return value


class _Rounds:
    """The sequence of a `for`: a list or an object, each round of which counts."""

    def __init__(self, sequence: Any) -> None:
        self.sequence = sequence

    def resolve(self, context: Any, ignore_failures: bool = False) -> Any:
        values = self.sequence.resolve(context)
        if not isinstance(values, (list, tuple, Mapping)):
            raise context.fail(f"{self.sequence} is not a list")
        context.spend(len(values) * ROUND_COST)
        return values


class _Text(TextNode):
    def render_annotated(self, context: Any) -> str:
        context.spend(len(self.s))
        return self.s


class _Value(VariableNode):
    def render(self, context: Any) -> str:
        text: str = context.show(self.filter_expression.resolve(context))
        context.spend(len(text))
        return text


class Parser(DjangoParser):
    """Django's parser with the strict nodes; remembers the names it met."""

    def __init__(self, tokens: list[Token], library: Library) -> None:
        super().__init__(tokens, builtins=[library])
        self.depth = 0
        self.variables: list[_StrictVariable] = []
        self.own_names = {"forloop"}

    def parse(self, parse_until: Any = None) -> NodeList:
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise TemplateSyntaxError(f"tags are nested deeper than {MAX_NESTING}")
        nodes = super().parse(parse_until)
        self.depth -= 1
        return nodes

    def compile_filter(self, token: str) -> FilterExpression:
        return _StrictExpression(token, self)

    def find_filter(self, filter_name: str) -> Any:
        if filter_name not in self.filters:
            raise TemplateSyntaxError(f"there is no filter '{filter_name}'{_known(filter_name, self.filters)}")
        return super().find_filter(filter_name)

    def invalid_block_tag(self, token: Token, command: str, parse_until: Any = None) -> None:
        known = [*self.tags, *(parse_until or [])]
        raise self.error(token, f"there is no tag '{command}' here{_known(command, known)}")

    def extend_nodelist(self, nodelist: NodeList, node: Node, token: Token) -> None:
        if isinstance(node, TextNode):
            node = _Text(_closed(node.s))
        elif isinstance(node, VariableNode):
            node = _Value(node.filter_expression)
        elif isinstance(node, ForNode):
            node.sequence = _Rounds(node.sequence)  # type: ignore[assignment] # has the one method a loop asks for
            self.own_names.update(node.loopvars)
        elif isinstance(node, WithNode):
            self.own_names.update(node.extra_context)
        super().extend_nodelist(nodelist, node, token)

    def strict(self, value: Any) -> Any:
        """Return `value`, or its strict form if it is a name to look up."""
        if not isinstance(value, Variable) or value.lookups is None:
            return value
        found = _StrictVariable(value.var)
        self.variables.append(found)
        return found

    def check_names(self, names: Collection[str]) -> None:
        """Raise TemplateError for the first name that nothing defines."""
        for path in self._paths():
            if path[0] not in names:
                raise TemplateError(f"'{path[0]}' is not known{_known(path[0], names)}")

    def step_keys(self) -> tuple[str, ...]:
        """Return the keys of the steps the template reads."""
        return tuple({path[1]: None for path in self._paths() if path[0] == "steps" and len(path) > 1})

    def required_paths(self) -> tuple[tuple[str, ...], ...]:
        """Return what the template reads, by its keys, but for what has a `default` where it is missing."""
        return tuple(dict.fromkeys(self._paths(without_optional=True)))

    def _paths(self, *, without_optional: bool = False) -> Iterator[tuple[str, ...]]:
        for item in self.variables:
            if item.path[0] not in self.own_names and not (without_optional and item.optional):
                yield item.path


def _closed(text: str) -> str:
    for mark, name in (("{{", "openvariable"), ("{%", "openblock")):
        if mark in text:
            hint = f"; for the sign itself write {{% templatetag {name} %}}"
            raise TemplateSyntaxError(f"'{mark}' is not closed{hint}")
    return text


def lex(source: str) -> list[Token]:
    """Split a template into Django's tokens."""
    return Lexer(source).tokenize()


def _known(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f", did you mean '{close[0]}'?" if close else f"; known are {', '.join(sorted(known))}"
