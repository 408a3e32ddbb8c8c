"""The names behind a job's foreign keys, remembered for a while so that a page of jobs costs no joins."""

from jobs.models import Queue
from taskflow.lib.cache import remember
from workflows.models import Step, Workflow, WorkflowVersion


@remember(seconds=5)
def workflow_slug(workflow_id: int) -> str:
    """Return the slug of a workflow."""
    return Workflow.objects.values_list("slug", flat=True).get(pk=workflow_id)


@remember(seconds=60)
def version_number(version_id: int) -> int | None:
    """Return the number of a version; None for a draft."""
    return WorkflowVersion.objects.values_list("number", flat=True).get(pk=version_id)


@remember(seconds=5)
def queue_slug(queue_id: int) -> str:
    """Return the slug of a queue."""
    return Queue.objects.values_list("slug", flat=True).get(pk=queue_id)


@remember(seconds=60)
def step_keys(version_id: int) -> tuple[str, ...]:
    """Return the keys of a version's steps in order; jobs run published versions, which never change."""
    return tuple(Step.objects.filter(version_id=version_id).order_by("position").values_list("key", flat=True))


def step_at(version_id: int, position: int) -> str:
    """Return the key of the step at `position`; empty behind the last one."""
    keys = step_keys(version_id)
    return keys[position] if position < len(keys) else ""
