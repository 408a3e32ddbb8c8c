"""Lanes: what share of a queue a tenant has, and how much of it at once."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from jobs.models import Lane
from jobs.services.queues import pause_lane, resume_lane
from jobs.templatetags.jobs_admin import ago
from taskflow.lib.clock import utcnow
from tenants.admin import ScopedRelatedFilter, TenantScopedAdmin
from tenants.admin.current import actor_of, is_fleet_operator
from tenants.domain.roles import Permission


@admin.register(Lane)
class LaneAdmin(TenantScopedAdmin):
    """A tenant's lanes. Operators pause and set the cap; the weight, a claim on others' time, superusers give."""

    view_permission = Permission.VIEW_JOBS
    change_permission = Permission.PAUSE_LANES
    list_display = ("__str__", "queue", "tenant", "weight", "cap", "is_paused", "seconds_used")
    list_filter = (("tenant", ScopedRelatedFilter), ("queue", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("queue", "tenant")
    empty_hint = "A lane appears when a tenant first sends a job to a queue."
    actions = ("pause", "resume")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ("queue", "tenant", "weight", "cap")
        return ("queue_name", "tenant", "weight", "cap", "is_paused", "seconds_used")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ()
        fixed = ("queue_name", "tenant", "is_paused", "seconds_used")
        return fixed if is_fleet_operator(request) else (*fixed, "weight")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="Queue")
    def queue_name(self, obj: Lane) -> str:
        return obj.queue.name

    @admin.display(description="Paused")
    def is_paused(self, obj: Lane) -> str:
        if obj.paused_at is None:
            return "–"
        return format_html('<span class="tf-badge tf-waiting">Paused</span> {}', ago(obj.paused_at))

    @admin.display(description="Worker-seconds by weight", ordering="virtual_time")
    def seconds_used(self, obj: Lane) -> str:
        return f"{obj.virtual_time:,.1f}"

    def has_pause_permission(self, request: HttpRequest) -> bool:
        return self.may(request, Permission.PAUSE_LANES)

    @admin.action(description="Pause the chosen lanes", permissions=["pause"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Lane]) -> None:
        self._each(request, queryset, pause_lane, "paused")

    @admin.action(description="Resume the chosen lanes", permissions=["pause"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Lane]) -> None:
        self._each(request, queryset, resume_lane, "resumed")

    def _each(self, request: HttpRequest, lanes: QuerySet[Lane], change: Any, word: str) -> None:
        mine = [lane for lane in lanes.select_related("queue") if self.may(request, Permission.PAUSE_LANES, lane)]
        now, actor = utcnow(), actor_of(request)
        count = sum(change(queue=lane.queue, tenant_id=lane.tenant_id, actor=actor, now=now) for lane in mine)
        messages.success(request, f"{count} lane{'' if count == 1 else 's'} {word}.")
