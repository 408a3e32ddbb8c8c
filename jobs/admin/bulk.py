"""Actions on many jobs at once: what they will do, whether to do it, and how far they are."""

from typing import Any, cast
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.views.decorators.http import require_POST

from jobs.admin.bulk_wording import describe, progress_of, skipped_of
from jobs.admin.job_list import read_list
from jobs.admin.view_pages import unusable_for_actions
from jobs.domain.job_filter import LIST_KINDS, JobFilter
from jobs.models import BulkAction, Job
from jobs.services.bulk import COUNT_LIMIT, expected, start_bulk_action, stop_bulk_action
from taskflow.lib.clock import utcnow
from tenants.admin import TenantScopedAdmin
from tenants.admin.current import actor_of, allowed, needs, require, zone_of
from tenants.admin.frame import render_page
from tenants.domain.roles import Permission
from tenants.models import Tenant
from workflows.models import Workflow

SHOWN = 100
LONGEST_SELECTION = 500


@admin.register(BulkAction)
class BulkActionAdmin(TenantScopedAdmin):
    """Bulk actions: started from a list of jobs, watched and stopped here."""

    view_permission = Permission.VIEW_JOBS

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = [
            path("start/", wrap(require_POST(self.start_view)), name="jobs_bulkaction_start"),
            path("<path:object_id>/stop/", wrap(require_POST(self.stop_view)), name="jobs_bulkaction_stop"),
        ]
        return [*own, *super().get_urls()]

    @needs(Permission.VIEW_JOBS)
    def changelist_view(self, request: HttpRequest, tenant: Tenant, extra_context: Any = None) -> HttpResponse:
        actions = self.get_queryset(request).filter(tenant=tenant).select_related("created_by").order_by("-pk")[:SHOWN]
        return render_page(
            request,
            "bulk_list",
            title="Bulk actions",
            zone=zone_of(tenant),
            part="parts/bulk_rows",
            rows=[{"action": action, "progress": progress_of(action), "what": describe(action)} for action in actions],
        )

    @needs(Permission.ACT_ON_JOBS)
    def start_view(self, request: HttpRequest, tenant: Tenant) -> HttpResponse:
        """Say what the action would do; do it once that is confirmed."""
        kind = request.POST.get("kind", "")
        if kind not in LIST_KINDS:
            raise Http404(f"There is no bulk action '{kind}'.")
        wanted, problems = _read_selection(request, tenant)
        if problems:
            messages.error(request, " ".join(problems))
            return HttpResponseRedirect(_back(request.POST))
        if "confirmed" in request.POST:
            action = start_bulk_action(
                tenant=tenant, kind=kind, wanted=wanted, user=cast(User, request.user), now=utcnow()
            )
            return HttpResponseRedirect(reverse("admin:jobs_bulkaction_change", args=[action.uid]))
        return _confirm(request, tenant, kind, wanted)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        action = self.get_object(request, object_id)
        return render_page(
            request,
            "bulk",
            title=describe(action),
            zone=zone_of(action.tenant),
            part="parts/bulk_progress",
            action=action,
            progress=progress_of(action),
            reasons=skipped_of(action),
            back=_list_of(action),
            may_stop=allowed(request, Permission.ACT_ON_JOBS, action.tenant_id),
        )

    def stop_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        action = self.get_object(request, object_id)
        require(request, Permission.ACT_ON_JOBS, action.tenant)
        if not stop_bulk_action(action=action, actor=actor_of(request), now=utcnow()):
            messages.info(request, "It was over already.")
        return HttpResponseRedirect(reverse("admin:jobs_bulkaction_change", args=[action.uid]))

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> BulkAction:
        """Find an action by its public id. Raises Http404."""
        try:
            found = self.get_queryset(request).filter(uid=UUID(object_id))
        except ValueError:
            raise Http404(f"'{object_id}' is not the id of a bulk action.") from None
        action: BulkAction = get_object_or_404(found.select_related("tenant", "created_by"))
        return action

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _read_selection(request: HttpRequest, tenant: Tenant) -> tuple[JobFilter, list[str]]:
    """Return the jobs meant: those ticked, or all that match the list's filters and its view."""
    form = request.POST
    if form.get("scope") != "all":
        return _ticked(form, tenant)
    slug = form.get("workflow", "")
    workflow = get_object_or_404(Workflow, tenant=tenant, slug=slug) if slug else None
    query = QueryDict(form.get("query", ""))
    filters, _ = read_list(query, tenant, workflow, cast(User, request.user))
    unusable = unusable_for_actions(filters.wanted)
    return filters.wanted, [*filters.problems, *([unusable] if unusable else [])]


def _ticked(form: QueryDict, tenant: Tenant) -> tuple[JobFilter, list[str]]:
    try:
        uids = [UUID(text) for text in form.getlist("job")[:LONGEST_SELECTION]]
    except ValueError:
        return JobFilter(), ["The selection holds something that is not the id of a job."]
    ids = tuple(Job.objects.for_tenant(tenant).filter(uid__in=uids).values_list("pk", flat=True))
    return JobFilter(ids=ids), [] if ids else ["Select at least one job."]


def _confirm(request: HttpRequest, tenant: Tenant, kind: str, wanted: JobFilter) -> HttpResponse:
    return render_page(
        request,
        "bulk_confirm",
        title="Confirm",
        zone=zone_of(tenant),
        kind=kind,
        wanted=wanted,
        count=expected(tenant_id=tenant.pk, kind=kind, wanted=wanted),
        limit=COUNT_LIMIT,
        states=[state.title() for state in wanted.for_kind(kind)],
        fields=[
            (name, value) for name, values in request.POST.lists() for value in values if name != "csrfmiddlewaretoken"
        ],
        back=_back(request.POST),
    )


def _back(form: QueryDict) -> str:
    slug, query = form.get("workflow", ""), QueryDict(form.get("query", "")).urlencode()
    try:
        base = reverse("admin:jobs_job_of", args=[slug]) if slug else reverse("admin:jobs_job_changelist")
    except NoReverseMatch:
        base = reverse("admin:jobs_job_changelist")
    return f"{base}?{query}" if query else base


def _list_of(action: BulkAction) -> str:
    workflow_id = action.filters["wanted"]["workflow_id"]
    slug = Workflow.objects.filter(pk=workflow_id).values_list("slug", flat=True).first() if workflow_id else None
    return reverse("admin:jobs_job_of", args=[slug]) if slug else reverse("admin:jobs_job_changelist")
