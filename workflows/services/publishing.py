"""Publishing: a draft becomes a numbered version that never changes."""

from datetime import datetime
from typing import TYPE_CHECKING

from django.db.models import Max

from taskflow.lib.db import in_transaction
from workflows.domain.definition import DefinitionError, Problem
from workflows.models import Step, Workflow, WorkflowVersion
from workflows.services.files import definition_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def publish(*, workflow: Workflow, notes: str = "", now: datetime, user: "User | None" = None) -> WorkflowVersion:
    """Copy the workflow's draft to its next numbered version, and make that the one new jobs run.

    Raises DefinitionError with everything that is wrong, if the draft cannot run.
    """
    version = in_transaction(lambda: _publish(workflow.pk, notes, now, user))
    workflow.live_version = version
    return version


def _publish(workflow_id: int, notes: str, now: datetime, user: "User | None") -> WorkflowVersion:
    # The row is the lock: two people who publish at once get two numbers, one after the other.
    workflow = Workflow.objects.select_for_update().get(pk=workflow_id)
    draft = WorkflowVersion.objects.filter(draft_of=workflow).select_related("workflow").first()
    if draft is None:
        raise DefinitionError([Problem("", "there is no draft to publish")])
    definition_of(draft)
    last = workflow.versions.aggregate(last=Max("number"))["last"] or 0
    version = WorkflowVersion.objects.create(
        workflow=workflow,
        number=last + 1,
        fields=draft.fields,
        retry_policy=draft.retry_policy,
        timeout=draft.timeout,
        notes=notes,
        published_at=now,
        published_by=user,
    )
    Step.objects.bulk_create(
        _copy(step, version, position)
        for position, step in enumerate(draft.steps.filter(enabled=True).order_by("position"))
    )
    workflow.live_version = version
    workflow.save(update_fields=["live_version"])
    return version


def _copy(step: Step, version: WorkflowVersion, position: int) -> Step:
    return Step(
        version=version,
        position=position,
        key=step.key,
        name=step.name,
        kind=step.kind,
        config=step.config,
        on_error=step.on_error,
        timeout=step.timeout,
        retry=step.retry,
        review=step.review,
    )
