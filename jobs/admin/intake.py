"""Lists in the admin: upload one, say which column is what, watch it become jobs."""

from typing import Any, cast
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST

from jobs.admin.intake_form import KEEP, mapping_page, read_choices
from jobs.domain.intake.formats import BadFile, Format
from jobs.models import ImportState, ListImport
from jobs.runtime.problem_file import problems_answer
from jobs.services.intake import (
    OVER,
    MappingError,
    NotNew,
    cancel_import,
    pause_import,
    receive_list,
    resume_import,
    start_import,
)
from taskflow.lib.clock import utcnow
from tenants.admin import TenantScopedAdmin
from tenants.admin.current import actor_of, allowed, needs, require, zone_of
from tenants.admin.frame import render_page
from tenants.domain.roles import Permission
from tenants.models import Tenant
from workflows.models import Workflow

SHOWN = 100
SHOWN_PROBLEMS = 20


@admin.register(ListImport)
class ListImportAdmin(TenantScopedAdmin):
    """Uploaded lists: mapped to a workflow's fields, made into jobs in the background, stopped and told about."""

    view_permission = Permission.VIEW_JOBS

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        acts = {"pause": self.pause_view, "resume": self.resume_view, "cancel": self.cancel_view}
        own = [path("of/<slug:slug>/", wrap(self.upload_view), name="jobs_listimport_upload")]
        own += [
            path(f"<path:object_id>/{verb}/", wrap(require_POST(view)), name=f"jobs_listimport_{verb}")
            for verb, view in acts.items()
        ]
        own.append(path("<path:object_id>/errors/", wrap(self.errors_view), name="jobs_listimport_errors"))
        return [*own, *super().get_urls()]

    @needs(Permission.VIEW_JOBS)
    def changelist_view(self, request: HttpRequest, tenant: Tenant, extra_context: Any = None) -> HttpResponse:
        rows = self.get_queryset(request).filter(tenant=tenant).select_related("workflow").order_by("-pk")[:SHOWN]
        return render_page(
            request, "list_imports", title="Imports", zone=zone_of(tenant), part="parts/list_import_rows", rows=rows
        )

    @needs(Permission.VIEW_JOBS)
    def upload_view(self, request: HttpRequest, tenant: Tenant, slug: str) -> HttpResponse:
        """Take a list for a workflow, and go on to its columns."""
        workflow = get_object_or_404(Workflow.objects.select_related("live_version"), tenant=tenant, slug=slug)
        require(request, Permission.ACT_ON_JOBS, tenant)
        problem = ""
        if request.method == "POST":
            try:
                return _to(_receive(request, workflow))
            except BadFile as error:
                problem = str(error)
        request.workflow_slug = slug  # type: ignore[attr-defined]  # for the sidebar
        title = f"Upload {workflow.label_plural.lower()}"
        return render_page(
            request, "list_upload", title=title, zone=zone_of(tenant), workflow=workflow, problem=problem
        )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        found = self.get_object(request, object_id)
        may_act = allowed(request, Permission.ACT_ON_JOBS, found.tenant_id)
        if found.state == ImportState.NEW and may_act:
            return self._map(request, found)
        return render_page(
            request,
            "list_import",
            title="Import",
            zone=zone_of(found.tenant),
            part="parts/list_import_progress",
            found=found,
            percent=found.permille // 10,
            unknown=found.form["kind"] == "xlsx" and found.state == ImportState.RUNNING,
            over=found.state in OVER,
            problems=list(found.problems.order_by("pk")[:SHOWN_PROBLEMS]),
            may_act=may_act,
        )

    def _map(self, request: HttpRequest, found: ListImport) -> HttpResponse:
        """Show the first rows and where each column goes; start when asked to."""
        form = read_choices(request.POST, Format.from_json(found.form))
        try:
            page = mapping_page(found, form, request.POST if "start" in request.POST else None)
        except (BadFile, LookupError) as error:
            messages.error(request, f"It cannot be read like that: {error}")
            return _to(found)
        if "start" in request.POST:
            try:
                key_column = request.POST.get("key_column", "")
                start_import(list_import=found, now=utcnow(), mapping=page.chosen, key_column=key_column, form=form)
            except MappingError as error:
                page.problems = [f"{name}: {reason}" if name else reason for name, reason in error.problems]
            except NotNew as error:
                messages.info(request, str(error))
                return _to(found)
            else:
                return _to(found)
        request.workflow_slug = found.workflow.slug  # type: ignore[attr-defined]  # for the sidebar
        return render_page(
            request,
            "list_mapping",
            title="Import a list",
            zone=zone_of(found.tenant),
            found=found,
            form=form,
            page=page,
            keep=KEEP,
        )

    def pause_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        found = self._to_act_on(request, object_id)
        return _acted(request, found, pause_import(list_import=found))

    def resume_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        found = self._to_act_on(request, object_id)
        return _acted(request, found, resume_import(list_import=found))

    def cancel_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        found = self._to_act_on(request, object_id)
        return _acted(request, found, cancel_import(list_import=found, actor=actor_of(request), now=utcnow()))

    def errors_view(self, request: HttpRequest, object_id: str) -> Any:
        """Give the rows that became no job as a file."""
        return problems_answer(self.get_object(request, object_id))

    def _to_act_on(self, request: HttpRequest, object_id: str) -> ListImport:
        found = self.get_object(request, object_id)
        require(request, Permission.ACT_ON_JOBS, found.tenant)
        return found

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> ListImport:
        """Find an import by its public id. Raises Http404."""
        try:
            found = self.get_queryset(request).filter(uid=UUID(object_id))
        except ValueError:
            raise Http404(f"'{object_id}' is not the id of an import.") from None
        wanted = found.select_related("tenant", "workflow__live_version", "created_by")
        list_import: ListImport = get_object_or_404(wanted)
        return list_import

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _receive(request: HttpRequest, workflow: Workflow) -> ListImport:
    file = request.FILES.get("file")
    if file is None:
        raise BadFile("Choose a file first.")
    return receive_list(
        workflow=workflow,
        file=cast(Any, file),
        filename=str(file.name),
        size=int(file.size or 0),
        actor=actor_of(request),
        now=utcnow(),
        user=cast(User, request.user),
    )


def _to(found: ListImport) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("admin:jobs_listimport_change", args=[found.uid]))


def _acted(request: HttpRequest, found: ListImport, done: bool) -> HttpResponse:
    if not done:
        messages.info(request, "It was in another state already.")
    return _to(found)
