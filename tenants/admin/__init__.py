"""The admin of tenants, and what other apps build their tenant-scoped admin on."""

from tenants.admin.connections import ConnectionAdmin
from tenants.admin.pages import ApiKeyAdmin, TenantAdmin
from tenants.admin.scoping import ScopedRelatedFilter, ScopedStackedInline, ScopedTabularInline, TenantScopedAdmin

__all__ = [
    "ApiKeyAdmin",
    "ConnectionAdmin",
    "ScopedRelatedFilter",
    "ScopedStackedInline",
    "ScopedTabularInline",
    "TenantAdmin",
    "TenantScopedAdmin",
]
