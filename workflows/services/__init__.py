"""Changing workflows: importing files, and publishing drafts."""

from workflows.services.checking import check_definition, check_file
from workflows.services.files import Imported, definition_of, export_workflow, import_workflow
from workflows.services.publishing import publish

__all__ = [
    "Imported",
    "check_definition",
    "check_file",
    "definition_of",
    "export_workflow",
    "import_workflow",
    "publish",
]
