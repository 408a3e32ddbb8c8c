"""Jobs in the admin: lists, and a page a job that reads like a story.

There is no form of the raw row: what changes a job goes through services.
"""

from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST

from jobs.admin.act import cancel_view, retry_view
from jobs.admin.gallery import samples_view
from jobs.admin.job_list import job_list
from jobs.admin.new_job import file_view, new_job_view
from jobs.admin.story import story_view
from jobs.models import Job
from tenants.admin import TenantScopedAdmin
from tenants.admin.current import needs
from tenants.domain.roles import Permission
from tenants.models import Tenant


@admin.register(Job)
class JobAdmin(TenantScopedAdmin):
    """The jobs of a person's tenants. They are seen here and acted on; nobody adds, edits or deletes one by hand."""

    view_permission = Permission.VIEW_JOBS

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = [
            path("of/<slug:slug>/", wrap(self.workflow_view), name="jobs_job_of"),
            path("of/<slug:slug>/new/", wrap(self.new_view), name="jobs_job_new"),
            path("<path:object_id>/files/<uuid:file>/", wrap(self.file_view), name="jobs_job_file"),
            path("of/<slug:slug>/samples/", wrap(require_POST(partial(samples_view, self))), name="jobs_job_samples"),
            path("<path:object_id>/retry/", wrap(self.retry_view), name="jobs_job_retry"),
            path("<path:object_id>/cancel/", wrap(self.cancel_view), name="jobs_job_cancel"),
        ]
        return [*own, *super().get_urls()]

    @needs(Permission.VIEW_JOBS)
    def changelist_view(self, request: HttpRequest, tenant: Tenant, extra_context: Any = None) -> HttpResponse:
        return job_list(request, tenant)

    @needs(Permission.VIEW_JOBS)
    def workflow_view(self, request: HttpRequest, tenant: Tenant, slug: str) -> HttpResponse:
        return job_list(request, tenant, slug)

    @needs(Permission.VIEW_JOBS)
    def new_view(self, request: HttpRequest, tenant: Tenant, slug: str) -> HttpResponse:
        return new_job_view(request, tenant, slug)

    def file_view(self, request: HttpRequest, object_id: str, file: UUID) -> FileResponse:
        return file_view(self.get_object(request, object_id), file)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        return story_view(request, self.get_object(request, object_id))

    def retry_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return retry_view(request, self.get_object(request, object_id))

    def cancel_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return cancel_view(request, self.get_object(request, object_id))

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Job:
        """Find a job by its public id. Raises Http404 for a job of a tenant this person is no member of."""
        try:
            found = self.get_queryset(request).filter(uid=UUID(object_id))
        except ValueError:
            raise Http404(f"'{object_id}' is not the id of a job.") from None
        job: Job | None = found.select_related("tenant", "workflow", "version", "queue", "parent").first()
        if job is None:
            raise Http404(f"There is no job {object_id}.")
        return job

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
