"""Questions about workflows."""

from dataclasses import dataclass

from taskflow.lib.cache import remember
from workflows.domain.fields import InputField, read_fields
from workflows.models import Workflow


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
