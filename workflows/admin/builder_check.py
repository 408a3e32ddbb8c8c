"""What is wrong with what is typed in the builder just now, before it is saved."""

from dataclasses import replace
from typing import Any

from django.http import QueryDict

from workflows.admin.builder_input import read_fields, read_loosely
from workflows.domain import drafts
from workflows.domain.drafts import BadEdit
from workflows.models import Workflow
from workflows.queries import get_draft, get_draft_content
from workflows.services.findings import Findings, find_problems


def check_posted(workflow: Workflow, posted: QueryDict) -> dict[str, Any]:
    """Return the problems of the open form by the names of its controls, and how many each step has."""
    content = get_draft_content(workflow, get_draft(workflow))
    keys = content.keys
    if posted.get("form") == "fields":
        content = replace(content, fields=tuple(read_fields(posted)))
        findings = find_problems(workflow, content)
        wrong = {one.place: one.message for one in findings.mistakes if one.place.split(".")[0] == "fields"}
        return {"problems": wrong} | _summary(findings, keys)
    key = posted.get("step", "")
    stored = content.find(key)
    if stored is None:
        return {"problems": {}} | _summary(find_problems(workflow, content), keys)
    typed, errors = read_loosely(posted, stored)
    typed = replace(typed, enabled=stored.enabled)
    try:
        content = drafts.replace_step(content, key, typed)
    except BadEdit as error:
        errors = {error.field: error.message, **errors}
        typed = replace(typed, key=key, name=stored.name, timeout=None)
        content = drafts.replace_step(content, key, typed)
    findings = find_problems(workflow, content)
    place = f"steps.{content.keys.index(typed.key)}"
    return {"problems": findings.at(place) | errors} | _summary(findings, keys)


def _summary(findings: Findings, keys: list[str]) -> dict[str, Any]:
    """Return how much is to fix, for each step by the key under which the page shows it, and in all."""
    counts = findings.by_step(findings.mistakes)
    return {
        "steps": {key: counts[index] for index, key in enumerate(keys)},
        "mistakes": len(findings.mistakes),
        "warnings": len(findings.warnings),
    }
