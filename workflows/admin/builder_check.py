"""What is wrong with what is typed in the builder just now, before it is saved."""

from dataclasses import replace
from typing import Any

from django.http import QueryDict

from workflows.admin.builder_input import read_fields, read_loosely
from workflows.domain import drafts
from workflows.domain.drafts import BadEdit, DraftContent
from workflows.models import Workflow
from workflows.queries import get_draft, get_draft_content
from workflows.services.findings import Findings, find_problems


def check_posted(workflow: Workflow, posted: QueryDict) -> dict[str, Any]:
    """Return the problems of the open form by the names of its controls, and how many each step has."""
    content = get_draft_content(workflow, get_draft(workflow))
    if posted.get("form") == "fields":
        content = replace(content, fields=tuple(read_fields(posted)))
        findings = find_problems(workflow, content)
        wrong = {one.place: one.message for one in findings.mistakes if one.place.split(".")[0] == "fields"}
        return {"problems": wrong} | _summary(findings, content)
    key = posted.get("step", "")
    stored = content.find(key)
    if stored is None:
        return {"problems": {}} | _summary(find_problems(workflow, content), content)
    typed, errors = read_loosely(posted, stored)
    typed = replace(typed, enabled=stored.enabled)
    try:
        content = drafts.replace_step(content, key, typed)
    except BadEdit as error:
        errors = {error.field: error.message, **errors}
        content = drafts.replace_step(content, key, replace(typed, key=key, name=stored.name, timeout=None))
    findings = find_problems(workflow, content)
    place = f"steps.{[step.key for step in content.steps].index(typed.key if typed.key in content.keys else key)}"
    return {"problems": findings.at(place) | errors} | _summary(findings, content, opened=key)


def _summary(findings: Findings, content: DraftContent, opened: str = "") -> dict[str, Any]:
    counts = findings.by_step(findings.mistakes)
    return {
        "steps": {step.key: counts[index] for index, step in enumerate(content.steps)},
        "mistakes": len(findings.mistakes),
        "warnings": len(findings.warnings),
    }
