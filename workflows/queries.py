"""Questions about workflows."""

from dataclasses import dataclass
from typing import Any

from django.db.models import F, Q
from pydantic import ValidationError

from taskflow.lib.cache import remember
from workflows.domain.connection_names import connections_in
from workflows.domain.drafts import DraftContent, DraftStep
from workflows.domain.fields import InputField, read_fields
from workflows.kinds.registry import KINDS
from workflows.models import DraftChange, Step, Workflow, WorkflowVersion

#: A list of edits ends here; nobody reads further back.
MOST_CHANGES = 100


class WorkflowNotFound(Exception):
    """The tenant has no workflow of this slug, or it is switched off."""


class NotPublished(Exception):
    """The workflow has a draft only."""


@dataclass(frozen=True, slots=True)
class LiveVersion:
    """What a submitted job needs to know of its workflow. `queue` is a queue's slug."""

    workflow_id: int
    version_id: int
    number: int
    queue: str
    fields: tuple[InputField, ...]


@remember(seconds=1)
def get_live(tenant_id: int, slug: str) -> LiveVersion:
    """Return the version that new jobs of a workflow run, at most a second old.

    Raises WorkflowNotFound or NotPublished.
    """
    found = Workflow.objects.filter(tenant_id=tenant_id, slug=slug, active=True).select_related("live_version").first()
    if found is None:
        raise WorkflowNotFound(f"There is no workflow '{slug}'.")
    version = found.live_version
    if version is None or version.number is None:
        raise NotPublished(f"The workflow '{slug}' is not published yet.")
    return LiveVersion(found.pk, version.pk, version.number, found.queue, read_fields(version.fields))


def list_connection_uses(tenant_id: int, slug: str) -> list[str]:
    """Return the steps of drafts and live versions that name the tenant's connection `slug`, in words for people."""
    current = Q(version__draft_of__isnull=False) | Q(version=F("version__workflow__live_version"))
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
    return "draft" if number is None else f"version {number}, live"


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
