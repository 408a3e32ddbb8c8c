"""Questions about workflows."""

from dataclasses import dataclass
from typing import Any

from django.db.models import F, Q
from pydantic import ValidationError

from taskflow.lib.cache import remember
from workflows.domain.connection_names import connections_in
from workflows.domain.fields import InputField, read_fields
from workflows.kinds.registry import KINDS
from workflows.models import Step, Workflow


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
