"""What people taught each workflow: golden samples, and where to read how reviews were decided."""

from django.contrib import admin
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.urls import path

from tenants.admin.current import needs
from tenants.admin.frame import render_page
from tenants.domain.roles import Permission
from tenants.models import Tenant
from workflows.models import Workflow

MOST_SHOWN = 200


class LearnPage:
    """One table of a tenant's workflows."""

    @needs(Permission.VIEW_WORKFLOWS)
    def view(self, request: HttpRequest, tenant: Tenant) -> HttpResponse:
        """Show how many samples each workflow has, how many of them are golden, and the way to both."""
        workflows = Workflow.objects.for_tenant(tenant).filter(active=True).order_by("name", "pk")
        counted = workflows.annotate(
            sample_count=Count("samples"), golden_count=Count("samples", filter=Q(samples__expected__isnull=False))
        )
        return render_page(request, "learn", title="Samples and decisions", workflows=counted[:MOST_SHOWN])


urlpatterns = [path("", admin.site.admin_view(LearnPage().view), name="learn")]
