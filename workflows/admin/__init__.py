"""The admin of workflows: their list, and the builder in which they are shaped."""

from workflows.admin.workflow import WorkflowAdmin

__all__ = ["WorkflowAdmin"]
