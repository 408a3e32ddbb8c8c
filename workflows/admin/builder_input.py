"""What the builder's forms send, as plain data; what cannot be kept is told by field and never lost."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.http import QueryDict
from pydantic import ValidationError

from workflows.admin.config_form import ConfigForm, EditorContext, PydanticForm
from workflows.domain.definition import problems_of
from workflows.domain.drafts import BadEdit, DraftStep, make_key
from workflows.domain.retry import RetryPolicy
from workflows.domain.reviewing import ReviewRule
from workflows.kinds.reviewing import NEVER_REVIEWED
from workflows.services.draft_edits import SETTINGS

FIELD_NAME = re.compile(r"fields\.(\d{1,4})\.([a-z_]{1,20})")
FLAGS = ("required", "in_list", "redact")
TEXTS = ("key", "label", "type", "role", "description")
QUEUE = r"[-a-zA-Z0-9_]{1,50}"


@dataclass(frozen=True, slots=True)
class Settings:
    """A workflow's settings as they were typed, with what is wrong about them by name."""

    values: dict[str, Any]
    timeout: float
    retry_policy: dict[str, Any] | None
    problems: dict[str, str] = field(default_factory=dict)


def read_step(posted: QueryDict, opened: DraftStep) -> DraftStep:
    """Return the step as the form has it. Raises BadEdit for a time limit that is no number."""
    context = EditorContext()
    name = posted.get("name", "").strip()
    config = ConfigForm(opened.kind, opened.config, context=context, posted=posted).read()
    return replace(
        opened,
        name=name,
        key=posted.get("key", "").strip() or make_key(name, opened.kind),
        config=config,
        on_error="continue" if posted.get("on_error") == "continue" else "fail",
        timeout=_seconds(posted.get("timeout", "")),
        retry=_part(RetryPolicy, posted, "retry", context),
        review=None if opened.kind in NEVER_REVIEWED else _part(ReviewRule, posted, "review", context),
    )


def read_loosely(posted: QueryDict, opened: DraftStep) -> tuple[DraftStep, dict[str, str]]:
    """Return the step as the form has it, as far as it can be read, and what is wrong with the rest by field."""
    try:
        return read_step(posted, opened), {}
    except BadEdit as error:
        without = posted.copy()
        without["timeout"] = ""
        return read_step(without, opened), {error.field: error.message}


def _part(model: Any, posted: QueryDict, name: str, context: EditorContext) -> dict[str, Any] | None:
    if not posted.get(f"{name}_on"):
        return None
    return PydanticForm(model, {}, context=context, posted=posted, prefix=name).read()


def _seconds(text: str) -> float | None:
    if not text.strip():
        return None
    try:
        return float(text)
    except ValueError:
        raise BadEdit("timeout", f"'{text[:30]}' is not a number of seconds.") from None


def read_fields(posted: QueryDict) -> list[dict[str, Any]]:
    """Return the table of fields, in the order of its rows; what is as usual is left out."""
    rows: dict[int, dict[str, str]] = {}
    for name in posted:
        match = FIELD_NAME.fullmatch(name)
        if match:
            rows.setdefault(int(match[1]), {})[match[2]] = posted.get(name, "")
    return [_field(rows[index]) for index in sorted(rows)]


def _field(row: Mapping[str, str]) -> dict[str, Any]:
    made: dict[str, Any] = {name: row.get(name, "").strip() for name in TEXTS}
    made |= {name: True for name in FLAGS if row.get(name)}
    if made["type"] == "choice":
        made["choices"] = [line.strip() for line in row.get("choices", "").splitlines() if line.strip()]
    longest = row.get("max_length", "").strip()
    if longest:
        made["max_length"] = int(longest) if longest.isdecimal() and longest.isascii() else longest
    return {name: value for name, value in made.items() if value != "" or name == "key"}


def read_settings(posted: QueryDict) -> Settings:
    """Return the settings as the form has them; `problems` holds what is wrong, by name."""
    values: dict[str, Any] = {name: posted.get(name, "").strip() for name in SETTINGS if name != "active"}
    values["active"] = bool(posted.get("active"))
    problems = {
        name: f"Give it {'a name' if name == 'name' else 'a label'} of at most {most} characters."
        for name, most in (("name", 200), ("label_singular", 60), ("label_plural", 60))
        if not 0 < len(values[name]) <= most
    }
    if len(values["description"]) > 5000:
        problems["description"] = "At most 5,000 characters."
    if not re.fullmatch(QUEUE, values["queue"]):
        problems["queue"] = "Use letters, digits, - and _, at most 50."
    if not re.fullmatch(r"[a-z0-9_]{0,40}", values["icon"]):
        problems["icon"] = "Choose one of the icons."
    timeout = 0.0
    try:
        timeout = _seconds(posted.get("timeout", "")) or 0.0
        if not 0 < timeout <= 7 * 86400:
            raise BadEdit("timeout", "Give seconds: more than 0, at most a week (604800).")
    except BadEdit as error:
        problems["timeout"] = error.message
    policy = _part(RetryPolicy, posted, "retry", EditorContext())
    try:
        policy = policy if policy is None else RetryPolicy.model_validate(policy).model_dump(mode="json")
    except ValidationError as error:
        problems |= {one.place: one.message for one in problems_of(error, "retry")}
    return Settings(values, timeout, policy, problems)
