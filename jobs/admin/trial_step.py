"""Trying one step of a draft at once: the answer is a piece of HTML for the page that asked."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from jobs.admin.trial_parts import workflow_of
from jobs.admin.trial_rows import item_row
from jobs.domain.trial_costs import money
from jobs.runtime.trials import UNUSABLE
from jobs.runtime.try_step import StepTried, try_step
from jobs.services.trial_results import fields_data
from jobs.services.trials import NothingToTest
from taskflow.lib.clock import utcnow
from taskflow.lib.strictjson import BadJSON, parse_json
from tenants.admin.current import needs, require
from tenants.domain.roles import Permission
from tenants.models import Tenant
from workflows.domain.definition import DefinitionError
from workflows.models import Sample, Workflow
from workflows.services.samples import fields_of

NO_SAMPLE = "There is no sample to try it on: add one on the Test page."


@needs(Permission.VIEW_WORKFLOWS)
def step_view(_page: Any, request: HttpRequest, tenant: Tenant, slug: str) -> HttpResponse:
    """Try the step `step_key` on `sample` (an id; the first one without), or on `input` (a JSON object)."""
    workflow = workflow_of(tenant, slug)
    require(request, Permission.EDIT_WORKFLOWS, tenant)
    try:
        sample, payload = _input(request, workflow)
        tried = try_step(
            workflow=workflow,
            step_key=request.POST.get("step_key", ""),
            sample=sample,
            payload=payload,
            now=utcnow(),
        )
    except NothingToTest as error:
        return _part(request, 400, problems=[str(error)])
    except UNUSABLE as error:
        return _part(request, 400, problems=[f"The live version cannot run here: {error}"])
    except DefinitionError as error:
        return _part(request, 400, problems=["The draft cannot run yet.", *map(str, error.problems[:5])])
    return _part(request, 200, **_shown(tried, workflow))


def _input(request: HttpRequest, workflow: Workflow) -> tuple[Sample | None, dict[str, Any]]:
    text, wanted = request.POST.get("input", "").strip(), request.POST.get("sample", "")
    if text:
        try:
            payload = parse_json(text.encode("utf-8", "replace"))
        except BadJSON as error:
            raise NothingToTest(f"The input is no JSON: {error.reason}") from error
        if not isinstance(payload, dict):
            raise NothingToTest("The input must be a JSON object.")
        return None, payload
    rows = workflow.samples.order_by("pk")
    if wanted:
        digits = wanted.isascii() and wanted.isdigit() and len(wanted) < 19
        rows = rows.filter(pk=int(wanted) if digits else 0)
    sample = rows.first()
    if sample is None:
        raise NothingToTest("There is no such sample." if wanted else NO_SAMPLE)
    return sample, sample.input


def _shown(tried: StepTried, workflow: Workflow) -> dict[str, Any]:
    if tried.comparison is None:
        return {"problems": [tried.limited]}
    item = tried.item
    item.fields = fields_data(tried.comparison)
    return {"row": item_row(item, fields_of(workflow)), "item": item, "cost": money(item.cost) if item.cost else ""}


def _part(request: HttpRequest, status: int, **context: Any) -> HttpResponse:
    return render(request, "taskflow/parts/test_step.html", context, status=status)
