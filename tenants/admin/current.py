"""Who looks, at which tenant's rows, and what they may do there."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec
from zoneinfo import ZoneInfo

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from tenants.admin.access import access_of
from tenants.admin.frame import render_page
from tenants.domain.roles import Permission
from tenants.models import Tenant
from tenants.queries import tenants_of

LONGEST_ACTOR = 100
P = ParamSpec("P")
#: A method of an admin that shows one tenant, and the same as Django calls it.
TenantView = Callable[Concatenate[Any, HttpRequest, Tenant, P], HttpResponse]
View = Callable[Concatenate[Any, HttpRequest, P], HttpResponse]


def tenant_of(request: HttpRequest) -> Tenant | None:
    """Return the tenant chosen in this session, or the only one this person can see; None where they must choose."""
    if not hasattr(request, "_sole_tenant"):
        tenant = getattr(request, "tenant", None)
        if tenant is None:
            first_two = list(tenants_of(request.user)[:2])
            tenant = first_two[0] if len(first_two) == 1 else None
        request._sole_tenant = tenant  # type: ignore[attr-defined]
    return request._sole_tenant  # type: ignore[attr-defined,no-any-return]


def zone_of(tenant: Tenant | None) -> ZoneInfo:
    """Return the time zone in which a tenant's people read times."""
    return ZoneInfo(tenant.time_zone if tenant is not None else "UTC")


def allowed(request: HttpRequest, permission: Permission, tenant_id: int | None = None) -> bool:
    """Say whether the person may do `permission` in this tenant, or without one, in the current one."""
    if tenant_id is None:
        tenant = tenant_of(request)
        tenant_id = tenant.pk if tenant is not None else None
    return tenant_id is not None and access_of(request).allows(permission, tenant_id)


def require(request: HttpRequest, permission: Permission, tenant: Tenant) -> None:
    """Raise PermissionDenied where the person may not do `permission` in `tenant`."""
    if not access_of(request).allows(permission, tenant.pk):
        raise PermissionDenied(f"Your role in {tenant} does not allow you to {permission.value}.")


def needs(permission: Permission) -> Callable[[TenantView[P]], View[P]]:
    """Give a page the current tenant, if the person may do `permission` in it; without one they choose."""

    def decorate(view: TenantView[P]) -> View[P]:
        @wraps(view)
        def checked(self: Any, request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            tenant = tenant_of(request)
            if tenant is None:
                return choose_tenant(request)
            require(request, permission, tenant)
            return view(self, request, tenant, *args, **kwargs)

        return checked

    return decorate


def choose_tenant(request: HttpRequest) -> HttpResponse:
    """Offer the tenants of this person, on the page they came for. Raises PermissionDenied where there are none."""
    tenants = list(tenants_of(request.user)[:200])
    if not tenants and not is_fleet_operator(request):
        raise PermissionDenied("You are not a member of any tenant yet. Ask an owner to add you.")
    return render_page(request, "choose_tenant", title="Choose a tenant", tenants=tenants)


def is_fleet_operator(request: HttpRequest) -> bool:
    """Say whether the person runs the deployment: whole queues and the workers belong to all tenants."""
    return access_of(request).superuser


def actor_of(request: HttpRequest) -> str:
    """Return the name under which events record what this person does."""
    return request.user.get_username()[:LONGEST_ACTOR]
