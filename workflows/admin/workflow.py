"""The list of workflows; the page of one is its builder."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action

from tenants.admin import ScopedRelatedFilter, TenantScopedAdmin
from tenants.domain.roles import Permission
from workflows.models import Workflow


@admin.register(Workflow)
class WorkflowAdmin(TenantScopedAdmin):
    """Workflows of a person's tenants. Making, changing and deleting one lead to the builder's pages."""

    view_permission = Permission.VIEW_WORKFLOWS
    change_permission = Permission.EDIT_WORKFLOWS
    actions_list = ["new_workflow"]
    list_display = ("name", "label_plural", "slug", "live", "queue", "active", "jobs")
    list_display_links = ("name",)
    list_filter = (("tenant", ScopedRelatedFilter),)
    list_select_related = ("live_version", "tenant")
    search_fields = ("name", "slug", "label_plural")
    empty_hint = _(
        "A workflow says what happens to each item. Begin with one of the gallery, with nothing, or with a YAML file:"
    )
    empty_command = "python manage.py workflow import FILE.yaml --tenant SLUG --publish"
    empty_template = "taskflow/parts/no_workflows.html"

    @admin.display(description=_("Live version"))
    def live(self, obj: Workflow) -> str:
        return "–" if obj.live_version is None else f"v{obj.live_version.number}"

    @admin.display(description=_("Jobs"))
    def jobs(self, obj: Workflow) -> str:
        jobs = f"{reverse('admin:jobs_job_of', args=[obj.slug])}?tenant={obj.tenant.slug}"
        return format_html('<a class="tf-textlink" href="{}">{}</a>', jobs, _("Show"))

    @action(description=_("New workflow"), icon="add", permissions=["change"])  # type: ignore[untyped-decorator]
    def new_workflow(self, request: HttpRequest) -> HttpResponse:
        return HttpResponseRedirect(reverse("builder_new"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        # There is a button of our own, which says what it makes.
        return False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return self._lead(request, object_id, "builder")

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return self._lead(request, object_id, "builder_delete")

    def _lead(self, request: HttpRequest, object_id: str, page: str) -> HttpResponse:
        """Lead to a page of the workflow, in its tenant. Raises Http404 for one of another's."""
        workflow = self.get_object(request, object_id)
        return HttpResponseRedirect(f"{reverse(page, args=[workflow.slug])}?tenant={workflow.tenant.slug}")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("live_version", "tenant")
