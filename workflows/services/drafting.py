"""Editing a draft: steps, fields and settings. Each edit takes the `revision` of the draft that the person saw."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from workflows.domain import drafts
from workflows.domain.definition import Definition, DefinitionError, Problem, problems_of
from workflows.domain.drafts import BadEdit, DraftContent, DraftStep
from workflows.domain.fields import FIELDS
from workflows.kinds.registry import KINDS
from workflows.models import DraftChange, Workflow
from workflows.queries import content_of, list_draft_changes
from workflows.services.draft_edits import Conflict, Edit, Edited, Part, Plain, edit_draft, settings_of, undo_change
from workflows.services.files import step_row
from workflows.services.renaming import rename_references
from workflows.services.wording import same_config, tell_fields, tell_settings, tell_step

if TYPE_CHECKING:
    from django.contrib.auth.models import User

__all__ = [
    "Conflict",
    "Edited",
    "add_step",
    "changes_since",
    "copy_step",
    "delete_step",
    "discard_changes",
    "move_step",
    "replace_draft",
    "save_fields",
    "save_settings",
    "save_step",
    "settings_part",
    "switch_step",
    "undo_change",
]
MOST_FIELDS = 200


def add_step(
    *, workflow: Workflow, step: DraftStep, after: str | None = None, revision: int, by: "User | None", now: datetime
) -> Edited:
    """Put a new step behind the one of key `after`, or last. Its key gets a number where it is taken.

    A step may be incomplete; only publishing refuses. Raises BadEdit for an unknown kind or a draft that is full.
    """
    if step.kind not in KINDS:
        raise BadEdit("kind", f"There is no kind of step '{step.kind}'.")

    def make(content: DraftContent, _workflow: Workflow) -> Edit:
        wanted = replace(step, key=drafts.free_key(step.key, content.keys))
        place = after if after in content.keys or after == drafts.FIRST else None
        return Edit(drafts.add_step(content, wanted, after=place), f"Step '{step.name}' added", wanted.key)

    return edit_draft(workflow=workflow, make=make, revision=revision, by=by, now=now)


def copy_step(
    *, workflow: Workflow, key: str, revision: int, opened: str = "", by: "User | None", now: datetime
) -> Edited:
    """Put a copy of a step behind it. Raises Conflict or BadEdit."""

    def make(content: DraftContent, _workflow: Workflow) -> Edit:
        made, copy = drafts.copy_step(content, key)
        return Edit(made, f"Step '{content.step(key).name}' copied", copy.key)

    return edit_draft(
        workflow=workflow, make=make, revision=revision, opened=opened, part=step_part(key), by=by, now=now
    )


def move_step(*, workflow: Workflow, key: str, after: str, revision: int, by: "User | None", now: datetime) -> Edited:
    """Put a step behind the one of key `after`, or first with an empty text.

    What others moved meanwhile stays where they put it. Raises Conflict where one of the two is gone.
    """

    def make(content: DraftContent, _workflow: Workflow) -> Edit:
        made = drafts.move_step(content, key, after=after)
        place = made.keys.index(key) + 1
        return Edit(made, f"Step '{content.step(key).name}' moved to place {place}", key)

    return edit_draft(workflow=workflow, make=make, revision=revision, by=by, now=now)


def switch_step(
    *, workflow: Workflow, key: str, enabled: bool, revision: int, opened: str = "", by: "User | None", now: datetime
) -> Edited:
    """Switch a step off, or on again: it stays in the draft, and versions are published without it. Raises Conflict."""

    def make(content: DraftContent, _workflow: Workflow) -> Edit:
        step = content.step(key)
        switched = drafts.replace_step(content, key, replace(step, enabled=enabled))
        return Edit(switched, f"Step '{step.name}' switched {'on' if enabled else 'off'}", key)

    return edit_draft(
        workflow=workflow, make=make, revision=revision, opened=opened, part=step_part(key), by=by, now=now
    )


def delete_step(
    *, workflow: Workflow, key: str, revision: int, opened: str = "", by: "User | None", now: datetime
) -> Edited:
    """Take a step out of the draft; `undo_change` brings it back. Raises Conflict."""

    def make(content: DraftContent, _workflow: Workflow) -> Edit:
        return Edit(drafts.delete_step(content, key), f"Step '{content.step(key).name}' deleted", key)

    return edit_draft(
        workflow=workflow, make=make, revision=revision, opened=opened, part=step_part(key), by=by, now=now
    )


def save_step(
    *,
    workflow: Workflow,
    key: str,
    step: DraftStep,
    revision: int,
    opened: str = "",
    by: "User | None",
    now: datetime,
) -> Edited:
    """Make the step of this key say what `step` says; whether it is switched on stays as it is.

    A new key is written into the other steps that name the old one, where that is certain; the rest is told. Raises
    Conflict, and BadEdit for a key or name that no step can have.
    """

    def make(content: DraftContent, _workflow: Workflow) -> Edit:
        before = content.step(key)
        same = same_config(before, step)
        after = replace(step, enabled=before.enabled, config=before.config if same else step.config)
        made = drafts.replace_step(content, key, after)
        told: tuple[str, ...] = ()
        if after.key != key:
            made, told = rename_references(made, key, after.key)
        return Edit(made, tell_step(before, after), after.key, told=told)

    return edit_draft(
        workflow=workflow, make=make, revision=revision, opened=opened, part=step_part(key), by=by, now=now
    )


def save_fields(
    *,
    workflow: Workflow,
    fields: Sequence[Mapping[str, Any]],
    revision: int,
    opened: str = "",
    by: "User | None",
    now: datetime,
) -> Edited:
    """Make these the workflow's fields. Raises DefinitionError with what is wrong ("fields.0.key"), and Conflict."""
    checked = check_fields(fields)

    def make(content: DraftContent, _workflow: Workflow) -> Edit:
        return Edit(replace(content, fields=tuple(checked)), tell_fields(content.fields, checked))

    return edit_draft(workflow=workflow, make=make, revision=revision, opened=opened, part=_fields, by=by, now=now)


