"""Making tenants, members and API keys, and letting keys in."""

from tenants.services.access import (
    IssuedKey,
    LastOwnerError,
    add_member,
    authenticate,
    create_api_key,
    create_tenant,
    lock_tenant,
    revoke_api_key,
    rotate_api_key,
)

__all__ = [
    "IssuedKey",
    "LastOwnerError",
    "add_member",
    "authenticate",
    "create_api_key",
    "create_tenant",
    "lock_tenant",
    "revoke_api_key",
    "rotate_api_key",
]
