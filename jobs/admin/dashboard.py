"""The dashboard of one workflow: where its jobs are, how quick and how good it is, and what it costs."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from jobs.admin.board import Asked, board, lines_of, list_query, name_steps, read_asked
from jobs.admin.reports import report_form
from jobs.queries.ledger import get_ledgers
from taskflow.lib.clock import utcnow
from tenants.admin.current import needs, zone_of
from tenants.admin.frame import PART, render_page
from tenants.domain.roles import Permission
from tenants.models import Tenant
from tenants.services.spending import budget_notices
from workflows.models import Workflow

#: The value of `part` that asks for the figures alone.
FIGURES = "figures"


class DashboardPages:
    """The page below /admin/build/SLUG/."""

    def get_urls(self) -> list[URLPattern]:
        wrap = admin.site.admin_view
        return [path("<slug:slug>/dashboard/", wrap(self.view), name="workflow_dashboard")]

    @needs(Permission.VIEW_JOBS)
    def view(self, request: HttpRequest, tenant: Tenant, slug: str) -> HttpResponse:
        """Show the dashboard, or the part of it that the page asks for again."""
        workflow = get_object_or_404(Workflow, tenant=tenant, slug=slug)
        zone, now = zone_of(tenant), utcnow()
        asked = read_asked(request.GET, zone=zone, now=now)
        context = {"workflow": workflow, "tenant": tenant, "asked": asked, "period": asked.period}
        if request.GET.get(PART) == FIGURES:
            return render_part(request, context | figures_of(workflow, asked, tenant), tenant)
        here = reverse("workflow_dashboard", args=[slug])
        context |= ledger_of(workflow, asked) | {"figures_url": f"{here}?{asked.query}&{PART}={FIGURES}"}
        context["notices"] = budget_notices(tenant.pk, now)
        if PART not in request.GET:
            context |= figures_of(workflow, asked, tenant)
            context["form"] = report_form(request, tenant, about=slug)
        return render_page(
            request,
            "dashboard",
            title=f"{workflow.name}: dashboard",
            zone=zone,
            part="parts/dashboard_ledger",
            **context,
        )


def ledger_of(workflow: Workflow, asked: Asked) -> dict[str, Any]:
    """Return the ledger of a workflow, each number with its list."""
    ledger = get_ledgers([workflow.pk], asked.period)[workflow.pk]
    return {
        "ledger": ledger,
        "lines": lines_of(ledger, asked.period),
        "list_url": reverse("admin:jobs_job_of", args=[workflow.slug]),
        "all_query": list_query(asked.period, "open" if asked.period.key == "now" else ""),
    }


def figures_of(workflow: Workflow, asked: Asked, tenant: Tenant) -> dict[str, Any]:
    """Return the figures of a workflow."""
    zone = zone_of(tenant)
    version = workflow.live_version
    names = list(version.steps.order_by("position").values_list("key", "name")) if version is not None else []
    found = board([workflow.pk], asked.period, zone, utcnow(), charts=True, names=dict(names))
    return found | {
        "steps": name_steps(found["figures"], names),
        "list_url": reverse("admin:jobs_job_of", args=[workflow.slug]),
    }


def render_part(request: HttpRequest, context: dict[str, Any], tenant: Tenant | None) -> HttpResponse:
    """Render the figures alone."""
    with timezone.override(zone_of(tenant)):
        response = render(request, "taskflow/parts/dashboard_figures.html", context)
    response["Cache-Control"] = "no-store"
    return response


urlpatterns = DashboardPages().get_urls()