def check_fields(fields: Sequence[Mapping[str, Any]]) -> list[Plain]:
    """Return fields as a version stores them. Raises DefinitionError."""
    problems: list[Problem] = []
    if len(fields) > MOST_FIELDS:
        problems.append(Problem("fields", f"A workflow has at most {MOST_FIELDS} fields."))
    try:
        typed = FIELDS.validate_python(list(fields))
    except ValidationError as error:
        typed, problems = (), problems + problems_of(error, "fields")
    seen: set[str] = set()
    for index, field in enumerate(fields):
        key = str(field.get("key", ""))
        if key and key in seen:
            problems.append(Problem(f"fields.{index}.key", f"'{key}' is there twice"))
        seen.add(key)
    if problems:
        raise DefinitionError(problems)
    return [field.model_dump(mode="json", exclude_defaults=True) for field in typed]


def save_settings(
    *,
    workflow: Workflow,
    settings: Plain,
    timeout: float,
    retry_policy: Plain | None,
    revision: int,
    opened: str = "",
    by: "User | None",
    now: datetime,
) -> Edited:
    """Change names, icon, queue and whether it is active, which hold at once, and the policies of the draft.

    `settings` holds any of what `settings_of` gives; the values were checked. Raises Conflict.
    """

    def make(content: DraftContent, found: Workflow) -> Edit:
        made = replace(content, timeout=timeout, retry_policy=retry_policy)
        changed = tell_settings(settings_of(found), settings, content, made)
        return Edit(made, changed, settings=settings)

    return edit_draft(
        workflow=workflow, make=make, revision=revision, opened=opened, part=settings_part, by=by, now=now
    )


def replace_draft(
    *, workflow: Workflow, definition: Definition, source: str, revision: int, by: "User | None", now: datetime
) -> Edited:
    """Make the draft say what a checked definition says: fields, policies, steps, and the names and labels with it."""
    steps = tuple(DraftStep(**step_row(step)) for step in definition.steps)
    policy = definition.retry_policy
    settings = {
        "name": definition.name,
        "description": definition.description,
        "label_singular": definition.labels.singular,
        "label_plural": definition.labels.plural,
        "queue": definition.queue,
    }

    def make(content: DraftContent, _workflow: Workflow) -> Edit:
        made = DraftContent(
            fields=tuple(field.model_dump(mode="json", exclude_defaults=True) for field in definition.fields),
            retry_policy=None if policy is None else policy.model_dump(mode="json"),
            timeout=definition.timeout,
            steps=steps,
        )
        return Edit(made, f"Everything replaced by {source}", settings=settings)

    return edit_draft(workflow=workflow, make=make, revision=revision, by=by, now=now)


def discard_changes(*, workflow: Workflow, revision: int, by: "User | None", now: datetime) -> Edited:
    """Make the draft what the live version is; the last edit can be undone. Raises BadEdit where nothing is live."""

    def make(content: DraftContent, found: Workflow) -> Edit:
        live = found.live_version
        if live is None:
            raise BadEdit("", "Nothing is published yet that the draft could go back to.")
        return Edit(content_of(live), f"Back to version {live.number}")

    return edit_draft(workflow=workflow, make=make, revision=revision, by=by, now=now)


def changes_since(workflow: Workflow, revision: int) -> list[DraftChange]:
    """Return what others changed since the draft was at `revision`, the newest first."""
    return list_draft_changes(workflow, since=revision)


def step_part(key: str) -> Part:
    """Return what looks at the step of this key: edits of other steps do not touch it."""
    return lambda content, _workflow: content.find(key)


def settings_part(content: DraftContent, workflow: Workflow) -> Plain:
    """Return the part of a workflow that its settings page is about."""
    return settings_of(workflow) | {"timeout": content.timeout, "retry_policy": content.retry_policy}


def _fields(content: DraftContent, _workflow: Workflow) -> list[Any]:
    return list(content.fields)
