"""A step gets another key: what other steps say of it is changed with it, where that is certain."""

import copy
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from workflows.domain.drafts import DraftContent, DraftStep
from workflows.domain.reviewing import ReviewRule
from workflows.kinds.base import ConfigError, StepKind
from workflows.kinds.registry import make_gate, make_runner


def rename_references(content: DraftContent, old: str, new: str) -> tuple[DraftContent, tuple[str, ...]]:
    """Let all steps name `new` where they named `old`; returns the draft, and remarks on what must be looked at."""
    steps, told = [], []
    for step in content.steps:
        renamed = _renamed(step, old, new)
        steps.append(renamed)
        if renamed != step:
            told.append(f"'{step.name}' names the step by its new key now.")
        if _mentions([renamed.config, renamed.review], old):
            told.append(f"'{step.name}' may still name '{old}': look it through.")
    return replace(content, steps=tuple(steps)), tuple(told)


def _renamed(step: DraftStep, old: str, new: str) -> DraftStep:
    config, review = copy.deepcopy(dict(step.config)), copy.deepcopy(step.review)
    for place in _places(_runner(step), old):
        _change(config, place.split("."), old, new)
    if isinstance(review, dict):
        for place in _places(_gate(step), old):
            _change(review, place.split("."), old, new)
    return replace(step, config=config, review=review)


def _runner(step: DraftStep) -> StepKind[Any] | None:
    try:
        return make_runner(step.kind, step.config)
    except ConfigError:
        return None


def _gate(step: DraftStep) -> StepKind[Any] | None:
    try:
        return make_gate(step.kind, None if step.review is None else ReviewRule.model_validate(step.review))
    except (ConfigError, ValidationError):
        return None


def _places(runner: StepKind[Any] | None, old: str) -> Iterator[str]:
    if runner is not None:
        yield from (named.field for named in (*runner.references, *runner.aims) if named.key == old)


def _change(data: Any, path: list[str], old: str, new: str) -> None:
    """Rename in the text that stands at `path`; a place that is not there in this form is left alone."""
    *way, last = path
    for part in way:
        data = _inside(data, part)
    text = _inside(data, last)
    if isinstance(text, str):
        key: Any = int(last) if isinstance(data, list) else last
        data[key] = new if text == old else _in_text(old).sub(lambda found: found[1] + new, text)


def _inside(data: Any, part: str) -> Any:
    if isinstance(data, dict):
        return data.get(part)
    if isinstance(data, list) and part.isdecimal() and int(part) < len(data):
        return data[int(part)]
    return None


def _in_text(key: str) -> re.Pattern[str]:
    return re.compile(rf"""(\bsteps(?:\.|\[['"])){re.escape(key)}\b""")


def _mentions(data: Any, key: str) -> bool:
    if isinstance(data, dict):
        return any(_mentions(value, key) for value in data.values())
    if isinstance(data, list):
        return any(_mentions(value, key) for value in data)
    return isinstance(data, str) and _in_text(key).search(data) is not None
