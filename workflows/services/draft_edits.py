"""How a draft is changed: one edit in one transaction, told apart from what others changed meanwhile."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from taskflow.lib.db import in_transaction
from workflows.domain.drafts import DraftContent, DraftStep, StepGone, fingerprint
from workflows.models import DraftChange, Step, Workflow, WorkflowVersion
from workflows.queries import content_of, list_draft_changes

if TYPE_CHECKING:
    from django.contrib.auth.models import User

LONGEST_TEXT = 500
SETTINGS = ("name", "label_singular", "label_plural", "icon", "description", "queue", "active")
Plain = dict[str, Any]


class Conflict(Exception):
    """Somebody else changed the same part of the draft meanwhile; `changes` are the edits since, the newest first."""

    def __init__(self, changes: list[DraftChange]) -> None:
        self.changes = changes
        super().__init__("The draft was changed meanwhile.")


@dataclass(frozen=True, slots=True)
class Edit:
    """What an edit makes of a draft, and how it is told. `told` are remarks for the person alone."""

    content: DraftContent
    text: str
    step_key: str = ""
    settings: Plain | None = None
    told: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Edited:
    """An edit that was written; `change` is None where it made no difference."""

    draft: WorkflowVersion
    change: DraftChange | None
    step_key: str = ""
    told: tuple[str, ...] = ()


Part = Callable[[DraftContent, Workflow], Any]


def edit_draft(
    *,
    workflow: Workflow,
    make: Callable[[DraftContent, Workflow], Edit],
    revision: int,
    opened: str = "",
    part: Part | None = None,
    by: "User | None",
    now: datetime,
) -> Edited:
    """Change the draft by `make`, which gets its present content; without a draft one is made of the live version.

    `revision` is the draft's as the person saw it. Where it moved on, the edit still holds if the `part` it is about
    has the fingerprint `opened`; without a part it always merges. Raises Conflict where it does not, and where the
    step it is about is gone.
    """
    return in_transaction(lambda: _edit(workflow.pk, make, revision, opened, part, by, now))


def _edit(
    workflow_id: int,
    make: Callable[[DraftContent, Workflow], Edit],
    revision: int,
    opened: str,
    part: Part | None,
    by: "User | None",
    now: datetime,
) -> Edited:
    draft = lock_draft(workflow_id)
    workflow, before = draft.workflow, content_of(draft)
    if part is not None and draft.revision != revision and fingerprint(part(before, workflow)) != opened:
        raise Conflict(list_draft_changes(workflow, since=revision))
    try:
        edit = make(before, workflow)
    except StepGone:
        raise Conflict(list_draft_changes(workflow, since=revision)) from None
    undo = _difference(before, edit.content) | _settings_difference(workflow, edit.settings)
    if not undo:
        return Edited(draft, None, edit.step_key, edit.told)
    _write(draft, before, edit.content, by, now)
    _write_settings(workflow, edit.settings)
    DraftChange.objects.filter(workflow=workflow, version=None, undo__isnull=False).update(undo=None)
    change = DraftChange.objects.create(
        workflow=workflow,
        at=now,
        by=by,
        step_key=edit.step_key,
        text=edit.text[:LONGEST_TEXT],
        revision=draft.revision,
        undo=undo,
    )
    return Edited(draft, change, edit.step_key, edit.told)


def lock_draft(workflow_id: int) -> WorkflowVersion:
    """Return the workflow's draft, made of its live version if need be, and keep others off until the end.

    The workflow's row is the lock, as it is for publishing. Belongs in a transaction.
    """
    workflow = Workflow.objects.select_for_update().get(pk=workflow_id)
    draft = WorkflowVersion.objects.filter(draft_of=workflow).first()
    if draft is None:
        draft = _draft_of_live(workflow)
    draft.workflow = workflow
    return draft


def undo_change(*, workflow: Workflow, change_id: int, by: "User | None", now: datetime) -> DraftChange:
    """Take back the last edit of the draft, which must be `change_id`. Raises Conflict where it is not the last."""
    return in_transaction(lambda: _undo(workflow.pk, change_id, by, now))


def _undo(workflow_id: int, change_id: int, by: "User | None", now: datetime) -> DraftChange:
    draft = lock_draft(workflow_id)
    workflow, content = draft.workflow, content_of(draft)
    change = DraftChange.objects.filter(
        pk=change_id, workflow=workflow, version=None, revision=draft.revision, undo__isnull=False
    ).first()
    if change is None:
        raise Conflict(list_draft_changes(workflow)[:3])
    _write(draft, content, _restored(content, change.undo), by, now)
    _write_settings(workflow, change.undo.get("settings"))
    change.delete()
    change.pk = change_id
    return change


def _draft_of_live(workflow: Workflow) -> WorkflowVersion:
    live = workflow.live_version
    content = DraftContent() if live is None else content_of(live)
    draft = WorkflowVersion.objects.create(
        workflow=workflow,
        draft_of=workflow,
        fields=list(content.fields),
        retry_policy=content.retry_policy,
        timeout=content.timeout,
    )
    _write_steps(draft, content)
    return draft


def _write(
    draft: WorkflowVersion, before: DraftContent, content: DraftContent, by: "User | None", now: datetime
) -> None:
    draft.fields, draft.retry_policy, draft.timeout = list(content.fields), content.retry_policy, content.timeout
    draft.revision, draft.edited_by, draft.edited_at = draft.revision + 1, by, now
    draft.save()
    if content.steps != before.steps:
        draft.steps.all().delete()
        _write_steps(draft, content)


def _write_steps(draft: WorkflowVersion, content: DraftContent) -> None:
    # All anew: positions stay dense, and no step meets another's position or key on the way.
    Step.objects.bulk_create(
        Step(version=draft, position=position, **_row(step)) for position, step in enumerate(content.steps)
    )


def _row(step: DraftStep) -> Plain:
    return asdict(step)


def _difference(before: DraftContent, after: DraftContent) -> Plain:
    """Return what `_restored` needs to make `before` of `after`; empty where they are the same."""
    undo: Plain = {}
    if before.fields != after.fields:
        undo["fields"] = list(before.fields)
    if (before.retry_policy, before.timeout) != (after.retry_policy, after.timeout):
        undo["policies"] = {"retry_policy": before.retry_policy, "timeout": before.timeout}
    if before.steps != after.steps:
        undo["order"] = before.keys
        undo["steps"] = {step.key: _row(step) for step in before.steps if after.find(step.key) != step}
    return undo


def _restored(content: DraftContent, undo: Mapping[str, Any]) -> DraftContent:
    if "fields" in undo:
        content = replace(content, fields=tuple(undo["fields"]))
    if "policies" in undo:
        content = replace(content, **undo["policies"])
    if "order" in undo:
        kept = undo["steps"]
        steps = (DraftStep(**kept[key]) if key in kept else content.step(key) for key in undo["order"])
        content = replace(content, steps=tuple(steps))
    return content


def settings_of(workflow: Workflow) -> Plain:
    """Return what of a workflow holds at once, whatever version is live: labels, queue, whether it is active."""
    return {name: getattr(workflow, name) for name in SETTINGS}


def _settings_difference(workflow: Workflow, settings: Plain | None) -> Plain:
    changed = {name: getattr(workflow, name) for name in settings or () if getattr(workflow, name) != settings[name]}  # type: ignore[index]
    return {"settings": changed} if changed else {}


def _write_settings(workflow: Workflow, settings: Plain | None) -> None:
    for name, value in (settings or {}).items():
        setattr(workflow, name, value)
    if settings:
        workflow.save(update_fields=list(settings))
