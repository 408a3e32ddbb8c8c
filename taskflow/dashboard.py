"""The start page: the dashboard of a tenant, or of the deployment, and what runs it: queues and workers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from jobs.admin.board import Asked, Line, board, lines_of, list_query, read_asked
from jobs.admin.job_filters import GROUPS
from jobs.admin.queue import queue_rows
from jobs.admin.reports import report_form
from jobs.admin.worker import list_workers
from jobs.domain.job_filter import JobFilter
from jobs.domain.ledger import Ledger
from jobs.queries.job_pages import get_page
from jobs.queries.ledger import get_ledgers
from taskflow.lib.clock import database_now, utcnow
from tenants.admin.current import allowed, is_fleet_operator, tenant_of, zone_of
from tenants.domain.roles import Permission
from tenants.models import Tenant
from tenants.queries import tenants_of
from tenants.services.spending import budget_notices
from workflows.models import Workflow

MOST_ROWS = 50
MOST_FAILURES = 8
ATTENTION = GROUPS["attention"][1]


@dataclass(frozen=True, slots=True)
class Row:
    """A workflow, or in the deployment's table a tenant, with its ledger; the lines' queries belong to `url`."""

    name: str
    note: str
    page: str
    url: str
    ledger: Ledger
    lines: list[Line]


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the overview to the start page's context, its times in the tenant's zone."""
    tenant = tenant_of(request)
    zone, fleet = zone_of(tenant), is_fleet_operator(request)
    asked = read_asked(request.GET, zone=zone, now=utcnow())
    shown: dict[str, Any] = {
        "request": request,
        "tenant": tenant,
        "fleet": fleet,
        "may_build": allowed(request, Permission.EDIT_WORKFLOWS),
        "asked": asked,
        "period": asked.period,
    }
    if tenant is not None and allowed(request, Permission.VIEW_JOBS):
        shown |= _of_tenant(tenant, asked) | {"form": report_form(request, tenant)}
    elif tenant is None and fleet:
        shown |= _of_deployment(asked)
    workers = list_workers(database_now())
    shown |= {
        "tenants": [] if tenant is not None else list(tenants_of(request.user)[:MOST_ROWS]),
        "queues": queue_rows(tenant) if tenant is not None or fleet else [],
        "alive": [worker for worker in workers if worker.state == "alive"],
        "silent": [worker for worker in workers if worker.state == "stale"],
        "here": f"{reverse('admin:index')}?{asked.query}",
    }
    with timezone.override(zone):
        overview = render_to_string("taskflow/parts/overview.html", shown, request=request)
    return context | {"title": "Overview", "overview": overview}


def _of_tenant(tenant: Tenant, asked: Asked) -> dict[str, Any]:
    now = utcnow()
    workflows = list(Workflow.objects.for_tenant(tenant).order_by("label_plural", "pk"))
    ids = [workflow.pk for workflow in workflows]
    ledgers = get_ledgers(ids, asked.period)
    shown = [each for each in workflows if each.active or ledgers[each.pk].came_in][:MOST_ROWS]
    return _totals(ledgers, asked) | {
        "notices": budget_notices(tenant.pk, now),
        "list_url": reverse("admin:jobs_job_changelist"),
        "rows": [_workflow_row(workflow, ledgers[workflow.pk], asked) for workflow in shown],
        "failures": get_page(tenant.pk, JobFilter(states=ATTENTION), size=MOST_FAILURES).jobs,
        **board(ids, asked.period, zone_of(tenant), now),
    }


def _workflow_row(workflow: Workflow, ledger: Ledger, asked: Asked) -> Row:
    page = f"{reverse('workflow_dashboard', args=[workflow.slug])}?{asked.query}"
    url = reverse("admin:jobs_job_of", args=[workflow.slug])
    label, name = workflow.label_plural, workflow.name
    note = "" if name.casefold() == label.casefold() else name
    return Row(label, note, page, f"{url}?", ledger, lines_of(ledger, asked.period))


def _of_deployment(asked: Asked) -> dict[str, Any]:
    """Return the ledger of all tenants; only within a tenant are there lists of jobs, so the rows lead there."""
    owner = dict(Workflow.objects.values_list("pk", "tenant_id"))
    ids = list(owner)
    ledgers = get_ledgers(ids, asked.period)
    tenants = [_tenant_row(tenant, owner, ledgers, asked) for tenant in Tenant.objects.order_by("name")[:MOST_ROWS]]
    return _totals(ledgers, asked) | {"rows": tenants, **board(ids, asked.period, zone_of(None), utcnow())}


def _tenant_row(tenant: Tenant, owner: Mapping[int, int], ledgers: Mapping[int, Ledger], asked: Asked) -> Row:
    ledger = Ledger.total(each for pk, each in ledgers.items() if owner[pk] == tenant.pk)
    note = tenant.slug if tenant.active else f"{tenant.slug} · switched off"
    page = f"{reverse('admin:index')}?tenant={tenant.slug}&{asked.query}"
    url = f"{reverse('admin:jobs_job_changelist')}?tenant={tenant.slug}&"
    return Row(tenant.name, note, page, url, ledger, lines_of(ledger, asked.period))


def _totals(ledgers: Mapping[int, Ledger], asked: Asked) -> dict[str, Any]:
    ledger = Ledger.total(ledgers.values())
    lines: Sequence[Line] = lines_of(ledger, asked.period)
    whole = list_query(asked.period, "open" if asked.period.key == "now" else "")
    return {"ledger": ledger, "lines": lines, "all_query": whole}
