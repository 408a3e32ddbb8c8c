"""The builder: /admin/build/SLUG/, where a workflow is shaped, and what its page calls."""

from typing import Any, cast
from urllib.parse import quote

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from taskflow.lib.clock import utcnow
from tenants.admin.current import actor_of, allowed, needs, require, zone_of
from tenants.domain.roles import Permission
from tenants.models import Tenant
from workflows.admin.builder_actions import ACTIONS, Asked, Done, SettingsRefused
from workflows.admin.builder_check import check_posted
from workflows.admin.builder_life import delete_view, new_view
from workflows.admin.builder_page import panel_asked, render_builder
from workflows.admin.builder_state import Panel
from workflows.admin.presence import note_editor
from workflows.domain.definition import DefinitionError
from workflows.domain.drafts import BadEdit
from workflows.domain.yamlfile import dump_yaml
from workflows.models import Workflow
from workflows.queries import get_draft, get_draft_content, list_draft_changes
from workflows.services.drafting import Conflict
from workflows.services.files import draft_data, export_workflow

MOST_NEWS = 3


@needs(Permission.VIEW_WORKFLOWS)
def page_view(_page: Any, request: HttpRequest, tenant: Tenant, slug: str) -> HttpResponse:
    """Show the workflow with its draft; `?step=KEY` or `?panel=NAME` says what of it is open."""
    workflow = get_object_or_404(Workflow.objects.select_related("live_version"), tenant=tenant, slug=slug)
    return render_builder(request, tenant, workflow, panel_asked(request))


@needs(Permission.VIEW_WORKFLOWS)
def edit_view(_page: Any, request: HttpRequest, tenant: Tenant, slug: str) -> HttpResponse:
    """Do what a button says; what cannot be done comes back as it was typed, with the reasons."""
    workflow = get_object_or_404(Workflow.objects.select_related("live_version"), tenant=tenant, slug=slug)
    require(request, Permission.EDIT_WORKFLOWS, tenant)
    action, panel = ACTIONS.get(request.POST.get("action", ""), (None, "overview"))
    if action is None:
        messages.error(request, "This button is not known here. The page was loaded anew.")
        return _go(workflow, "")
    asked = Asked(workflow, request.POST, cast(User, request.user), utcnow(), request)
    failed = Panel(panel, asked.key, posted=request.POST if panel != "overview" else None)
    try:
        done = action(asked)
    except Conflict as error:
        return _refused(request, tenant, workflow, _with(failed, conflict=error))
    except BadEdit as error:
        return _refused(request, tenant, workflow, _with(failed, errors={error.field: error.message}))
    except SettingsRefused as error:
        return _refused(request, tenant, workflow, _with(failed, errors=error.problems))
    except DefinitionError as error:
        return _refused(request, tenant, workflow, _with(failed, problems=error.problems))
    return _tell(request, workflow, done)


def _with(panel: Panel, **changes: Any) -> Panel:
    return Panel(panel.name, panel.step, panel.posted, **changes)


def _refused(request: HttpRequest, tenant: Tenant, workflow: Workflow, panel: Panel) -> HttpResponse:
    workflow.refresh_from_db()
    return render_builder(request, tenant, workflow, panel)


def _tell(request: HttpRequest, workflow: Workflow, done: Done) -> HttpResponse:
    for index, text in enumerate(done.told):
        messages.success(request, text, extra_tags="undoable" if done.undoable and index == 0 else "")
    return _go(workflow, done.query)


def _go(workflow: Workflow, query: str) -> HttpResponse:
    return HttpResponseRedirect(reverse("builder", args=[workflow.slug]) + quote(query, safe="?=&"))


@needs(Permission.VIEW_WORKFLOWS)
def check_step_view(_page: Any, request: HttpRequest, tenant: Tenant, slug: str) -> HttpResponse:
    """Say what is wrong with what is typed, before it is saved."""
    workflow = get_object_or_404(Workflow, tenant=tenant, slug=slug)
    require(request, Permission.EDIT_WORKFLOWS, tenant)
    return JsonResponse(check_posted(workflow, request.POST))


@needs(Permission.VIEW_WORKFLOWS)
def presence_view(_page: Any, request: HttpRequest, tenant: Tenant, slug: str) -> HttpResponse:
    """Note who looks, and say who else does and what they changed meanwhile."""
    workflow = get_object_or_404(Workflow, tenant=tenant, slug=slug)
    others = []
    if allowed(request, Permission.EDIT_WORKFLOWS, tenant.pk):
        others = note_editor(
            workflow_id=workflow.pk,
            user_id=cast(int, request.user.pk),
            name=cast(User, request.user).get_full_name() or actor_of(request),
            step=request.POST.get("open_step", "")[:50],
            now=utcnow(),
        )
    seen = request.POST.get("revision", "")
    draft = get_draft(workflow)
    moved = draft is not None and seen.isdecimal() and draft.revision != int(seen[:9])
    news = list_draft_changes(workflow, since=int(seen[:9]))[:MOST_NEWS] if moved else []
    names = {step.key: step.name for step in get_draft_content(workflow, draft).steps} if others else {}
    shown = [(other.name, names.get(other.step, "")) for other in others]
    with timezone.override(zone_of(tenant)):
        return render(request, "taskflow/parts/builder_presence.html", {"others": shown, "moved": moved, "news": news})


@needs(Permission.VIEW_WORKFLOWS)
def export_view(_page: Any, request: HttpRequest, tenant: Tenant, slug: str) -> HttpResponse:
    """Give the draft out as a file; without a draft, the live version. A draft with mistakes is given out as it is."""
    workflow = get_object_or_404(Workflow.objects.select_related("live_version"), tenant=tenant, slug=slug)
    try:
        text = export_workflow(workflow)
    except DefinitionError:
        text = dump_yaml(draft_data(workflow, get_draft_content(workflow, get_draft(workflow))))
    response = HttpResponse(text, content_type="application/yaml; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{workflow.slug}.yaml"'
    return response


class BuilderPages:
    """The pages below /admin/build/."""

    def get_urls(self) -> list[URLPattern]:
        wrap = admin.site.admin_view
        posted = require_POST
        return [
            path("new/", wrap(new_view.__get__(self)), name="builder_new"),
            path("<slug:slug>/", wrap(require_GET(page_view.__get__(self))), name="builder"),
            path("<slug:slug>/edit/", wrap(posted(edit_view.__get__(self))), name="builder_edit"),
            path("<slug:slug>/check/", wrap(posted(check_step_view.__get__(self))), name="builder_check"),
            path("<slug:slug>/presence/", wrap(posted(presence_view.__get__(self))), name="builder_presence"),
            path("<slug:slug>/export/", wrap(require_GET(export_view.__get__(self))), name="builder_export"),
            path("<slug:slug>/delete/", wrap(delete_view.__get__(self)), name="builder_delete"),
        ]


urlpatterns = BuilderPages().get_urls()
