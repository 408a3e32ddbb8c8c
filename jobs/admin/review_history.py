"""The list of reviews: what was decided, by whom, and how long it took."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse

from jobs.admin.job_filters import read_cursor
from jobs.domain.reviews import ReviewState
from jobs.queries.reviews import ReviewFilter, list_reviews
from tenants.admin.current import zone_of
from tenants.admin.frame import render_page
from tenants.models import Tenant
from workflows.models import Workflow

PAGE = 50
TABS = {
    "decided": ("Decided", (ReviewState.DECIDED.value,)),
    "open": ("Open", (ReviewState.OPEN.value,)),
    "cancelled": ("Cancelled", (ReviewState.CANCELLED.value,)),
    "all": ("All", tuple(state.value for state in ReviewState)),
}


def review_history(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    """Show a page of a tenant's reviews, newest first."""
    chosen = request.GET.get("state", "decided")
    chosen = chosen if chosen in TABS else "decided"
    slug = request.GET.get("workflow", "")
    workflow = Workflow.objects.filter(tenant=tenant, slug=slug).first() if slug else None
    wanted = ReviewFilter(states=TABS[chosen][1], workflow_id=workflow.pk if workflow else None)
    before = read_cursor(request.GET.get("before"))
    found = list_reviews(tenant.pk, wanted, before=before, size=PAGE + 1)
    more, rows = len(found) > PAGE, found[:PAGE]
    names = {row.pk: row.label_singular for row in Workflow.objects.filter(pk__in={row.workflow_id for row in rows})}
    workflows = Workflow.objects.filter(tenant=tenant, active=True).order_by("label_plural")
    return render_page(
        request,
        "review_history",
        title="Review history",
        zone=zone_of(tenant),
        part="parts/review_rows",
        rows=[{"review": row, "workflow": names.get(row.workflow_id, "")} for row in rows],
        tabs=[_tab(key, label, chosen, slug) for key, (label, _) in TABS.items()],
        state=chosen,
        workflow=workflow,
        workflows=workflows.values_list("slug", "label_plural")[:100],
        first_query=_query(state=chosen, workflow=slug) if before else None,
        older_query=_query(state=chosen, workflow=slug, before=str(rows[-1].pk)) if more else None,
    )


def _tab(key: str, label: str, chosen: str, slug: str) -> dict[str, Any]:
    return {"name": label, "query": _query(state=key, workflow=slug), "active": key == chosen}


def _query(**given: str) -> str:
    return urlencode({name: value for name, value in given.items() if value})
