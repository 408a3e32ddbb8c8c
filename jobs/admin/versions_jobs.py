"""Jobs of other versions: moving those that have not begun to a version, and running finished ones again on it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from django import forms
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from jobs.admin.versions_common import get_workflow
from jobs.domain.job_filter import JobFilter
from jobs.domain.states import FINAL, State
from jobs.queries.versions import Estimate, estimate_rerun
from jobs.services.bulk import COUNT_LIMIT, expected, start_bulk_action
from jobs.services.versioning import first_change
from taskflow.lib.clock import utcnow
from tenants.admin.current import needs, require, zone_of
from tenants.admin.frame import render_page
from tenants.domain.roles import Permission
from tenants.models import Tenant
from workflows.models import Workflow, WorkflowVersion

STATES = [(state.value, state.title()) for state in State if state in FINAL]
KINDS = ("move", "rerun")


class JobsForm(forms.Form):
    """Which jobs are meant, and on which version they are to run."""

    kind = forms.ChoiceField(choices=[(kind, kind) for kind in KINDS])
    version = forms.IntegerField(min_value=1, error_messages={"required": "Choose a version."})
    states = forms.MultipleChoiceField(choices=STATES, required=False)
    since = forms.DateField(required=False, error_messages={"invalid": "Write a day as 2026-03-31."})

    def wanted(self, workflow: Workflow, tenant: Tenant) -> JobFilter:
        """Return the jobs that are meant."""
        day = self.cleaned_data["since"]
        since = datetime(day.year, day.month, day.day, tzinfo=zone_of(tenant)) if day else None
        states = tuple(self.cleaned_data["states"]) if self.cleaned_data["kind"] == "rerun" else ()
        return JobFilter(workflow_id=workflow.pk, states=states, created_from=since)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("kind") == "rerun" and not cleaned.get("states") and "states" not in self.errors:
            self.add_error("states", "Choose at least one.")
        return cleaned


@dataclass(frozen=True, slots=True)
class Plan:
    """What would happen: to how many jobs at most (None: more than are counted), and what each may take."""

    version: WorkflowVersion
    count: int | None
    estimate: Estimate | None
    step: str
    cost: float | None


@needs(Permission.VIEW_WORKFLOWS)
def jobs_view(_page: Any, request: HttpRequest, tenant: Tenant, slug: str) -> HttpResponse:
    """Ask which jobs are meant, say how many those are, and send the action on its way once that is confirmed."""
    workflow = get_workflow(tenant, slug)
    require(request, Permission.ACT_ON_JOBS, tenant)
    live = workflow.live_version
    usual = {"kind": request.GET.get("kind", "rerun"), "version": live and live.number, "states": [State.FAILED.value]}
    if usual["kind"] not in KINDS:
        raise Http404("There is no such action.")
    form = JobsForm(request.POST if request.method == "POST" else None, initial=usual)
    plan = None
    if form.is_valid():
        version = workflow.versions.filter(number=form.cleaned_data["version"]).first()
        if version is None:
            form.add_error("version", "There is no such version.")
        elif "confirmed" in request.POST:
            return _start(request, tenant, workflow, form, version)
        else:
            plan = _plan(tenant, workflow, form, version)
    numbers = workflow.versions.exclude(number=None).order_by("-number").values_list("number", flat=True)
    return render_page(
        request,
        "version_jobs",
        title="Run jobs again on a version" if form["kind"].value() == "rerun" else "Move jobs to a version",
        zone=zone_of(tenant),
        workflow=workflow,
        form=form,
        kind=form["kind"].value(),
        chosen={str(state) for state in form["states"].value() or ()},
        states=STATES,
        numbers=list(numbers[:200]),
        version=str(form["version"].value() or ""),
        plan=plan,
        limit=COUNT_LIMIT,
    )


def _start(
    request: HttpRequest, tenant: Tenant, workflow: Workflow, form: JobsForm, version: WorkflowVersion
) -> HttpResponse:
    action = start_bulk_action(
        tenant=tenant,
        kind=form.cleaned_data["kind"],
        wanted=form.wanted(workflow, tenant),
        user=cast(User, request.user),
        now=utcnow(),
        version=version,
    )
    return HttpResponseRedirect(reverse("admin:jobs_bulkaction_change", args=[action.uid]))


def _plan(tenant: Tenant, workflow: Workflow, form: JobsForm, version: WorkflowVersion) -> Plan:
    kind = form.cleaned_data["kind"]
    count = expected(tenant_id=tenant.pk, kind=kind, wanted=form.wanted(workflow, tenant))
    before = workflow.versions.exclude(number=None).exclude(pk=version.pk).order_by("-number").first()
    if kind == "move" or before is None:
        return Plan(version, count, None, "", None)
    position = first_change(before.pk, version.pk)
    step = version.steps.filter(position=position).first()
    estimate = estimate_rerun(before, position)
    cost = estimate.cost * count if estimate is not None and count is not None else None
    return Plan(version, count, estimate, step.name if step else "", cost)
