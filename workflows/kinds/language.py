"""Using expressions, templates and paths in a step: what does not fit the data is the step's permanent error."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from workflows.domain.expressions import Expression, ExpressionError
from workflows.domain.outcomes import PermanentError
from workflows.kinds.base import StepContext
from workflows.templating import Template, TemplateError

OutputName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,62}$")]
ROOTS = ("payload", "record", "steps", "job", "tenant")
_PATH = re.compile(r"[^.\[\]\s]+(\.[^.\[\]\s]+|\[\d+\])*")
_PART = re.compile(r"[^.\[\]]+")
MISSING = object()


def test(expression: Expression, names: Mapping[str, Any]) -> bool:
    """Return whether the condition holds; raises PermanentError where it does not fit the data."""
    try:
        return expression.test(names)
    except ExpressionError as error:
        raise PermanentError(f"A condition failed: {error}") from None


def value_of(expression: Expression, names: Mapping[str, Any]) -> Any:
    """Return an expression's value; raises PermanentError where it does not fit the data."""
    try:
        return expression.evaluate(names)
    except ExpressionError as error:
        raise PermanentError(f"An expression failed: {error}") from None


def text_of(template: Template, names: Mapping[str, Any]) -> str:
    """Return a template's text; raises PermanentError where it does not fit the data."""
    try:
        return template.render(names)
    except TemplateError as error:
        raise PermanentError(f"A template failed: {error}") from None


def is_path(text: str) -> bool:
    """Say whether `text` is a path into data: keys with dots, positions in brackets (`items[0].name`)."""
    return _PATH.fullmatch(text) is not None


def at_path(data: Any, path: str) -> Any:
    """Return what stands at `path` in plain data, or MISSING. A position may also be written as a key (`items.0`)."""
    for part in _PART.findall(path):
        if isinstance(data, Mapping) and part in data:
            data = data[part]
        elif isinstance(data, (list, tuple)) and part.isdecimal() and int(part) < len(data):
            data = data[int(part)]
        else:
            return MISSING
    return data


def value_at(context: StepContext, path: str) -> Any:
    """Return the value `path` names for a step, or None: in the record, else in the payload, unless it says where."""
    names = context.names()
    if path.split(".")[0].split("[")[0] in ROOTS:
        found = at_path(names, path)
    else:
        found = at_path(context.record, path)
        found = at_path(context.payload, path) if found is MISSING else found
    return None if found is MISSING else found
