"""Questions about workflows."""

import re
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID
from zlib import crc32

from django.db.models import F, Max, Q
from pydantic import ValidationError

from taskflow.lib.cache import remember
from workflows.domain.connection_names import connections_in
from workflows.domain.drafts import DraftContent, DraftStep
from workflows.domain.fields import InputField, read_fields
from workflows.kinds.registry import KINDS
from workflows.models import DraftChange, Step, Workflow, WorkflowVersion

#: A list of edits ends here; nobody reads further back.
MOST_CHANGES = 100
DRAFT = "draft"


class WorkflowNotFound(Exception):
    """The tenant has no workflow of this slug, or it is switched off."""


class NotPublished(Exception):
    """The workflow has a draft only."""


@dataclass(frozen=True, slots=True)
class LiveVersion:
    """What a submitted job needs to know of its workflow. `queue` is a queue's slug.

    While a release goes on, `share` percent of new jobs run the `next` version instead.
    """

    workflow_id: int
    version_id: int
    number: int
    queue: str
    fields: tuple[InputField, ...]
    next: "LiveVersion | None" = None
    share: int = 0

    def chosen_for(self, uid: UUID) -> "LiveVersion":
        """Return the version for the job of this id: the same at every call, and of many ids `share` percent the next.

        Raising the share leaves every id with the next version that had it before.
        """
        if self.next is None or crc32(uid.bytes) % 100 >= self.share:
            return self
        return self.next


def get_live(tenant_id: int, slug: str) -> LiveVersion:
    """Return the version that new jobs of a workflow run from now on, in every process: which it is, is read each time.

    Raises WorkflowNotFound or NotPublished.
    """
    row = (
        Workflow.objects.filter(tenant_id=tenant_id, slug=slug, active=True)
        .values_list("pk", "queue", "live_version_id", "next_version_id", "next_share")
        .first()
    )
    if row is None:
        raise WorkflowNotFound(f"There is no workflow '{slug}'.")
    workflow_id, queue, live_id, next_id, share = row
    if live_id is None:
        raise NotPublished(f"The workflow '{slug}' is not published yet.")
    live = _version(workflow_id, live_id, queue)
    if next_id is None or not share:
        return live
    return replace(live, next=_version(workflow_id, next_id, queue), share=share)


@remember(seconds=60)
def _version(workflow_id: int, version_id: int, queue: str) -> LiveVersion:
    """Return a published version, which never changes."""
    number, fields = WorkflowVersion.objects.values_list("number", "fields").get(pk=version_id)
    return LiveVersion(workflow_id, version_id, number or 0, queue, read_fields(fields))


def find_version(workflow: Workflow, name: str) -> WorkflowVersion | None:
    """Return the version of a workflow that is called "3" or "draft", or None."""
    versions = workflow.versions.select_related("workflow", "published_by")
    if name == DRAFT:
        return versions.filter(draft_of=workflow).first()
    return versions.filter(number=int(name)).first() if re.fullmatch(r"\d{1,9}", name, re.ASCII) else None


def next_number(workflow: Workflow) -> int:
    """Return the number that the workflow's next version gets."""
    return (workflow.versions.aggregate(last=Max("number"))["last"] or 0) + 1


def list_connection_uses(tenant_id: int, slug: str) -> list[str]:
    """Return the steps of drafts and live versions that name the tenant's connection `slug`, in words for people."""
    current = (
        Q(version__draft_of__isnull=False)
        | Q(version=F("version__workflow__live_version"))
        | Q(version=F("version__workflow__next_version"))
    )
    rows = Step.objects.filter(current, version__workflow__tenant=tenant_id).select_related("version__workflow")
    return [
        f"step '{step.key}' of {step.version.workflow.slug} ({_which(step)})"
        for step in rows.order_by("version__workflow__slug", "version__number", "position")
        if any(named == slug for _, named in connections_in(typed_config(step.kind, step.config)))
    ]


def typed_config(kind: str, config: Any) -> Any:
    """Return a step's config typed by its kind, or None where that cannot be."""
    try:
        return KINDS[kind].Config.model_validate(config)
    except (KeyError, ValidationError):
        return None


def _which(step: Step) -> str:
    number = step.version.number
    if number is None:
        return "draft"
    return f"version {number}, {'live' if step.version_id == step.version.workflow.live_version_id else 'released'}"


def content_of(version: WorkflowVersion) -> DraftContent:
    """Return what a version holds, whether or not it could run."""
    steps = tuple(
        DraftStep(
            key=step.key,
            name=step.name,
            kind=step.kind,
            enabled=step.enabled,
            config=step.config,
            on_error=step.on_error,
            timeout=step.timeout,
            retry=step.retry,
            review=step.review,
        )
        for step in version.steps.order_by("position")
    )
    return DraftContent(tuple(version.fields), version.retry_policy, version.timeout, steps)


def get_draft(workflow: Workflow) -> WorkflowVersion | None:
    """Return the workflow's draft, or None where only published versions are there."""
    return WorkflowVersion.objects.filter(draft_of=workflow).select_related("edited_by", "workflow").first()


def get_draft_content(workflow: Workflow, draft: WorkflowVersion | None) -> DraftContent:
    """Return what the draft holds; without one, what a first edit would begin with: the live version's content."""
    version = draft or workflow.live_version
    return DraftContent() if version is None else content_of(version)


def list_draft_changes(workflow: Workflow, *, since: int = -1) -> list[DraftChange]:
    """Return the edits of the present draft after the revision `since`, the newest first."""
    rows = DraftChange.objects.filter(workflow=workflow, version=None, revision__gt=since).select_related("by")
    return list(rows.order_by("-id")[:MOST_CHANGES])


def count_draft_changes(workflow: Workflow) -> int:
    """Return how many edits the present draft has seen."""
    return DraftChange.objects.filter(workflow=workflow, version=None).count()
