"""Queues: how full they are now, what may run at once, and whether anything starts at all."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin

from jobs.models import Lane, Queue
from jobs.queries.figures import queue_figures
from jobs.queries.story import count_workers
from jobs.services.queues import pause_lane, pause_queue, resume_lane, resume_queue
from jobs.services.submit import ensure_lane
from taskflow.lib.clock import utcnow
from tenants.admin.current import actor_of, allowed, choose_tenant, is_fleet_operator, require, tenant_of, zone_of
from tenants.admin.frame import render_page
from tenants.domain.roles import Permission
from tenants.models import Tenant


class CapForm(forms.Form):
    """How many jobs may run at once; empty for no limit."""

    cap = forms.IntegerField(min_value=0, max_value=1_000_000, required=False)


@admin.register(Queue)
class QueueAdmin(ModelAdmin):
    """Queues serve all tenants. Who runs the deployment changes whole queues; a tenant's operators their own share."""

    fields = ("slug", "name", "pool", "cap", "rate")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = [
            path("<slug:slug>/pause/", wrap(require_POST(self.pause_view)), name="jobs_queue_pause"),
            path("<slug:slug>/cap/", wrap(require_POST(self.cap_view)), name="jobs_queue_cap"),
        ]
        return [*own, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        tenant = tenant_of(request)
        fleet = is_fleet_operator(request)
        if tenant is None and not fleet:
            return choose_tenant(request)
        if tenant is not None:
            require(request, Permission.VIEW_JOBS, tenant)
        whole = fleet and request.GET.get("of") != "tenant"
        return render_page(
            request,
            "queues",
            title="Queues",
            zone=zone_of(tenant),
            part="parts/queue_rows",
            rows=queue_rows(None if whole else tenant),
            whole=whole,
            fleet=fleet,
            tenant=tenant,
            may_change=fleet if whole else allowed(request, Permission.PAUSE_LANES),
        )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if not is_fleet_operator(request):
            raise PermissionDenied("Only who runs the deployment edits whole queues.")
        response: HttpResponse = super().change_view(request, object_id, form_url, extra_context)
        return response

    def pause_view(self, request: HttpRequest, slug: str) -> HttpResponse:
        """Pause or resume, whichever the form says: the whole queue, or the current tenant's lane in it."""
        queue, tenant = self._target(request, slug)
        pause, actor, now = request.POST.get("do") == "pause", actor_of(request), utcnow()
        if tenant is None:
            changed = (pause_queue if pause else resume_queue)(queue=queue, actor=actor, now=now)
        else:
            change = pause_lane if pause else resume_lane
            changed = change(queue=queue, tenant_id=tenant.pk, actor=actor, now=now)
        whose = f"{tenant} in {queue}" if tenant else str(queue)
        said = "is paused: what runs goes on, nothing new starts" if pause else "is resumed"
        messages.success(request, f"{whose} {said}." if changed else f"{whose} was so already.")
        return self._back(tenant)

    def cap_view(self, request: HttpRequest, slug: str) -> HttpResponse:
        """Set the cap of the whole queue, or of the current tenant's lane in it."""
        queue, tenant = self._target(request, slug)
        form = CapForm(request.POST)
        if not form.is_valid():
            messages.error(request, f"Cap: {' '.join(map(str, form.errors['cap']))}")
            return self._back(tenant)
        cap = form.cleaned_data["cap"]
        if tenant is None:
            Queue.objects.filter(pk=queue.pk).update(cap=cap)
        else:
            Lane.objects.filter(pk=ensure_lane(queue_id=queue.pk, tenant_id=tenant.pk)).update(cap=cap)
        whose = f"{tenant} in {queue}" if tenant else str(queue)
        messages.success(request, f"{whose} may run {'any number of' if cap is None else cap} jobs at once.")
        return self._back(tenant)

    def _target(self, request: HttpRequest, slug: str) -> tuple[Queue, Tenant | None]:
        """Return the queue, and the tenant whose lane is meant; None is the whole queue, for superusers."""
        queue = get_object_or_404(Queue, slug=slug)
        if request.POST.get("of") != "tenant" and is_fleet_operator(request):
            return queue, None
        tenant = tenant_of(request)
        if tenant is None:
            raise PermissionDenied("Choose a tenant first.")
        require(request, Permission.PAUSE_LANES, tenant)
        return queue, tenant

    def _back(self, tenant: Tenant | None) -> HttpResponse:
        query = "?of=tenant" if tenant is not None else ""
        return HttpResponseRedirect(reverse("admin:jobs_queue_changelist") + query)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_fleet_operator(request) or allowed(request, Permission.VIEW_JOBS)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_fleet_operator(request) and (obj is None or not obj.jobs.exists())


def queue_rows(tenant: Tenant | None) -> list[dict[str, Any]]:
    """Return the queues with their figures, of one tenant or of all, and how many workers serve each."""
    now = utcnow()
    figures = queue_figures(tenant.pk if tenant else None)
    workers = {pool: count_workers(pool, now=now) for pool in {figure.queue.pool for figure in figures}}
    rows = []
    for figure in figures:
        cap = figure.queue.cap if tenant is None else figure.lane and figure.lane.cap
        paused = figure.queue.paused_at if tenant is None else figure.lane and figure.lane.paused_at
        rows.append({"figures": figure, "cap": cap, "paused_at": paused, "workers": workers[figure.queue.pool]})
    return rows
