"""Plain data with placeholders in it: every text is a template, and `{expression: ...}` gives any value."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from workflows.domain.expressions import Expression
from workflows.kinds.language import text_of, value_of
from workflows.templating import Template

Filled = Callable[[Mapping[str, Any]], Any]
EXPRESSION = "expression"
MAX_DEPTH = 20


class Compiles(Protocol):
    """What compiles expressions and templates and hears what is wrong with them: a step's kind, or a rule."""

    def problem(self, field: str, message: str) -> None:
        """Report that something is wrong at `field`."""

    def expression(self, field: str, source: str, *, extra: Collection[str] = ()) -> Expression:
        """Compile the expression at `field`, which may also read the names `extra`."""

    def template(self, field: str, source: str, *, extra: Collection[str] = ()) -> Template:
        """Compile the template at `field`, which may also read the names `extra`."""


class Filler:
    """Compiles data; what is wrong is reported to `kind`. `extra` are further names that it may read."""

    def __init__(self, kind: Compiles, extra: Collection[str] = ()) -> None:
        self.kind = kind
        self.extra = extra

    def compile(self, place: str, data: Any, depth: int = 0) -> Filled:
        """Return a function from names to the filled-in data."""
        if depth > MAX_DEPTH:
            self.kind.problem(place, f"is nested deeper than {MAX_DEPTH}")
        elif isinstance(data, str):
            template = self.kind.template(place, data, extra=self.extra)
            return lambda names: text_of(template, names)
        elif isinstance(data, dict) and data.keys() == {EXPRESSION} and isinstance(data[EXPRESSION], str):
            expression = self.kind.expression(f"{place}.{EXPRESSION}", data[EXPRESSION], extra=self.extra)
            return lambda names: value_of(expression, names)
        elif isinstance(data, dict):
            return self._object(place, data, depth)
        elif isinstance(data, list):
            parts = [self.compile(f"{place}.{index}", item, depth + 1) for index, item in enumerate(data)]
            return lambda names: [part(names) for part in parts]
        return lambda names: data

    def _object(self, place: str, data: dict[str, Any], depth: int) -> Filled:
        parts = {key: self.compile(f"{place}.{key}", item, depth + 1) for key, item in data.items()}
        return lambda names: {key: part(names) for key, part in parts.items()}
