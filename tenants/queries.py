"""Reading tenants, memberships and keys."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from django.db.models import QuerySet

from tenants.domain.roles import Permission, Role, allows
from tenants.models import ApiKey, Membership, Tenant

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

    User = AbstractBaseUser | AnonymousUser


def get_tenant(slug: str) -> Tenant:
    """Return the tenant `slug`. Raises Tenant.DoesNotExist, with a sentence for people."""
    tenant = Tenant.objects.filter(slug=slug).first()
    if tenant is None:
        raise Tenant.DoesNotExist(f"There is no tenant '{slug}'.")
    return tenant


def find_api_key(key_hash: str) -> ApiKey | None:
    """Return the key with this hash, its tenant loaded with it, in one query."""
    return ApiKey.objects.select_related("tenant").filter(key_hash=key_hash).first()


def tenants_of(user: "User") -> QuerySet[Tenant]:
    """Return the active tenants `user` is a member of; all tenants for a superuser."""
    if _is_superuser(user):
        return Tenant.objects.all()
    if not user.is_authenticated:
        return Tenant.objects.none()
    return Tenant.objects.filter(active=True, memberships__user_id=user.pk)


def roles_of(user: "User") -> dict[int, Role]:
    """Return the role of `user` in each active tenant, by the tenant's id."""
    if not user.is_authenticated:
        return {}
    rows = Membership.objects.filter(user_id=user.pk, tenant__active=True).values_list("tenant_id", "role")
    return {tenant_id: Role(role) for tenant_id, role in rows}


def owners_of(tenant: Tenant) -> QuerySet[Membership]:
    """Return the memberships of the tenant's owners."""
    return Membership.objects.filter(tenant=tenant, role=Role.OWNER.value)


def tenants_left_ownerless(parting: Collection[int]) -> list[Tenant]:
    """Return the tenants that have no owner but among the users with these ids."""
    theirs = Membership.objects.filter(role=Role.OWNER.value, user_id__in=parting).values("tenant_id")
    tenants = Tenant.objects.filter(pk__in=theirs).order_by("name")
    return [tenant for tenant in tenants if not owners_of(tenant).exclude(user_id__in=parting).exists()]


def role_of(user: "User", tenant: Tenant) -> Role | None:
    """Return the role of `user` in `tenant`, or None; a superuser is an owner everywhere."""
    return Role.OWNER if _is_superuser(user) else roles_of(user).get(tenant.pk)


def may(user: "User", tenant: Tenant, permission: Permission) -> bool:
    """Say whether `user` may do `permission` in `tenant`."""
    return allows(role_of(user, tenant), permission)


def _is_superuser(user: "User") -> bool:
    return bool(user.is_active and getattr(user, "is_superuser", False))
