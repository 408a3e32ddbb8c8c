"""What the person behind an admin request may see and do, worked out once a request."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from tenants.domain.roles import Permission, Role, allows
from tenants.models import Tenant
from tenants.queries import roles_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@dataclass(frozen=True, slots=True)
class Access:
    """A person's role by tenant id, and the tenant their session is about."""

    superuser: bool
    roles: Mapping[int, Role]
    current: Tenant | None

    def allows(self, permission: Permission | None, tenant_id: int | None = None) -> bool:
        """Say whether the person may do `permission` in this tenant, or without one, in the current or any of theirs.

        None as permission is for superusers only.
        """
        if self.superuser or permission is None:
            return self.superuser
        if tenant_id is None and self.current is not None:
            tenant_id = self.current.pk
        if tenant_id is not None:
            return allows(self.roles.get(tenant_id), permission)
        return any(allows(role, permission) for role in self.roles.values())

    def limit(self, queryset: QuerySet[Any], path: str) -> QuerySet[Any]:
        """Keep the rows of the person's tenants; `path` leads from a row to its tenant."""
        return queryset if self.superuser else queryset.filter(**{f"{path}__in": list(self.roles)})

    def narrow(self, queryset: QuerySet[Any], path: str, permission: Permission | None) -> QuerySet[Any]:
        """Keep the rows of the current tenant, or, without one, of those where the person may do `permission`."""
        if self.current is not None:
            return queryset.filter(**{path: self.current.pk}) if self.allows(permission) else queryset.none()
        if self.superuser:
            return queryset
        return queryset.filter(**{f"{path}__in": [pk for pk in self.roles if self.allows(permission, pk)]})

    def limit_users(self, queryset: "QuerySet[User]") -> "QuerySet[User]":
        """Keep the people who share a tenant with this person."""
        if self.superuser:
            return queryset
        return queryset.filter(memberships__tenant__in=list(self.roles)).distinct()

    def limit_choices(self, model: type[Model]) -> QuerySet[Any] | None:
        """Return the rows of `model` that a form may offer, or None where the model belongs to no tenant."""
        if model is get_user_model():
            return self.limit_users(model._default_manager.all())
        path = "pk" if model is Tenant else "tenant"
        if path == "tenant" and not any(field.name == "tenant" for field in model._meta.fields):
            return None
        return self.narrow(model._default_manager.all(), path, Permission.VIEW_WORKFLOWS)


def access_of(request: HttpRequest) -> Access:
    """Return the access of the person behind `request`, in one query the first time."""
    known: Access | None = getattr(request, "_tenant_access", None)
    if known is None:
        user = request.user
        superuser = bool(user.is_active and user.is_superuser)
        roles = {} if superuser or not user.is_active else roles_of(user)
        known = Access(superuser, roles, getattr(request, "tenant", None))
        request._tenant_access = known  # type: ignore[attr-defined]
    return known
