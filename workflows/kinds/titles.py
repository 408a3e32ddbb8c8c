"""What people read for a place in a definition: the titles that the kinds give the fields of their configs."""

from collections.abc import Sequence
from typing import Any, get_args

from pydantic import BaseModel

from workflows.domain.definition import Labels
from workflows.domain.fields import InputField
from workflows.domain.retry import RetryPolicy
from workflows.domain.reviewing import ReviewRule
from workflows.kinds.registry import KINDS

OF_A_WORKFLOW: dict[str, str] = {
    "name": "Name",
    "description": "Description",
    "labels": "Labels",
    "queue": "Queue",
    "retry_policy": "Retry policy",
    "timeout": "Time limit of a job, in seconds",
}
OF_A_STEP: dict[str, str] = {
    "key": "Key",
    "name": "Name",
    "kind": "Kind",
    "config": "",
    "on_error": "On an error",
    "timeout": "Time limit, in seconds",
    "retry": "Retry policy",
    "review": "Review",
}
MODELS: dict[str, type[BaseModel]] = {
    "labels": Labels,
    "retry_policy": RetryPolicy,
    "retry": RetryPolicy,
    "review": ReviewRule,
}


def workflow_titles(path: Sequence[str]) -> list[str]:
    """Return the titles along a path in a workflow's own settings."""
    return _titles(path, OF_A_WORKFLOW, MODELS.get(path[0]))


def field_titles(path: Sequence[str]) -> list[str]:
    """Return the titles along a path in a workflow's fields, which begins with a field's key."""
    return _along(path, [InputField])


def step_titles(kind: str, path: Sequence[str]) -> list[str]:
    """Return the titles along a path in a step of this kind."""
    config = KINDS[kind].Config if kind in KINDS else None
    return _titles(path, OF_A_STEP, config if path[0] == "config" else MODELS.get(path[0]))


def _titles(path: Sequence[str], own: dict[str, str], model: type[BaseModel] | None) -> list[str]:
    first = own.get(path[0], _spelled(path[0]))
    rest = _along(path[1:], [] if model is None else [model])
    return [title for title in (first, *rest) if title]


def _along(path: Sequence[str], models: list[type[BaseModel]]) -> list[str]:
    """Follow a path through typed data. What is no field of it is what a row is called."""
    found = []
    for part in path:
        info = next((model.model_fields[part] for model in models if part in model.model_fields), None)
        if info is None:
            found.append(part if models else _spelled(part))
            continue
        found.append(info.title or _spelled(part))
        models = _models_in(info.annotation)
    return found


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models_in(inner)]


def _spelled(name: str) -> str:
    return name.replace("_", " ").capitalize()
