"""Changing, deleting and bringing back samples, and making one of a job."""

from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse

from jobs.admin.trial_home import RESTORED
from jobs.admin.trial_parts import (
    EXPECTED,
    INPUT,
    expected_keys,
    file_names,
    input_keys,
    may_edit,
    sample_count,
    tell_picked,
    to_tests,
    workflow_of,
)
from jobs.admin.value_form import ValueForm
from jobs.models import Job
from jobs.queries.trials import source_job_uid
from jobs.services.sample_picks import pick_job
from taskflow.lib.fields import dump_json
from tenants.admin.current import actor_of, needs, require, zone_of
from tenants.admin.frame import render_page
from tenants.domain.roles import Permission
from tenants.models import Tenant
from workflows.models import Sample
from workflows.services.samples import SamplesInvalid, delete_samples, fields_of, restore_samples, update_sample

#: Deleted samples can be brought back up to so many, and so many characters: they are kept in the session.
MOST_RESTORED, LONGEST_RESTORED = 200, 500_000


@needs(Permission.VIEW_WORKFLOWS)
def sample_view(_page: Any, request: HttpRequest, tenant: Tenant, slug: str, pk: int) -> HttpResponse:
    """Show one sample, and change it."""
    workflow = workflow_of(tenant, slug)
    sample = get_object_or_404(Sample.objects.select_related("workflow"), workflow=workflow, pk=pk)
    fields = fields_of(workflow)
    known = sample.expected if isinstance(sample.expected, dict) else {}
    inputs = ValueForm(INPUT, input_keys(fields, sample.input), fields=fields, values=sample.input)
    expected = ValueForm(EXPECTED, expected_keys(fields, known), fields=fields, values=known, expects=True)
    problems: list[str] = []
    if request.method == "POST":
        require(request, Permission.EDIT_WORKFLOWS, tenant)
        problems = _save(request, sample, inputs, expected)
        if not problems:
            messages.success(request, "Saved.")
            return to_tests(workflow)
    request.workflow_slug = slug  # type: ignore[attr-defined]  # for the sidebar
    typed = request.POST if request.method == "POST" else None
    uid = source_job_uid(sample.origin)
    return render_page(
        request,
        "test_sample",
        title=sample.name or f"Sample {sample.pk}",
        zone=zone_of(tenant),
        workflow=workflow,
        sample=sample,
        sample_name=request.POST.get("name", sample.name),
        inputs=inputs.entries(typed),
        files=file_names(fields, sample.input),
        expected=expected.entries(typed),
        problems=problems,
        may_edit=may_edit(request, workflow),
        job="" if uid is None else str(uid),
    )


def _save(request: HttpRequest, sample: Sample, inputs: ValueForm, expected: ValueForm) -> list[str]:
    record, wanted = inputs.read(request.POST), expected.read(request.POST)
    if inputs.errors or expected.errors:
        return ["Some values cannot be read: see below."]
    if "forget" in request.POST:
        wanted = {}
    try:
        update_sample(sample=sample, name=request.POST.get("name", ""), input=record, expected=wanted or None)
    except SamplesInvalid as error:
        return error.problems
    return []


@needs(Permission.VIEW_WORKFLOWS)
def delete_view(_page: Any, request: HttpRequest, tenant: Tenant, slug: str) -> HttpResponse:
    """Delete the samples that were ticked; they can be brought back until others are deleted."""
    workflow = workflow_of(tenant, slug)
    require(request, Permission.EDIT_WORKFLOWS, tenant)
    ids = [int(text) for text in request.POST.getlist("sample") if text.isascii() and text.isdigit() and len(text) < 19]
    kept = delete_samples(workflow=workflow, ids=ids)
    if not kept:
        messages.warning(request, "Tick the samples to delete first.")
    else:
        few = len(kept) <= MOST_RESTORED and len(dump_json(kept)) <= LONGEST_RESTORED
        request.session[RESTORED] = {"workflow": workflow.pk, "samples": kept if few else []}
        messages.success(request, f"{sample_count(len(kept))} deleted by {actor_of(request)}.")
    return to_tests(workflow)


@needs(Permission.VIEW_WORKFLOWS)
def restore_view(_page: Any, request: HttpRequest, tenant: Tenant, slug: str) -> HttpResponse:
    """Bring back the samples that were deleted last in this session."""
    workflow = workflow_of(tenant, slug)
    require(request, Permission.EDIT_WORKFLOWS, tenant)
    kept = request.session.get(RESTORED) or {}
    if kept.get("workflow") != workflow.pk:
        messages.warning(request, "There is nothing to bring back.")
        return to_tests(workflow)
    del request.session[RESTORED]
    count = restore_samples(workflow=workflow, kept=kept["samples"], user=cast(User, request.user))
    messages.success(request, f"{sample_count(count)} brought back.")
    return to_tests(workflow)


@needs(Permission.VIEW_WORKFLOWS)
def from_job_view(_page: Any, request: HttpRequest, tenant: Tenant, slug: str) -> HttpResponse:
    """Make a sample of one job, and go back to the job's page."""
    workflow = workflow_of(tenant, slug)
    require(request, Permission.EDIT_WORKFLOWS, tenant)
    try:
        uid = UUID(request.POST.get("job", ""))
    except ValueError:
        messages.error(request, "That is not the id of a job.")
        return to_tests(workflow)
    job = get_object_or_404(Job, tenant=tenant, workflow=workflow, uid=uid)
    try:
        tell_picked(request, pick_job(workflow=workflow, job=job, user=cast(User, request.user)))
    except SamplesInvalid as error:
        messages.error(request, str(error))
    return HttpResponseRedirect(reverse("admin:jobs_job_change", args=[job.uid]))
