"""The gallery: starter workflows to look at and to install, and a workflow's samples to send through it."""

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from unfold.widgets import UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from jobs.admin.columns import as_text
from jobs.domain.submission import SubmissionError
from jobs.services.samples import submit_samples
from taskflow.lib.clock import utcnow
from tenants.admin.current import actor_of, allowed, needs, require, zone_of
from tenants.admin.frame import render_page
from tenants.domain.connections import ConnectionUnusable, llm_connection
from tenants.domain.roles import Permission
from tenants.models import Tenant
from tenants.services.connections import connections_of
from workflows.domain.definition import SLUG, DefinitionError
from workflows.kinds.registry import KINDS
from workflows.models import Workflow
from workflows.services.gallery import (
    SlugTaken,
    Starter,
    StarterNotFound,
    free_slug,
    get_starter,
    install_starter,
    list_starters,
)


class InstallForm(forms.Form):
    """Under which name a starter is installed, and whether it goes live at once."""

    name = forms.CharField(max_length=200, widget=UnfoldAdminTextInputWidget)
    slug = forms.RegexField(
        SLUG,
        label="Short name",
        widget=UnfoldAdminTextInputWidget,
        help_text="Its name in addresses and in the API: small letters, digits, - and _.",
        error_messages={"invalid": "Use small letters, digits, - and _, at most 63."},
    )
    replace = forms.BooleanField(
        required=False,
        label="Replace the draft if there is a workflow of that short name",
        widget=UnfoldBooleanSwitchWidget,
        help_text="Its published versions and its jobs stay as they are. Its samples, name and labels are replaced.",
    )
    publish = forms.BooleanField(
        required=False,
        initial=True,
        label="Publish it at once",
        widget=UnfoldBooleanSwitchWidget,
        help_text="New jobs run it. Without this it is a draft that nothing runs yet.",
    )


class GalleryPages:
    """The pages below /admin/gallery/."""

    def get_urls(self) -> list[URLPattern]:
        wrap = admin.site.admin_view
        return [
            path("", wrap(self.list_view), name="gallery"),
            path("<slug:slug>/", wrap(self.starter_view), name="gallery_starter"),
        ]

    @needs(Permission.VIEW_WORKFLOWS)
    def list_view(self, request: HttpRequest, tenant: Tenant) -> HttpResponse:
        """Show every starter with what it does."""
        there = set(Workflow.objects.for_tenant(tenant).values_list("slug", flat=True))
        starters = [(starter, starter.slug in there) for starter in list_starters()]
        may_build = allowed(request, Permission.EDIT_WORKFLOWS, tenant.pk)
        return render_page(
            request, "gallery", title="Gallery", zone=zone_of(tenant), starters=starters, may_build=may_build
        )

    @needs(Permission.VIEW_WORKFLOWS)
    def starter_view(self, request: HttpRequest, tenant: Tenant, slug: str) -> HttpResponse:
        """Show one starter; install it when asked to."""
        try:
            starter = get_starter(slug)
        except StarterNotFound as error:
            raise Http404(str(error)) from error
        may_install = allowed(request, Permission.EDIT_WORKFLOWS, tenant.pk)
        initial = {"name": starter.definition.name, "slug": free_slug(tenant=tenant, wanted=starter.slug)}
        form = InstallForm(request.POST or None, initial=initial | {"publish": True})
        if request.method == "POST":
            require(request, Permission.EDIT_WORKFLOWS, tenant)
        if request.method == "POST" and form.is_valid():
            done = _install(request, tenant, starter, form)
            if done is not None:
                return done
        return render_page(
            request,
            "gallery_starter",
            title=starter.definition.name,
            zone=zone_of(tenant),
            starter=starter,
            steps=[(step.shown_name, _kind(step.kind)) for step in starter.definition.steps],
            fields=[field for field in starter.definition.fields if field.role == "output"],
            samples=[_sample(sample) for sample in starter.definition.samples or ()],
            form=form,
            may_install=may_install,
            model=_language_model(tenant),
            taken=initial["slug"] != starter.slug,
        )


def _install(request: HttpRequest, tenant: Tenant, starter: Starter, form: InstallForm) -> HttpResponse | None:
    wanted = form.cleaned_data
    try:
        imported = install_starter(
            tenant=tenant,
            starter=starter,
            now=utcnow(),
            slug=wanted["slug"],
            name=wanted["name"],
            replace=wanted["replace"],
            go_live=wanted["publish"],
            user=cast(User, request.user),
        )
    except SlugTaken as error:
        form.add_error("slug", str(error))
        return None
    except DefinitionError as error:
        form.add_error("slug", error.problems[0].message)
        return None
    workflow = imported.workflow
    if wanted["publish"]:
        messages.success(request, f"{workflow.name} is installed and live. Send a sample through to see what it does.")
        return HttpResponseRedirect(reverse("admin:jobs_job_of", args=[workflow.slug]))
    messages.success(request, f"{workflow.name} is installed as a draft. Publish it to use it.")
    return HttpResponseRedirect(reverse("builder", args=[workflow.slug]))


def _language_model(tenant: Tenant) -> str:
    """Return the name of the language model's connection that steps of this tenant use; empty for none."""
    try:
        return llm_connection(connections_of(tenant.pk)).slug
    except ConnectionUnusable:
        return ""


def _kind(name: str) -> str:
    return KINDS[name].title if name in KINDS else name


def _sample(sample: Any) -> dict[str, Any]:
    expected = sample.expected if isinstance(sample.expected, dict) else {}
    inputs = [(key, str(value)) for key, value in sample.input.items()]
    return {
        "name": sample.name,
        "input": inputs,
        "expected": [(key, as_text(value)) for key, value in expected.items()],
    }


@needs(Permission.VIEW_JOBS)
def samples_view(_page: Any, request: HttpRequest, tenant: Tenant, slug: str) -> HttpResponse:
    """Make jobs of a workflow's samples, and go back to its list."""
    workflow = get_object_or_404(Workflow, tenant=tenant, slug=slug)
    require(request, Permission.ACT_ON_JOBS, tenant)
    try:
        made = submit_samples(workflow=workflow, actor=actor_of(request), now=utcnow())
    except SubmissionError as error:
        messages.error(request, f"A sample does not fit the workflow. {error}")
    else:
        text = f"{len(made)} sample{'' if len(made) == 1 else 's'} sent." if made else "This workflow has no samples."
        messages.success(request, text)
    return HttpResponseRedirect(reverse("admin:jobs_job_of", args=[slug]))


urlpatterns = GalleryPages().get_urls()
