"""Versions and drafts side by side."""

from typing import Any

from pydantic import BaseModel, ValidationError

from workflows.domain.definition import StepDefinition
from workflows.domain.diffing import Diff, diff_data
from workflows.domain.fields import InputField
from workflows.domain.retry import RetryPolicy
from workflows.domain.reviewing import ReviewRule
from workflows.models import WorkflowVersion
from workflows.queries import typed_config
from workflows.services.files import data_of

EMPTY: dict[str, Any] = {"steps": [], "fields": []}


def diff_versions(before: WorkflowVersion | None, after: WorkflowVersion) -> Diff:
    """Return what differs between two versions of a workflow, either of which may be a draft that cannot run.

    What is said outright and what is so by default are the same. Without a `before` everything is new.
    """
    after_data = plain_data(after)
    if before is None:
        return diff_data({key: value for key, value in after_data.items() if key not in EMPTY} | EMPTY, after_data)
    return diff_data(plain_data(before), after_data)


def plain_data(version: WorkflowVersion) -> dict[str, Any]:
    """Return a version in the form of a file, without what is so by default."""
    data = data_of(version)
    return data | {
        "fields": [_plain(InputField, field) for field in data["fields"] or ()],
        "retry_policy": _plain(RetryPolicy, data["retry_policy"], exclude_defaults=False),
        "steps": [_plain_step(step) for step in data["steps"]],
    }


def _plain_step(step: dict[str, Any]) -> dict[str, Any]:
    config = typed_config(step["kind"], step["config"])
    return step | {
        "name": step["name"] or StepDefinition.model_construct(key=step["key"], name="").shown_name,
        "config": step["config"] if config is None else config.model_dump(mode="json", exclude_defaults=True),
        "retry": _plain(RetryPolicy, step["retry"], exclude_defaults=False),
        "review": _plain(ReviewRule, step["review"]),
    }


def _plain(model: type[BaseModel], value: Any, *, exclude_defaults: bool = True) -> Any:
    if value is None:
        return None
    try:
        return model.model_validate(value).model_dump(mode="json", exclude_defaults=exclude_defaults)
    except ValidationError:
        return value
