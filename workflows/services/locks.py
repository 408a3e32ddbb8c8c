"""The lock of a workflow: its row."""

from workflows.models import Workflow


def lock_workflow(workflow: Workflow) -> Workflow:
    """Return the workflow as it is now, and keep others off until the transaction ends."""
    locked: Workflow = Workflow.objects.select_for_update().get(pk=workflow.pk)
    return locked
