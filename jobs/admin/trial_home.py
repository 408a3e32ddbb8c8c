"""A workflow's samples, what its draft was tested with, and the start of a test."""

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from jobs.admin.trial_parts import may_edit, sample_row, to_tests, workflow_of
from jobs.models import Trial
from jobs.services.gate import gate_of
from jobs.services.trial_estimates import estimate_of
from jobs.services.trials import NothingToTest, golden_samples, start_trial
from taskflow.lib.clock import utcnow
from tenants.admin.current import needs, require, zone_of
from tenants.admin.frame import render_page
from tenants.domain.roles import Permission
from tenants.models import Tenant
from workflows.domain.definition import DefinitionError
from workflows.models import Sample, Step, Workflow
from workflows.services.samples import fields_of

A_PAGE = 50
MOST_RUNS = 10
ALL, GOLDEN, CHOSEN = "all", "golden", "chosen"
RESTORED = "samples_deleted"


@needs(Permission.VIEW_WORKFLOWS)
def home_view(_page: Any, request: HttpRequest, tenant: Tenant, slug: str) -> HttpResponse:
    """Show samples and earlier tests; start one when asked to, once its cost is confirmed."""
    workflow = workflow_of(tenant, slug)
    if request.method == "POST":
        require(request, Permission.EDIT_WORKFLOWS, tenant)
        return start_from(request, workflow, _chosen(request, workflow), source=_source(request))
    return _show(request, tenant, workflow)


def _show(request: HttpRequest, tenant: Tenant, workflow: Workflow) -> HttpResponse:
    fields = fields_of(workflow)
    pages = Paginator(workflow.samples.order_by("-pk"), A_PAGE)
    page = pages.get_page(request.GET.get("page"))
    request.workflow_slug = workflow.slug  # type: ignore[attr-defined]  # for the sidebar
    return render_page(
        request,
        "tests",
        title=f"Test {workflow.name}",
        zone=zone_of(tenant),
        workflow=workflow,
        rows=[sample_row(sample, fields) for sample in page],
        page=page,
        total=pages.count,
        golden=len(golden_samples(workflow)),
        steps=Step.objects.filter(version__draft_of=workflow, enabled=True).order_by("position"),
        runs=list(Trial.objects.filter(workflow=workflow).select_related("created_by").order_by("-pk")[:MOST_RUNS]),
        gate=gate_of(workflow, now=utcnow()),
        may_edit=may_edit(request, workflow),
        deleted=_deleted(request, workflow),
    )


def _deleted(request: HttpRequest, workflow: Workflow) -> int:
    kept = request.session.get(RESTORED) or {}
    return len(kept.get("samples", ())) if kept.get("workflow") == workflow.pk else 0


def _chosen(request: HttpRequest, workflow: Workflow) -> list[Sample]:
    which = request.POST.get("which", ALL)
    if which == GOLDEN:
        return golden_samples(workflow)
    rows = workflow.samples.order_by("pk")
    if which == CHOSEN:
        ids = [text for text in request.POST.getlist("sample") if text.isascii() and text.isdigit()]
        rows = rows.filter(pk__in=[int(text) for text in ids if len(text) < 19])
    return list(rows)


def _source(request: HttpRequest) -> str:
    return {GOLDEN: "golden samples", CHOSEN: "chosen samples"}.get(request.POST.get("which", ""), "all samples")


def start_from(request: HttpRequest, workflow: Workflow, samples: list[Sample], *, source: str) -> HttpResponse:
    """Start a test over `samples`, or where it costs something, ask whether to; errors lead back to the samples."""
    step_key, anew = request.POST.get("step", ""), "anew" in request.POST
    try:
        estimate = estimate_of(workflow=workflow, samples=samples, step_key=step_key, anew=anew)
        if not estimate.is_free and "confirmed" not in request.POST and samples:
            return _confirm(request, workflow, estimate.words(), samples, estimate.reused)
        trial = start_trial(
            workflow=workflow,
            samples=samples,
            user=cast(User, request.user),
            now=utcnow(),
            step_key=step_key,
            source=source,
            anew=anew,
            estimate=estimate.to_json(),
        )
    except NothingToTest as error:
        messages.error(request, str(error))
        return to_tests(workflow)
    except DefinitionError as error:
        messages.error(request, f"The draft cannot run yet. {'; '.join(map(str, error.problems[:5]))}")
        return to_tests(workflow)
    return HttpResponseRedirect(reverse("test_run", args=[workflow.slug, trial.uid]))


def _confirm(request: HttpRequest, workflow: Workflow, words: str, samples: list[Sample], reused: int) -> HttpResponse:
    request.workflow_slug = workflow.slug  # type: ignore[attr-defined]  # for the sidebar
    return render_page(
        request,
        "test_confirm",
        title="Run this test?",
        zone=zone_of(workflow.tenant),
        workflow=workflow,
        words=words,
        count=len(samples),
        reused=reused,
        fields=[
            (name, value) for name, values in request.POST.lists() for value in values if name != "csrfmiddlewaretoken"
        ],
    )
