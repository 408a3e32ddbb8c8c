"""The rows of tenants: who they are, who belongs to them, and their ways to the outside."""

from tenants.models.connections import Connection
from tenants.models.metering import ConnectionMeter, ConnectionSpend
from tenants.models.tenants import (
    ApiKey,
    Membership,
    Tenant,
    TenantScopedQuerySet,
    validate_slug,
    validate_time_zone,
)

__all__ = [
    "ApiKey",
    "Connection",
    "ConnectionMeter",
    "ConnectionSpend",
    "Membership",
    "Tenant",
    "TenantScopedQuerySet",
    "validate_slug",
    "validate_time_zone",
]
