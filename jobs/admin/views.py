"""The pages of a workflow's views: all of them, and the form in which one is made, changed, shared and deleted."""

from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST

from jobs.admin.columns import columns_of
from jobs.admin.view_bar import may_edit
from jobs.admin.view_form import form_context, read_spec, typed_spec
from jobs.admin.view_state import ViewState, read_state
from jobs.domain.view_spec import ViewColumn, ViewSpec
from jobs.models import IndexedField, SavedView
from jobs.queries.views import default_view, find_view, list_views
from jobs.services.views import ViewProblems, delete_view, save_view, set_default
from taskflow.lib.clock import utcnow
from tenants.admin.current import allowed, needs, zone_of
from tenants.admin.frame import render_page
from tenants.domain.roles import Permission
from tenants.models import Tenant
from workflows.models import Workflow

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class ViewPages:
    """The pages below /admin/build/SLUG/views/."""

    def get_urls(self) -> list[URLPattern]:
        wrap = admin.site.admin_view
        post = {"delete": self.delete_view, "default": self.default_view}
        return [
            path("<slug:slug>/views/", wrap(self.list_view), name="views"),
            path("<slug:slug>/views/new/", wrap(self.new_view), name="view_new"),
            path("<slug:slug>/views/<uuid:view>/", wrap(self.edit_view), name="view_edit"),
            *(
                path(f"<slug:slug>/views/<uuid:view>/{verb}/", wrap(require_POST(page)), name=f"view_{verb}")
                for verb, page in post.items()
            ),
        ]

    @needs(Permission.VIEW_JOBS)
    def list_view(self, request: HttpRequest, tenant: Tenant, slug: str) -> HttpResponse:
        """Show the views of a workflow that this person sees, and the fields that are indexed for them."""
        workflow = _workflow(tenant, slug)
        mine = default_view(workflow, _user(request))
        views = list_views(workflow, _user(request)).select_related("owner")
        return _render(
            request,
            tenant,
            workflow,
            "views",
            title=f"Views of {workflow.label_plural}",
            part="parts/view_rows",
            rows=[(view, may_edit(request, tenant, view), view == mine) for view in views],
            fields=IndexedField.objects.filter(workflow=workflow).order_by("path"),
        )

    @needs(Permission.VIEW_JOBS)
    def new_view(self, request: HttpRequest, tenant: Tenant, slug: str) -> HttpResponse:
        """Make a view, beginning with what the list that one comes from shows."""
        workflow = _workflow(tenant, slug)
        spec = _shown(request.GET, workflow, tenant, _user(request))
        return _form(request, tenant, workflow, None, spec)

    @needs(Permission.VIEW_JOBS)
    def edit_view(self, request: HttpRequest, tenant: Tenant, slug: str, view: UUID) -> HttpResponse:
        """Change a view; who may not may save it as their own."""
        workflow = _workflow(tenant, slug)
        found = _find(request, workflow, view)
        return _form(request, tenant, workflow, found, ViewSpec.model_validate(found.spec))

    @needs(Permission.VIEW_JOBS)
    def delete_view(self, request: HttpRequest, tenant: Tenant, slug: str, view: UUID) -> HttpResponse:
        workflow = _workflow(tenant, slug)
        found = _find(request, workflow, view)
        if not may_edit(request, tenant, found):
            raise PermissionDenied("Only its owner, and of a shared view an editor, deletes it.")
        delete_view(view=found, now=utcnow())
        messages.success(request, f"The view “{found.name}” is deleted. The jobs stay as they are.")
        return HttpResponseRedirect(reverse("views", args=[slug]))

    @needs(Permission.VIEW_JOBS)
    def default_view(self, request: HttpRequest, tenant: Tenant, slug: str, view: UUID) -> HttpResponse:
        """Let this person's list open with the view, or no longer."""
        workflow = _workflow(tenant, slug)
        found = _find(request, workflow, view)
        on = default_view(workflow, _user(request)) != found
        set_default(workflow=workflow, user=_user(request), view=found if on else None)
        opens = f"with “{found.name}”" if on else "with all of them again"
        messages.success(request, f"Your list of {workflow.label_plural} now opens {opens}.")
        return HttpResponseRedirect(f"{reverse('admin:jobs_job_of', args=[slug])}?view={found.uid}")


def _form(
    request: HttpRequest, tenant: Tenant, workflow: Workflow, view: SavedView | None, spec: ViewSpec
) -> HttpResponse:
    """Show the form, or save what it says."""
    may_share = allowed(request, Permission.ACT_ON_JOBS, tenant.pk)
    own = view is None or may_edit(request, tenant, view)
    problems: list[tuple[str, str]] = []
    if request.method == "POST":
        target = view if own and "save_as" not in request.POST else None
        try:
            spec = typed_spec(request.POST)
            spec = read_spec(request.POST)
            saved = save_view(
                workflow=workflow,
                user=_user(request),
                name=request.POST.get("name", ""),
                spec=spec,
                shared=_shared(request, target, may_share=may_share),
                now=utcnow(),
                view=target,
            )
        except ViewProblems as error:
            problems = error.problems
        else:
            messages.success(request, f"The view “{saved.name}” is saved.")
            return HttpResponseRedirect(f"{reverse('admin:jobs_job_of', args=[workflow.slug])}?view={saved.uid}")
    return _render(
        request,
        tenant,
        workflow,
        "view_form",
        title=f"View: {view.name}" if view else "New view",
        view=view,
        own=own,
        may_share=may_share,
        problems=problems,
        view_name=request.POST.get("name", view.name if view else ""),
        shared="shared" in request.POST if request.method == "POST" else bool(view and view.shared),
        **form_context(workflow, spec),
    )


def _shared(request: HttpRequest, view: SavedView | None, *, may_share: bool) -> bool:
    """Return whether the view is shared from now on: who may not share leaves that as it is."""
    if may_share:
        return "shared" in request.POST
    return bool(view and view.shared)


def _shown(query: QueryDict, workflow: Workflow, tenant: Tenant, user: "User") -> ViewSpec:
    """Return what a list with this address shows."""
    return shown_spec(read_state(query, workflow, user, zone_of(tenant)), workflow)


def shown_spec(state: ViewState, workflow: Workflow) -> ViewSpec:
    """Return what a list shows as a view, its columns spelled out where it has none of its own."""
    spec = state.spec
    if spec.columns:
        return spec
    listed = [c for c in columns_of(workflow.live_version) if c.key != "…"]
    paths = [*(f"{c.source}.{c.key}" for c in listed), "job.queue", "job.created", "job.duration"]
    return spec.model_copy(update={"columns": tuple(ViewColumn(path=path, label="") for path in paths)})


def _render(
    request: HttpRequest, tenant: Tenant, workflow: Workflow, name: str, *, title: str, **context: Any
) -> HttpResponse:
    request.workflow_slug = workflow.slug  # type: ignore[attr-defined]  # for the sidebar
    return render_page(request, name, title=title, zone=zone_of(tenant), workflow=workflow, **context)


def _workflow(tenant: Tenant, slug: str) -> Workflow:
    rows = Workflow.objects.select_related("live_version", "next_version")
    found: Workflow = get_object_or_404(rows, tenant=tenant, slug=slug)
    return found


def _find(request: HttpRequest, workflow: Workflow, uid: UUID) -> SavedView:
    found = find_view(workflow, _user(request), uid)
    if found is None:
        raise Http404("There is no such view.")
    return found


def _user(request: HttpRequest) -> "User":
    return cast("User", request.user)


urlpatterns = ViewPages().get_urls()
