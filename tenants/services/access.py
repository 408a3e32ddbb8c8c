"""Making tenants, members and API keys, and letting keys in."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q

from tenants.domain.keys import Refusal, hash_key, is_key, new_key, refusal_of
from tenants.domain.roles import TENANT_SCOPES, Role, Scope, parse_scopes
from tenants.models import ApiKey, Membership, Tenant
from tenants.queries import find_api_key, owners_of

LAST_USED_EVERY = timedelta(minutes=1)
HOT_KEYS = 1024


class IssuedKey(NamedTuple):
    """A stored key and its clear text, which exists only here."""

    api_key: ApiKey
    clear: str


def create_tenant(
    *, slug: str, name: str, plan: str = "free", time_zone: str = "UTC", attributes: dict[str, Any] | None = None
) -> Tenant:
    """Make a tenant. Raises ValidationError, by field, for a bad or taken slug, a bad time zone or attributes."""
    tenant = Tenant(slug=slug, name=name, plan=plan, time_zone=time_zone, attributes=attributes or {})
    tenant.full_clean()
    tenant.save()
    return tenant


class LastOwnerError(Exception):
    """A tenant that has an owner keeps one."""


def add_member(*, tenant: Tenant, user: User, role: Role) -> Membership:
    """Give `user` the role in `tenant`, in place of any other role there.

    Raises LastOwnerError where that would leave the tenant without an owner.
    """
    with transaction.atomic():
        lock_tenant(tenant)
        owners = owners_of(tenant)
        others = owners.exclude(user=user)
        if role is not Role.OWNER and owners.exists() and not others.exists():
            raise LastOwnerError(f"'{user}' is the last owner of '{tenant.slug}'. Make somebody else one first.")
        membership, _ = Membership.objects.update_or_create(tenant=tenant, user=user, defaults={"role": role.value})
    return membership


def lock_tenant(tenant: Tenant) -> None:
    """Let one transaction at a time change who belongs to the tenant."""
    Tenant.objects.select_for_update().filter(pk=tenant.pk).values_list("pk", flat=True).first()


def create_api_key(
    *,
    tenant: Tenant,
    name: str,
    scopes: Iterable[str] = (),
    expires_at: datetime | None = None,
    allowed: Iterable[Scope] = TENANT_SCOPES,
) -> IssuedKey:
    """Make a key for `tenant` and return it with its clear text, which cannot be had again.

    No scopes mean all of a tenant's own. Raises ValueError for a scope that is not `allowed`; only the command line
    allows FLEET.
    """
    chosen = parse_scopes(scopes, allowed=allowed) or list(TENANT_SCOPES)
    fresh = new_key()
    api_key = ApiKey(
        tenant=tenant,
        name=name,
        prefix=fresh.prefix,
        key_hash=fresh.key_hash,
        scopes=[scope.value for scope in chosen],
        expires_at=expires_at,
    )
    api_key.full_clean()
    api_key.save()
    return IssuedKey(api_key, fresh.clear)


def revoke_api_key(*, api_key: ApiKey, now: datetime) -> bool:
    """Refuse this key from now on; False where it was revoked before."""
    changed = ApiKey.objects.filter(pk=api_key.pk, revoked_at=None).update(revoked_at=now)
    _hot_keys.pop(api_key.key_hash, None)
    return bool(changed)


def rotate_api_key(*, api_key: ApiKey, now: datetime, overlap: timedelta = timedelta(0)) -> IssuedKey:
    """Make a key like this one, and let the old one expire after `overlap`, so that its holder can change over.

    Raises ValueError for a revoked key: it must not come back to life.
    """
    if api_key.revoked_at is not None:
        raise ValueError(f"The key '{api_key.name}' is revoked. Create a new one.")
    with transaction.atomic():
        issued = create_api_key(
            tenant=api_key.tenant,
            name=api_key.name,
            scopes=api_key.scopes,
            expires_at=api_key.expires_at,
            allowed=Scope,
        )
        ApiKey.objects.filter(pk=api_key.pk).filter(Q(expires_at=None) | Q(expires_at__gt=now + overlap)).update(
            expires_at=now + overlap
        )
    _hot_keys.pop(api_key.key_hash, None)
    return issued


class _HotKey(NamedTuple):
    api_key: ApiKey
    loaded_at: datetime


# Keys this process saw in the last seconds. Only keys that exist are kept, so a flood of wrong ones cannot fill it.
_hot_keys: dict[str, _HotKey] = {}


def authenticate(clear: str, *, now: datetime) -> ApiKey | Refusal:
    """Return the key that `clear` is, with its tenant, or why it is refused; at most one query, none for a hot key.

    A key is remembered for `API_KEY_CACHE_SECONDS`: what another process changes (a revoked key, a tenant switched off)
    holds here after that time at the latest. An expiry holds at once.
    """
    if not is_key(clear):
        return Refusal.UNKNOWN
    api_key = _load(hash_key(clear), now)
    if api_key is None:
        return Refusal.UNKNOWN
    refusal = refusal_of(
        revoked_at=api_key.revoked_at, expires_at=api_key.expires_at, tenant_active=api_key.tenant.active, now=now
    )
    if refusal is not None:
        return refusal
    _note_use(api_key, now)
    return api_key


def _load(key_hash: str, now: datetime) -> ApiKey | None:
    hot = _hot_keys.get(key_hash)
    if hot is not None and abs((now - hot.loaded_at).total_seconds()) < settings.API_KEY_CACHE_SECONDS:
        return hot.api_key
    api_key = find_api_key(key_hash)
    if api_key is None:
        _hot_keys.pop(key_hash, None)
        return None
    if len(_hot_keys) >= HOT_KEYS:
        _hot_keys.clear()
    _hot_keys[key_hash] = _HotKey(api_key, now)
    return api_key


def _note_use(api_key: ApiKey, now: datetime) -> None:
    """Store the use once a minute at most; the condition in the statement lets one of many racing requests write."""
    if api_key.last_used_at is not None and now - api_key.last_used_at < LAST_USED_EVERY:
        return
    stale = Q(last_used_at=None) | Q(last_used_at__lte=now - LAST_USED_EVERY)
    ApiKey.objects.filter(stale, pk=api_key.pk).update(last_used_at=now)
    api_key.last_used_at = now
