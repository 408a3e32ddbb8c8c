"""What a tenant's workflows asked of language models, and what that cost."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from jobs.models import LlmUsage
from jobs.queries.llm import get_usage
from taskflow.lib.clock import utcnow
from tenants.admin import TenantScopedAdmin
from tenants.admin.current import needs, zone_of
from tenants.admin.frame import render_page
from tenants.domain.roles import Permission
from tenants.models import Tenant

PERIODS = (7, 30, 90)
USUAL = 30


@admin.register(LlmUsage)
class LlmUsageAdmin(TenantScopedAdmin):
    """The sums of the current tenant. Nobody changes them by hand."""

    view_permission = Permission.VIEW_JOBS

    @needs(Permission.VIEW_JOBS)
    def changelist_view(self, request: HttpRequest, tenant: Tenant, extra_context: Any = None) -> HttpResponse:
        wanted = request.GET.get("days", "")
        days = int(wanted) if wanted in map(str, PERIODS) else USUAL
        since = (utcnow() - timedelta(days=days - 1)).date()
        return render_page(
            request,
            "llm_usage",
            title="LLM usage",
            zone=zone_of(tenant),
            tenant=tenant,
            usage=get_usage(tenant.pk, since=since),
            days=days,
            periods=PERIODS,
        )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        self.get_object(request, object_id)
        return HttpResponseRedirect(reverse("admin:jobs_llmusage_changelist"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
