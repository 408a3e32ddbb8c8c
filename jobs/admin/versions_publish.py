"""Publishing a draft: what changed, by whom, what is wrong with it, what the gate says, and how many jobs get it."""

from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from jobs.admin.diff_wording import place_in_words, view_of
from jobs.admin.versions_common import get_workflow
from jobs.models import Trial
from jobs.services.gate import gate_of, start_gate_run
from jobs.services.publishing import (
    LONGEST_REASON,
    OPEN,
    WORDS,
    DraftChanged,
    GateClosed,
    findings_of,
    publish_draft,
)
from jobs.services.trials import NothingToTest
from taskflow.lib.clock import utcnow
from tenants.admin.current import needs, require, zone_of
from tenants.admin.frame import render_page
from tenants.domain.roles import Permission
from tenants.models import Tenant
from workflows.domain.definition import DefinitionError
from workflows.models import Workflow, WorkflowVersion
from workflows.services.comparing import diff_versions
from workflows.services.releases import SHARES

MOST_CHANGES = 200


class PublishForm(forms.Form):
    """What a person says about a version."""

    notes = forms.CharField(required=False, max_length=5_000)
    share = forms.TypedChoiceField(coerce=int, choices=[(share, f"{share} %") for share in SHARES], initial=100)
    override = forms.CharField(required=False, max_length=LONGEST_REASON)
    revision = forms.IntegerField(required=False, min_value=0)


@needs(Permission.VIEW_WORKFLOWS)
def publish_view(_page: Any, request: HttpRequest, tenant: Tenant, slug: str) -> HttpResponse:
    """Show what publishing would do; do it, or test the golden samples, when asked to."""
    workflow = get_workflow(tenant, slug)
    require(request, Permission.EDIT_WORKFLOWS, tenant)
    draft = WorkflowVersion.objects.filter(draft_of=workflow).select_related("workflow").first()
    if draft is None:
        messages.error(request, "There is no draft to publish.")
        return HttpResponseRedirect(reverse("versions", args=[slug]))
    if "test" in request.POST:
        return _test(request, workflow)
    form = PublishForm(request.POST if request.method == "POST" else None, initial={"share": 100})
    if form.is_valid() and (done := _publish(request, workflow, form)) is not None:
        return done
    gate, findings = gate_of(workflow, now=utcnow()), findings_of(workflow)
    live = workflow.live_version
    changes = workflow.draft_changes.filter(version=None).select_related("by").order_by("-pk")[: MOST_CHANGES + 1]
    return render_page(
        request,
        "publish",
        title=f"Publish {workflow.name}",
        zone=zone_of(tenant),
        part="parts/publish_gate",
        workflow=workflow,
        draft=draft,
        form=form,
        shares=[(share, str(form["share"].value()) == str(share)) for share in SHARES],
        findings=findings,
        mistakes=[(place_in_words(workflow, draft, each.place), each.message) for each in findings.mistakes],
        gate=gate,
        gate_open=gate.status in OPEN,
        gate_words=WORDS[gate.status],
        run_url=_run_url(workflow, gate.run),
        diff=view_of(diff_versions(live, draft)),
        changes=list(changes[:MOST_CHANGES]),
        number=(
            workflow.versions.exclude(number=None).order_by("-number").values_list("number", flat=True).first() or 0
        )
        + 1,
    )


def _publish(request: HttpRequest, workflow: Workflow, form: PublishForm) -> HttpResponse | None:
    wanted = form.cleaned_data
    try:
        version = publish_draft(
            workflow=workflow,
            notes=wanted["notes"].strip(),
            now=utcnow(),
            user=cast(User, request.user),
            share=wanted["share"],
            override=wanted["override"],
            revision=wanted["revision"],
        )
    except DefinitionError:
        form.add_error(None, "The draft has mistakes; see above.")
    except GateClosed as error:
        form.add_error("override", str(error))
    except DraftChanged as error:
        form.add_error(None, str(error))
    else:
        released = workflow.next_version_id == version.pk
        who = f"{workflow.next_share} % of new jobs run it" if released else "new jobs run it"
        messages.success(request, f"Version {version.number} is published: {who}.")
        return HttpResponseRedirect(reverse("versions", args=[workflow.slug]))
    return None


def _test(request: HttpRequest, workflow: Workflow) -> HttpResponse:
    try:
        run = start_gate_run(workflow, cast(User, request.user), utcnow())
    except (NothingToTest, DefinitionError) as error:
        messages.error(request, f"It could not be tested. {error}")
    else:
        messages.success(request, f"{_golden(run.total)} being tested. This page tells what comes of it.")
    return HttpResponseRedirect(reverse("publish", args=[workflow.slug]))


def _run_url(workflow: Workflow, run: Trial | None) -> str:
    """Return the address of the test's page."""
    return reverse("test_run", args=[workflow.slug, run.uid]) if run is not None else ""


def _golden(count: int) -> str:
    return "1 golden sample is" if count == 1 else f"{count:,} golden samples are"
