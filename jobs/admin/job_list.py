"""The list of jobs: of one workflow under its own label, by a view of it, or of all."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404
from django.urls import reverse

from jobs.admin.columns import Cell, Column, cells_of, columns_of
from jobs.admin.job_filters import CHOICES, GROUPS, ListFilters, read_cursor, read_filters
from jobs.admin.view_bar import added_filter, own_default, view_bar
from jobs.admin.view_columns import Painter, columns_shown, load_rows
from jobs.admin.view_pages import ListPage, asks_by_value, find_page, value_counts
from jobs.admin.view_state import ViewState, read_state
from jobs.models import Job, Queue
from jobs.queries.job_pages import count_states, get_page
from tenants.admin.current import allowed, zone_of
from tenants.admin.frame import PART, render_page
from tenants.domain.roles import Permission
from tenants.models import Tenant
from workflows.models import Workflow

if TYPE_CHECKING:
    from django.contrib.auth.models import User

COUNT_LIMIT = 1_001


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the list, and its colour."""

    job: Job
    cells: list[Cell]
    colour: str = ""


def job_list(request: HttpRequest, tenant: Tenant, slug: str | None = None) -> HttpResponse:
    """Show a page of a tenant's jobs: those of the workflow `slug`, or all."""
    workflow = _workflow(tenant, slug)
    elsewhere = _elsewhere(request, workflow)
    if elsewhere is not None:
        return elsewhere
    filters, state = read_list(request.GET, tenant, workflow, cast("User", request.user))
    found = _find_by_uid(tenant, filters.text["q"])
    if found is not None:
        return HttpResponseRedirect(reverse("admin:jobs_job_change", args=[found.uid]))
    page = _page(request, tenant, filters, state)
    may_act = allowed(request, Permission.ACT_ON_JOBS)
    return render_page(
        request,
        "job_list",
        title=workflow.label_plural if workflow else "All jobs",
        zone=zone_of(tenant),
        part="parts/job_rows",
        tenant=tenant,
        workflow=workflow,
        filters=filters,
        page=page,
        tabs=_tabs(tenant, filters),
        queues=Queue.objects.order_by("slug")[:200],
        limit=COUNT_LIMIT,
        may_act=may_act,
        has_samples=workflow is not None and workflow.live_version_id is not None and workflow.samples.exists(),
        **_rows(page.jobs, workflow, state),
        **_paging(filters, page, request.GET),
        **_view_parts(request, tenant, workflow, filters, state),
    )


def read_list(
    query: QueryDict, tenant: Tenant, workflow: Workflow | None, user: "User"
) -> tuple[ListFilters, ViewState | None]:
    """Read what a list's address asks for. Raises Http404 for a view that this person does not see."""
    zone = zone_of(tenant)
    filters = read_filters(query, workflow_id=workflow.pk if workflow else None, zone=zone)
    if workflow is None:
        return filters, None
    state = read_state(query, workflow, user, zone)
    filters.text |= state.text
    filters.problems += state.problems
    filters.wanted = state.narrow(filters.wanted)
    return filters, state


def _workflow(tenant: Tenant, slug: str | None) -> Workflow | None:
    rows = Workflow.objects.select_related("live_version", "next_version")
    return get_object_or_404(rows, tenant=tenant, slug=slug) if slug else None


def _elsewhere(request: HttpRequest, workflow: Workflow | None) -> HttpResponseRedirect | None:
    """Return where to go instead: to the person's own view, or to the address with a condition that a form added."""
    if workflow is None:
        return None
    view = None if request.GET else own_default(request, workflow)
    query = f"view={view.uid}" if view is not None else added_filter(request.GET)
    return None if query is None else HttpResponseRedirect(f"{request.path}?{query}")


def _page(request: HttpRequest, tenant: Tenant, filters: ListFilters, state: ViewState | None) -> ListPage:
    if state is not None and asks_by_value(state):
        return find_page(tenant.pk, filters.wanted, state, request.GET)
    before, after = read_cursor(request.GET.get("before")), read_cursor(request.GET.get("after"))
    page = get_page(tenant.pk, filters.wanted, before=before, after=after)
    older, newer = (None if edge is None else str(edge) for edge in (page.older, page.newer))
    return ListPage(page.jobs, older, newer)


def _rows(jobs: list[Job], workflow: Workflow | None, state: ViewState | None) -> dict[str, Any]:
    """Return the lines of the list, and the columns: a view's own, or those of the workflow's fields."""
    columns: list[Any] = list(_columns(workflow))
    if state is None or workflow is None or not (state.spec.columns or state.spec.colours):
        return {"columns": columns, "rows": [Row(job, cells_of(columns, job)) for job in jobs], "own_columns": False}
    own, painter = columns_shown(state, workflow), Painter(state.spec.colours, state.zone)
    loaded = load_rows(jobs, own, painter)
    rows = [Row(job, loaded[job.pk][0] if own else cells_of(columns, job), loaded[job.pk][1]) for job in jobs]
    return {"columns": own or columns, "rows": rows, "own_columns": bool(own)}


def _view_parts(
    request: HttpRequest, tenant: Tenant, workflow: Workflow | None, filters: ListFilters, state: ViewState | None
) -> dict[str, Any]:
    """Return what the page shows of views; the bar above the list is not asked for again while it renews itself."""
    if workflow is None or state is None:
        return {}
    counts = value_counts(tenant.pk, filters.wanted, state, filters, limit=COUNT_LIMIT)
    bar = {} if PART in request.GET else {"bar": view_bar(request, tenant, workflow, filters, state)}
    return {"view": state.view, "value_counts": counts} | bar


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


def _paging(filters: ListFilters, page: ListPage, query: QueryDict) -> dict[str, str | None]:
    elsewhere = "before" in query or "after" in query
    return {
        "first_query": filters.query() if elsewhere else None,
        "newer_query": filters.query(after=page.newer) if page.newer else None,
        "older_query": filters.query(before=page.older) if page.older else None,
    }


def _find_by_uid(tenant: Tenant, text: str) -> Job | None:
    try:
        uid = UUID(text)
    except ValueError:
        return None
    return Job.objects.for_tenant(tenant).filter(uid=uid).only("uid").first()
