"""The admin of workflows: what there is and how it reads. Versions are made by the workflow command."""

from workflows.admin.workflow import WorkflowAdmin

__all__ = ["WorkflowAdmin"]
