"""Plain data with placeholders in it: every text is a template, and `{expression: ...}` gives any value."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from workflows.kinds.base import StepKind
from workflows.kinds.language import text_of, value_of

Filled = Callable[[Mapping[str, Any]], Any]
EXPRESSION = "expression"
MAX_DEPTH = 20


class Filler:
    """Compiles data for a step; what is wrong is reported to the step's kind. `extra` are further names it may read."""

    def __init__(self, kind: StepKind[Any], extra: Collection[str] = ()) -> None:
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
