"""Publishing: a draft becomes a numbered version that never changes."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from taskflow.lib.db import in_transaction
from workflows.domain.definition import DefinitionError, Problem
from workflows.models import Release, Step, Workflow, WorkflowVersion
from workflows.queries import next_number
from workflows.services.files import definition_of
from workflows.services.releases import EVERYBODY, SHARES, copy_step, point

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def publish(
    *,
    workflow: Workflow,
    notes: str = "",
    now: datetime,
    user: "User | None" = None,
    actor: str = "",
    gate: dict[str, Any] | None = None,
    share: int = EVERYBODY,
) -> WorkflowVersion:
    """Copy the workflow's draft to its next numbered version, and make that the one new jobs run.

    With a `share` below 100, only so many percent of new jobs run it, where there is a live version for the others.
    `gate` is what is kept of what the gate said; None says that nobody asked it. `actor` names who is no user.
    Raises DefinitionError with everything that is wrong, if the draft cannot run, and ValueError for no such share.
    """
    if share not in SHARES:
        raise ValueError(f"A release goes to {', '.join(map(str, SHARES))} percent of new jobs, not to {share}.")
    version = in_transaction(lambda: _publish(workflow.pk, notes, now, user, actor, gate, share))
    workflow.refresh_from_db(fields=["live_version", "next_version", "next_share"])
    return version


def _publish(
    workflow_id: int,
    notes: str,
    now: datetime,
    user: "User | None",
    actor: str,
    gate: dict[str, Any] | None,
    share: int,
) -> WorkflowVersion:
    # The row is the lock: two people who publish at once get two numbers, one after the other.
    workflow = Workflow.objects.select_for_update().get(pk=workflow_id)
    draft = WorkflowVersion.objects.filter(draft_of=workflow).select_related("workflow").first()
    if draft is None:
        raise DefinitionError([Problem("", "there is no draft to publish")])
    definition_of(draft)
    version = WorkflowVersion.objects.create(
        workflow=workflow,
        number=next_number(workflow),
        fields=draft.fields,
        retry_policy=draft.retry_policy,
        timeout=draft.timeout,
        notes=notes,
        gate=gate,
        published_at=now,
        published_by=user,
    )
    Step.objects.bulk_create(
        copy_step(step, version, position)
        for position, step in enumerate(draft.steps.filter(enabled=True).order_by("position"))
    )
    version.seal()
    workflow.draft_changes.filter(version=None).update(version=version)
    point(workflow, Release.Kind.PUBLISHED, version, share, now=now, user=user, actor=actor)
    return version
