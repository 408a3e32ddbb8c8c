"""How workflows begin and end: a new one of a name, and the page that deletes one, or says why it cannot."""

from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from unfold.widgets import UnfoldAdminTextInputWidget

from taskflow.lib.clock import utcnow
from tenants.admin.current import needs, require, zone_of
from tenants.admin.frame import render_page
from tenants.domain.roles import Permission
from tenants.models import Tenant
from workflows.admin.palette import ICONS
from workflows.models import Workflow
from workflows.services.lifecycle import WorkflowInUse, create_workflow, delete_workflow, what_needs


class NewWorkflowForm(forms.Form):
    """What a workflow is called, and what its items are."""

    name = forms.CharField(
        max_length=200,
        label="Name",
        widget=UnfoldAdminTextInputWidget(attrs={"autofocus": True}),
        help_text="What it does: Sort support tickets.",
    )
    singular = forms.CharField(
        max_length=60, label="One item is called", widget=UnfoldAdminTextInputWidget, help_text="Ticket"
    )
    plural = forms.CharField(
        max_length=60, label="Many are called", widget=UnfoldAdminTextInputWidget, help_text="Tickets"
    )
    icon = forms.ChoiceField(
        choices=[("", "None"), *ICONS.items()], required=False, label="Icon", widget=forms.RadioSelect
    )


@needs(Permission.VIEW_WORKFLOWS)
def new_view(_page: Any, request: HttpRequest, tenant: Tenant) -> HttpResponse:
    """Ask for a name and labels, make the workflow, and go on to its builder."""
    require(request, Permission.EDIT_WORKFLOWS, tenant)
    form = NewWorkflowForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        workflow = create_workflow(tenant=tenant, by=cast(User, request.user), now=utcnow(), **form.cleaned_data)
        messages.success(request, f"{workflow.name} is there. Add its first step.")
        return HttpResponseRedirect(reverse("builder", args=[workflow.slug]) + "?panel=add")
    return render_page(request, "builder_new", title="New workflow", zone=zone_of(tenant), form=form, icons=ICONS)


@needs(Permission.VIEW_WORKFLOWS)
def delete_view(_page: Any, request: HttpRequest, tenant: Tenant, slug: str) -> HttpResponse:
    """Delete a workflow that nothing needs; else say what does, and offer to switch it off."""
    workflow = get_object_or_404(Workflow, tenant=tenant, slug=slug)
    require(request, Permission.EDIT_WORKFLOWS, tenant)
    if request.method == "POST":
        done = _delete(request, workflow)
        if done is not None:
            return done
    return render_page(
        request,
        "builder_delete",
        title=f"Delete {workflow.name}",
        zone=zone_of(tenant),
        workflow=workflow,
        needed_by=what_needs(workflow),
    )


def _delete(request: HttpRequest, workflow: Workflow) -> HttpResponse | None:
    try:
        delete_workflow(workflow=workflow)
    except WorkflowInUse as error:
        messages.error(request, f"{workflow.name} is not deleted. {error}")
        return None
    messages.success(request, f"{workflow.name} is deleted.")
    return HttpResponseRedirect(reverse("admin:workflows_workflow_changelist"))
