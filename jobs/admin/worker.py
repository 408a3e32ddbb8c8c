"""The workers: who lives, who fell silent, who ended, by the database's clock."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.admin import ModelAdmin

from jobs.models import WorkerLease
from taskflow.lib.clock import database_now
from tenants.admin.current import allowed, is_fleet_operator, tenant_of, zone_of
from tenants.admin.frame import render_page
from tenants.domain.roles import Permission

SHOWN = 200
#: Ended workers stay in sight this long.
RECENT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker process with how long ago, in seconds, it was last heard of."""

    lease: WorkerLease
    age: float
    state: str


def list_workers(now: datetime) -> list[Worker]:
    """Return the workers that live or ended lately, the living first. `now` is the database's clock."""
    leases = WorkerLease.objects.filter(Q(ended_at=None) | Q(ended_at__gt=now - RECENT))
    workers = [
        Worker(lease, (now - lease.heartbeat_at).total_seconds(), _state(lease, now)) for lease in leases[:SHOWN]
    ]
    order = ("alive", "stopping", "stale", "ended")
    return sorted(
        workers, key=lambda worker: (order.index(worker.state), worker.lease.pool, worker.lease.host, worker.lease.pid)
    )


def _state(lease: WorkerLease, now: datetime) -> str:
    if lease.ended_at is not None:
        return "ended"
    if now - lease.heartbeat_at > timedelta(seconds=settings.LEASE_SECONDS):
        return "stale"
    return "stopping" if lease.stopping_at is not None else "alive"


@admin.register(WorkerLease)
class WorkerLeaseAdmin(ModelAdmin):
    """Worker processes. They belong to no tenant; those who act on jobs see whether anybody works on them."""

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied("Your role does not allow you to see the workers.")
        tenant = tenant_of(request)
        workers = list_workers(database_now())
        return render_page(
            request,
            "workers",
            title="Workers",
            zone=zone_of(tenant),
            part="parts/worker_rows",
            workers=workers,
            alive=[worker for worker in workers if worker.state == "alive"],
        )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:jobs_workerlease_changelist"))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_fleet_operator(request) or allowed(request, Permission.ACT_ON_JOBS)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
