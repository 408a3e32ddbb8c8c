"""The list of jobs: of one workflow under its own label, or of all."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse

from jobs.admin.columns import Cell, Column, cells_of, columns_of
from jobs.admin.job_filters import CHOICES, GROUPS, ListFilters, read_cursor, read_filters
from jobs.models import Job, Queue
from jobs.queries.job_pages import JobPage, count_states, get_page
from tenants.admin.current import allowed, zone_of
from tenants.admin.frame import render_page
from tenants.domain.roles import Permission
from tenants.models import Tenant
from workflows.models import Workflow

COUNT_LIMIT = 1_001


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the list."""

    job: Job
    cells: list[Cell]


def job_list(request: HttpRequest, tenant: Tenant, slug: str | None = None) -> HttpResponse:
    """Show a page of a tenant's jobs: those of the workflow `slug`, or all."""
    workflow = get_object_or_404(Workflow, tenant=tenant, slug=slug) if slug else None
    zone = zone_of(tenant)
    filters = read_filters(request.GET, workflow_id=workflow.pk if workflow else None, zone=zone)
    found = _find_by_uid(tenant, filters.text["q"])
    if found is not None:
        return HttpResponseRedirect(reverse("admin:jobs_job_change", args=[found.uid]))
    before, after = read_cursor(request.GET.get("before")), read_cursor(request.GET.get("after"))
    page = get_page(tenant.pk, filters.wanted, before=before, after=after)
    columns = _columns(workflow)
    return render_page(
        request,
        "job_list",
        title=workflow.label_plural if workflow else "All jobs",
        zone=zone,
        part="parts/job_rows",
        tenant=tenant,
        workflow=workflow,
        filters=filters,
        columns=columns,
        rows=[Row(job, cells_of(columns, job)) for job in page.jobs],
        page=page,
        tabs=_tabs(tenant, filters),
        queues=Queue.objects.order_by("slug")[:200],
        limit=COUNT_LIMIT,
        may_act=allowed(request, Permission.ACT_ON_JOBS),
        has_samples=workflow is not None and workflow.live_version_id is not None and workflow.samples.exists(),
        **_paging(filters, page, before=before, after=after),
    )


def _columns(workflow: Workflow | None) -> list[Column]:
    return columns_of(workflow.live_version) if workflow is not None else columns_of(None)


def _tabs(tenant: Tenant, filters: ListFilters) -> list[dict[str, Any]]:
    """Return the choices of the state filter with how many jobs each has, without the other filters."""
    counts = count_states(tenant.pk, filters.wanted, limit=COUNT_LIMIT)
    chosen = filters.text["state"]
    tabs = [
        {"name": "All", "query": filters.query(state="", waits=""), "active": not chosen, "count": "", "group": True}
    ]
    for key, (label, states) in CHOICES.items():
        count = min(sum(counts[state] for state in states), COUNT_LIMIT)
        query = filters.query(state=key, waits="")
        tabs.append({"name": label, "query": query, "active": key == chosen, "count": count, "group": key in GROUPS})
    return tabs


def _paging(filters: ListFilters, page: JobPage, *, before: int | None, after: int | None) -> dict[str, str | None]:
    return {
        "first_query": filters.query() if before or after else None,
        "newer_query": filters.query(after=str(page.newer)) if page.newer else None,
        "older_query": filters.query(before=str(page.older)) if page.older else None,
    }


def _find_by_uid(tenant: Tenant, text: str) -> Job | None:
    try:
        uid = UUID(text)
    except ValueError:
        return None
    return Job.objects.for_tenant(tenant).filter(uid=uid).only("uid").first()
