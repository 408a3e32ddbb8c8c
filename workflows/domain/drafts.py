"""What a draft holds, and what an edit makes of it. Plain data; wrong configs are allowed, only publishing refuses."""

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from workflows.domain.definition import KEY, MAX_STEPS

LONGEST_KEY = 50
LONGEST_NAME = 200
FIRST = ""


class StepGone(LookupError):
    """The draft has no step of this key any more."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"The draft has no step '{key}' any more.")


class BadEdit(ValueError):
    """An edit that no draft can hold; `field` names the place, such as "key"."""

    def __init__(self, field: str, message: str) -> None:
        self.field, self.message = field, message
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class DraftStep:
    """One step as it is edited. `timeout` is in seconds; `retry` and `review` are plain data, as `config` is."""

    key: str
    name: str
    kind: str
    enabled: bool = True
    config: Mapping[str, Any] = field(default_factory=dict)
    on_error: str = "fail"
    timeout: float | None = None
    retry: Any = None
    review: Any = None


@dataclass(frozen=True, slots=True)
class DraftContent:
    """Everything of a workflow that publishing would fix: fields, policies and steps in their order."""

    fields: tuple[Mapping[str, Any], ...] = ()
    retry_policy: Any = None
    timeout: float = 3600.0
    steps: tuple[DraftStep, ...] = ()

    @property
    def keys(self) -> list[str]:
        return [step.key for step in self.steps]

    def find(self, key: str) -> DraftStep | None:
        """Return the step of this key, or None."""
        return next((step for step in self.steps if step.key == key), None)

    def step(self, key: str) -> DraftStep:
        """Return the step of this key. Raises StepGone."""
        found = self.find(key)
        if found is None:
            raise StepGone(key)
        return found


def fingerprint(part: Any) -> str:
    """Return a short text that is the same for the same part of a draft: a step, the fields, the settings."""
    plain = asdict(part) if isinstance(part, DraftStep) else part
    text = json.dumps(plain, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def make_key(name: str, otherwise: str = "step") -> str:
    """Return a step's key made from its name: "Sort tickets!" becomes "sort_tickets"."""
    words = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_").lstrip("0123456789_")
    return (words or otherwise)[:LONGEST_KEY].rstrip("_")


def free_key(wanted: str, taken: Collection[str]) -> str:
    """Return `wanted`, with a number where it is taken."""
    key, number = wanted, 1
    while key in taken:
        number += 1
        key = f"{wanted[: LONGEST_KEY - 4]}_{number}"
    return key


def add_step(content: DraftContent, step: DraftStep, *, after: str | None = None) -> DraftContent:
    """Put a step after the one of key `after`, first with FIRST, last with None.

    Raises StepGone, and BadEdit for a key that is taken or a draft that is full.
    """
    if len(content.steps) >= MAX_STEPS:
        raise BadEdit("kind", f"A workflow has at most {MAX_STEPS} steps.")
    check_step(content, step)
    place = len(content.steps) if after is None else _place_after(content.keys, after)
    return replace(content, steps=(*content.steps[:place], step, *content.steps[place:]))


def copy_step(content: DraftContent, key: str) -> tuple[DraftContent, DraftStep]:
    """Put a copy of a step right behind it, under a key of its own. Raises StepGone or BadEdit."""
    original = content.step(key)
    name = f"{original.name[: LONGEST_NAME - 7]} (copy)"
    copy = replace(original, key=free_key(key, content.keys), name=name)
    return add_step(content, copy, after=key), copy


def move_step(content: DraftContent, key: str, *, after: str) -> DraftContent:
    """Put a step behind the one of key `after`, or first with FIRST. Raises StepGone."""
    moved = content.step(key)
    if after == key:
        return content
    others = [step for step in content.steps if step.key != key]
    place = _place_after([step.key for step in others], after)
    return replace(content, steps=(*others[:place], moved, *others[place:]))


def delete_step(content: DraftContent, key: str) -> DraftContent:
    """Take a step out. Raises StepGone."""
    content.step(key)
    return replace(content, steps=tuple(step for step in content.steps if step.key != key))


def replace_step(content: DraftContent, key: str, step: DraftStep) -> DraftContent:
    """Put `step` in the place of the one of this key. Raises StepGone, and BadEdit for a key that is taken."""
    content.step(key)
    check_step(delete_step(content, key), step)
    return replace(content, steps=tuple(step if each.key == key else each for each in content.steps))


def check_step(others: DraftContent, step: DraftStep) -> None:
    """Raise BadEdit where a step cannot be kept among the `others`: its key and name must be in form."""
    if not re.fullmatch(KEY, step.key):
        raise BadEdit("key", "Use letters, digits and _, with a letter first, at most 50.")
    if step.key in others.keys:
        raise BadEdit("key", f"There is a step '{step.key}' already.")
    if not step.name.strip() or len(step.name) > LONGEST_NAME:
        raise BadEdit("name", f"Give it a name of at most {LONGEST_NAME} characters.")
    if step.timeout is not None and not 0 < step.timeout <= 7 * 86400:
        raise BadEdit("timeout", "Give seconds: more than 0, at most a week (604800).")


def _place_after(keys: Sequence[str], after: str) -> int:
    if after == FIRST:
        return 0
    if after not in keys:
        raise StepGone(after)
    return keys.index(after) + 1
