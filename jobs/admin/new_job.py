"""The page on which a person sends a job: what the workflow asks for, files included."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone

from jobs.admin.job_form import NewJobForm
from jobs.domain.submission import NewJob, SubmissionError
from jobs.downloads import download
from jobs.models import Job
from jobs.queries.files import find_file
from jobs.services.files import submit_with_files
from taskflow.lib.clock import utcnow
from tenants.admin.current import actor_of, require, zone_of
from tenants.admin.frame import render_page
from tenants.domain.roles import Permission
from tenants.models import Tenant
from workflows.domain.fields import FILE_TYPES, Role
from workflows.models import Workflow
from workflows.queries import LiveVersion, NotPublished, WorkflowNotFound, get_live
from workflows.runtime import get_plan


def new_job_view(request: HttpRequest, tenant: Tenant, slug: str) -> HttpResponse:
    """Show the form of a workflow's job; its POST sends the job and leads to it."""
    workflow = get_object_or_404(Workflow, tenant=tenant, slug=slug)
    require(request, Permission.ACT_ON_JOBS, tenant)
    request.workflow_slug = slug  # type: ignore[attr-defined]  # for the sidebar
    try:
        live = get_live(tenant.pk, slug)
    except (NotPublished, WorkflowNotFound) as error:
        messages.error(request, str(error))
        return HttpResponseRedirect(reverse("admin:jobs_job_of", args=[slug]))
    with timezone.override(zone_of(tenant)):
        form = _form(request, live)
        if request.method == "POST" and form.is_valid():
            job = _submit(request, tenant, slug, form)
            if job is not None:
                messages.success(request, f"{workflow.label_singular} sent.")
                return HttpResponseRedirect(reverse("admin:jobs_job_change", args=[job.uid]))
    return render_page(
        request,
        "new_job",
        title=f"New {workflow.label_singular.lower()}",
        zone=zone_of(tenant),
        workflow=workflow,
        form=form,
        upload_limit=settings.MAX_FILE_BYTES,
    )


def _form(request: HttpRequest, live: LiveVersion) -> NewJobForm:
    inputs = [field for field in live.fields if field.role is Role.INPUT]
    loose = get_plan(live.version_id).needs_files and not any(field.type in FILE_TYPES for field in inputs)
    sent: tuple[Any, Any] = (request.POST, request.FILES) if request.method == "POST" else (None, None)
    return NewJobForm(*sent, fields=inputs, loose_files=loose)


def _submit(request: HttpRequest, tenant: Tenant, slug: str, form: NewJobForm) -> Job | None:
    wanted = NewJob(workflow=slug, payload=form.payload(), source=f"admin:{actor_of(request)}"[:100])
    uploads = form.uploads(settings.MAX_FILE_BYTES)
    try:
        return submit_with_files(tenant_id=tenant.pk, request=wanted, uploads=uploads, now=utcnow())[0]
    except SubmissionError as error:
        form.explain(error.problems)
        return None


def file_view(job: Job, file: UUID) -> FileResponse:
    """Hand out a file of a job. Raises Http404 where the job has none of this id."""
    found = find_file(job, file)
    if found is None:
        raise Http404(f"The job has no file {file}.")
    return download(found)
