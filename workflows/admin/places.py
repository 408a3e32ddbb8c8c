"""Places in a step as its form calls them: "routes.0.goto" is "Routes 1, Go on with step"."""

from typing import Any, get_args

from pydantic import BaseModel

from workflows.domain.retry import RetryPolicy
from workflows.domain.reviewing import ReviewRule
from workflows.kinds.registry import KINDS
from workflows.services.wording import STEP_TITLES


def place_in_words(kind: str, place: str) -> str:
    """Return a place within a step in the words of the form; what has no title goes by its name."""
    first, *rest = place.split(".")
    if first == "config":
        return _in_model(KINDS[kind].Config if kind in KINDS else None, rest)
    if first in ("retry", "review"):
        inner = _in_model(RetryPolicy if first == "retry" else ReviewRule, rest)
        return ", ".join(filter(None, (STEP_TITLES[first], inner)))
    return STEP_TITLES.get(first, place)


def _in_model(model: type[BaseModel] | None, parts: list[str]) -> str:
    words: list[str] = []
    for part in parts:
        field = None if model is None else model.model_fields.get(part)
        if part.isdecimal() and words:
            words[-1] += f" {int(part) + 1}"
        elif field is not None:
            words.append(field.title or part)
            model = _model_in(field.annotation)
        else:
            words.append(part)
    return ", ".join(words)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the model that an annotation is about, if there is one: of `tuple[Route, ...]` that is Route."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)
