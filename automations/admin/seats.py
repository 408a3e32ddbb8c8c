"""Who looks at automations: a tenant's people at their tenant's, who runs the deployment at the operator's too."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Concatenate, ParamSpec
from uuid import UUID
from zoneinfo import ZoneInfo

from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse

from automations.models import AutomationRule, Firing
from tenants.admin.access import access_of
from tenants.admin.current import choose_tenant, is_fleet_operator, tenant_of, zone_of
from tenants.domain.roles import Permission
from tenants.models import Tenant

P = ParamSpec("P")
SeatView = Callable[Concatenate[HttpRequest, "Seat", P], HttpResponse]
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


@dataclass(frozen=True, slots=True)
class Seat:
    """The tenant that is looked at; None for a superuser who chose none: then it is about all tenants."""

    tenant: Tenant | None
    operator: bool
    may_edit: bool

    @property
    def zone(self) -> ZoneInfo:
        return zone_of(self.tenant)

    def rules(self) -> QuerySet[AutomationRule]:
        """Return the rules this person sees: the tenant's, or those of all; superusers see the operator's too."""
        rows = AutomationRule.objects.select_related("tenant", "edited_by")
        if self.tenant is None:
            return rows
        mine = Q(tenant=self.tenant)
        return rows.filter(mine | Q(tenant=None) if self.operator else mine)

    def firings(self) -> QuerySet[Firing]:
        """Return what rules did in the tenant, those of the operator among them; without a tenant, in all."""
        rows = Firing.objects.select_related("rule", "tenant", "job__workflow", "delivery__endpoint", "told_event")
        return rows if self.tenant is None else rows.filter(tenant=self.tenant)

    def rule(self, uid: UUID) -> AutomationRule:
        """Return a rule this person sees. Raises Http404."""
        found = self.rules().filter(uid=uid).first()
        if found is None:
            raise Http404("There is no such rule.")
        return found

    def must_edit(self) -> None:
        """Raise PermissionDenied where the person may only look."""
        if not self.may_edit:
            raise PermissionDenied("Your role does not allow you to change automations.")


def seated(view: SeatView[P]) -> View[P]:
    """Give a page its seat, if the person may see workflows; who must choose a tenant first is asked to."""

    @wraps(view)
    def checked(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        tenant, operator, access = tenant_of(request), is_fleet_operator(request), access_of(request)
        if tenant is None and not operator:
            return choose_tenant(request)
        where = tenant.pk if tenant is not None else None
        if not access.allows(Permission.VIEW_WORKFLOWS, where):
            raise PermissionDenied("Your role does not allow you to see automations.")
        seat = Seat(tenant, operator, access.allows(Permission.EDIT_WORKFLOWS, where))
        return view(request, seat, *args, **kwargs)

    return checked
