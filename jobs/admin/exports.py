"""Exports in the admin: started from a list, watched, downloaded and stopped here."""

from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST

from jobs.admin.job_list import read_list
from jobs.admin.views import shown_spec
from jobs.downloads import download_export
from jobs.models import JobExport
from jobs.services.exports import NotReady, cancel_export, start_export
from taskflow.lib.clock import utcnow
from tenants.admin import TenantScopedAdmin
from tenants.admin.current import actor_of, allowed, needs, zone_of
from tenants.admin.frame import render_page
from tenants.domain.roles import Permission
from tenants.models import Tenant
from workflows.models import Workflow

SHOWN = 100


@admin.register(JobExport)
class JobExportAdmin(TenantScopedAdmin):
    """Lists as files. Who sees the jobs may export them, and download what others of the tenant exported."""

    view_permission = Permission.VIEW_JOBS

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = [
            path("of/<slug:slug>/start/", wrap(require_POST(self.start_view)), name="jobs_jobexport_start"),
            path("<path:object_id>/cancel/", wrap(require_POST(self.cancel_view)), name="jobs_jobexport_cancel"),
            path("<path:object_id>/download/", wrap(self.download_view), name="jobs_jobexport_download"),
        ]
        return [*own, *super().get_urls()]

    @needs(Permission.VIEW_JOBS)
    def changelist_view(self, request: HttpRequest, tenant: Tenant, extra_context: Any = None) -> HttpResponse:
        rows = self.get_queryset(request).filter(tenant=tenant).select_related("workflow").order_by("-pk")[:SHOWN]
        return render_page(
            request,
            "exports",
            title="Exports",
            zone=zone_of(tenant),
            part="parts/export_rows",
            rows=rows,
            days=settings.EXPORT_DAYS,
        )

    @needs(Permission.VIEW_JOBS)
    def start_view(self, request: HttpRequest, tenant: Tenant, slug: str) -> HttpResponse:
        """Begin to export what a list shows."""
        rows = Workflow.objects.select_related("live_version", "next_version")
        workflow = get_object_or_404(rows, tenant=tenant, slug=slug)
        query = QueryDict(request.POST.get("query", ""))
        user = cast(User, request.user)
        filters, state = read_list(query, tenant, workflow, user)
        form = request.POST.get("format", "csv")
        problems = list(filters.problems)
        if form not in JobExport.Format.values:
            problems.append(f"There is no format '{form[:20]}'.")
        try:
            if not problems and state is not None:
                export = start_export(
                    workflow=workflow,
                    name=state.view.name if state.view else workflow.label_plural,
                    spec=shown_spec(state, workflow),
                    wanted=filters.wanted,
                    form=form,
                    actor=actor_of(request),
                    now=utcnow(),
                    user=user,
                )
                return _to(export)
        except NotReady as error:
            problems.append(str(error))
        messages.error(request, " ".join(problems))
        return HttpResponseRedirect(f"{reverse('admin:jobs_job_of', args=[slug])}?{query.urlencode()}")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        found = self.get_object(request, object_id)
        return render_page(
            request,
            "export",
            title="Export",
            zone=zone_of(found.tenant),
            part="parts/export_progress",
            found=found,
            percent=percent_of(found),
            days=settings.EXPORT_DAYS,
            may_cancel=self._may_cancel(request, found),
        )

    def cancel_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        found = self.get_object(request, object_id)
        if not self._may_cancel(request, found):
            raise PermissionDenied("Only who began it, and operators, can stop it.")
        if not cancel_export(export=found, actor=actor_of(request), now=utcnow()):
            messages.info(request, "It was over already.")
        return _to(found)

    def download_view(self, request: HttpRequest, object_id: str) -> FileResponse:
        return download_export(self.get_object(request, object_id))

    def _may_cancel(self, request: HttpRequest, found: JobExport) -> bool:
        own = found.created_by_id is not None and found.created_by_id == request.user.pk
        return own or allowed(request, Permission.ACT_ON_JOBS, found.tenant_id)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> JobExport:
        """Find an export by its public id. Raises Http404."""
        try:
            rows = self.get_queryset(request).filter(uid=UUID(object_id))
        except ValueError:
            raise Http404(f"'{object_id}' is not the id of an export.") from None
        found: JobExport = get_object_or_404(rows.select_related("tenant", "workflow", "created_by"))
        return found

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def percent_of(export: JobExport) -> int | None:
    """Return how far an export is; None where that is not known."""
    if export.state == JobExport.State.DONE:
        return 100
    if export.expected is not None:
        return min(99, 100 * export.rows // max(export.expected, 1))
    if export.cursor is None:
        return 0
    value, job_id = export.cursor
    return None if value is not None else min(99, 100 * (export.end_id - job_id) // max(export.end_id, 1))


def _to(export: JobExport) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("admin:jobs_jobexport_change", args=[export.uid]))
