"""The start page: what is going on, at a glance, in a few cheap queries."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone

from jobs.admin.job_filters import GROUPS
from jobs.admin.queue import queue_rows
from jobs.admin.worker import list_workers
from jobs.domain.job_filter import JobFilter
from jobs.models import Job
from jobs.queries.job_pages import count_states, get_page
from taskflow.lib.clock import database_now, utcnow
from tenants.admin.current import allowed, is_fleet_operator, tenant_of, zone_of
from tenants.domain.roles import Permission
from tenants.models import Tenant
from tenants.queries import tenants_of
from tenants.services.spending import budget_notices
from workflows.models import Workflow

COUNT_LIMIT = 1_001
MOST_WORKFLOWS = 12
MOST_FAILURES = 8
RECENT = timedelta(hours=24)
ATTENTION, OPEN = GROUPS["attention"][1], GROUPS["open"][1]


@dataclass(frozen=True, slots=True)
class Work:
    """A workflow with how many of its jobs are open, need attention, and are done."""

    workflow: Workflow
    open: int
    attention: int
    done: int


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the overview to the start page's context, its times in the tenant's zone."""
    tenant = tenant_of(request)
    shown: dict[str, Any] = {
        "request": request,
        "tenant": tenant,
        "limit": COUNT_LIMIT,
        "fleet": is_fleet_operator(request),
        "may_build": allowed(request, Permission.EDIT_WORKFLOWS),
    }
    shown |= _of_tenant(tenant) if tenant is not None and allowed(request, Permission.VIEW_JOBS) else {}
    workers = list_workers(database_now())
    shown |= {
        "tenants": [] if tenant is not None else list(tenants_of(request.user)[:50]),
        "queues": queue_rows(tenant) if tenant is not None or shown["fleet"] else [],
        "alive": [worker for worker in workers if worker.state == "alive"],
        "silent": [worker for worker in workers if worker.state == "stale"],
    }
    with timezone.override(zone_of(tenant)):
        overview = render_to_string("taskflow/parts/overview.html", shown)
    return context | {"title": "Overview", "overview": overview}


def _of_tenant(tenant: Tenant) -> dict[str, Any]:
    now = utcnow()
    counts = count_states(tenant.pk, JobFilter(), limit=COUNT_LIMIT)
    workflows = Workflow.objects.filter(tenant=tenant, active=True).order_by("label_plural", "pk")[:MOST_WORKFLOWS]
    failures = get_page(tenant.pk, JobFilter(states=ATTENTION), size=MOST_FAILURES)
    return {
        "notices": budget_notices(tenant.pk, now),
        "counts": counts,
        "failed_lately": _failed_since(tenant, now - RECENT),
        "work": [_work(tenant, workflow) for workflow in workflows],
        "failures": failures.jobs,
    }


def _work(tenant: Tenant, workflow: Workflow) -> Work:
    counts = count_states(tenant.pk, JobFilter(workflow_id=workflow.pk), limit=COUNT_LIMIT)

    def total(states: tuple[str, ...]) -> int:
        return min(sum(counts[state] for state in states), COUNT_LIMIT)

    return Work(workflow, total(OPEN), total(ATTENTION), total(("SUCCEEDED",)))


def _failed_since(tenant: Tenant, moment: datetime) -> int:
    """Count the jobs that ended badly since `moment`, among the latest COUNT_LIMIT of each state."""
    total = 0
    for state in ATTENTION:
        latest = Job.objects.for_tenant(tenant).filter(state=state).order_by("-pk")
        ended = latest.values_list("finished_at", flat=True)[:COUNT_LIMIT]
        total += sum(1 for at in ended if at is not None and at >= moment)
    return min(total, COUNT_LIMIT)
