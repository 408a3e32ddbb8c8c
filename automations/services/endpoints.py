"""Addresses for webhooks: made, changed, given other secrets."""

import hashlib
import secrets
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from automations.domain.endpoints import Problem, config_problems
from automations.domain.signatures import check_secret
from automations.domain.states import Scheme
from automations.models import WebhookEndpoint
from taskflow.lib import webhooks
from taskflow.lib.db import in_transaction
from taskflow.lib.sealing import seal, unseal
from tenants.models import Tenant
from tenants.services.sealed import Holder, Holders

KEY_BYTES = 32
PREFIX_LENGTH = 6
LONGEST_NAME = 100
TOLERANCES = range(30, 86_401)
MOST_ENDPOINTS = 500
#: Senders that make the secret themselves, once they know the address.
THEIR_SECRET = frozenset({Scheme.STRIPE, Scheme.SLACK})
T = TypeVar("T")
CURRENT, PREVIOUS = "current", "previous"


class EndpointInvalid(Exception):
    """What was asked of an endpoint is wrong; `problems` are (field, reason) pairs."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{field}: {reason}" for field, reason in problems))
        self.problems = problems


class Issued(NamedTuple):
    """An endpoint with what is shown once: the key of its address and its secret, empty where there is none yet."""

    endpoint: WebhookEndpoint
    key: str
    secret: str


def create_endpoint(
    *,
    tenant: Tenant,
    name: str,
    scheme: str,
    now: datetime,
    config: Mapping[str, Any] | None = None,
    tolerance: int = 300,
    secret: str = "",
    enabled: bool = True,
) -> Issued:
    """Make an address. Without a `secret` one is made, unless the sender makes it (Stripe, Slack): set it later.

    Raises EndpointInvalid.
    """
    problems = _problems(scheme, config or {}, name, tolerance, secret)
    if WebhookEndpoint.objects.for_tenant(tenant).count() >= MOST_ENDPOINTS:
        problems.append(("", f"There are {MOST_ENDPOINTS} endpoints already."))
    if problems:
        raise EndpointInvalid(problems)
    key = secrets.token_urlsafe(KEY_BYTES)
    endpoint = WebhookEndpoint(
        tenant=tenant,
        name=name.strip(),
        key_hash=hash_endpoint_key(key),
        prefix=key[:PREFIX_LENGTH],
        scheme=scheme,
        config=dict(config or {}),
        tolerance=tolerance,
        enabled=enabled,
    )
    secret = secret or new_secret(Scheme(scheme))
    if secret:
        _set_secrets(endpoint, {CURRENT: secret}, {CURRENT: now.isoformat()})
    endpoint.save()
    return Issued(endpoint, key, secret)


def update_endpoint(*, endpoint: WebhookEndpoint, **changes: Any) -> WebhookEndpoint:
    """Change `name`, `config`, `tolerance` or `enabled`. Raises EndpointInvalid."""

    def work(row: WebhookEndpoint) -> WebhookEndpoint:
        for field, value in changes.items():
            setattr(row, field, value.strip() if field == "name" else value)
        problems = _problems(row.scheme, row.config, row.name, row.tolerance, "")
        if problems:
            raise EndpointInvalid(problems)
        row.save()
        return row

    return _locked(endpoint, work)


def rotate_secret(
    *, endpoint: WebhookEndpoint, now: datetime, secret: str = "", overlap: timedelta | None = None
) -> Issued:
    """Give the endpoint another secret and return it. The one before holds beside it for `overlap`, or until removed.

    Raises EndpointInvalid for a `secret` that does not fit the scheme, or none where only the sender can make it.
    """
    scheme = Scheme(endpoint.scheme)
    fresh = secret or new_secret(scheme)
    if not fresh:
        raise EndpointInvalid([("secret", "The sender makes this secret: give the one it shows.")])
    problems = _secret_problems(endpoint.scheme, fresh)
    if problems:
        raise EndpointInvalid(problems)

    def work(row: WebhookEndpoint) -> Issued:
        old, since = unseal(row.sealed, owner=row.owner), row.secrets_set_at
        if old.get(CURRENT) == fresh:
            raise EndpointInvalid([("secret", "This is the secret it has.")])
        values, times = {CURRENT: fresh}, {CURRENT: now.isoformat()}
        if CURRENT in old:
            values[PREVIOUS], times[PREVIOUS] = old[CURRENT], since.get(CURRENT, now.isoformat())
        _set_secrets(row, values, times)
        row.previous_until = None if overlap is None or PREVIOUS not in values else now + overlap
        row.save()
        return Issued(row, "", fresh)

    return _locked(endpoint, work)


def remove_previous_secret(*, endpoint: WebhookEndpoint) -> bool:
    """Let only the newest secret hold; False where there is no other."""

    def work(row: WebhookEndpoint) -> bool:
        values = unseal(row.sealed, owner=row.owner)
        if values.pop(PREVIOUS, None) is None:
            return False
        _set_secrets(row, values, {CURRENT: row.secrets_set_at.get(CURRENT, "")})
        row.previous_until = None
        row.save()
        return True

    return _locked(endpoint, work)


def renew_address(*, endpoint: WebhookEndpoint) -> Issued:
    """Give the endpoint another address and return its key; the one before leads nowhere from now on."""
    key = secrets.token_urlsafe(KEY_BYTES)

    def work(row: WebhookEndpoint) -> Issued:
        row.key_hash, row.prefix = hash_endpoint_key(key), key[:PREFIX_LENGTH]
        row.save()
        return Issued(row, key, "")

    return _locked(endpoint, work)


def delete_endpoint(*, endpoint: WebhookEndpoint) -> None:
    """Take the endpoint away with all that it received; firings stay."""
    endpoint.delete()


def find_endpoint(key: str) -> WebhookEndpoint | None:
    """Return the endpoint whose address has this key, with its tenant, switched on or not."""
    found = WebhookEndpoint.objects.select_related("tenant").filter(key_hash=hash_endpoint_key(key))
    return found.first()


def secrets_in_force(endpoint: WebhookEndpoint, *, now: datetime) -> list[str]:
    """Return the secrets that a delivery may be signed with, the newest first. Raises CannotOpen."""
    values = unseal(endpoint.sealed, owner=endpoint.owner)
    if endpoint.previous_until is not None and endpoint.previous_until <= now:
        values.pop(PREVIOUS, None)
    return [values[name] for name in (CURRENT, PREVIOUS) if name in values]


def new_secret(scheme: Scheme) -> str:
    """Return a fresh secret of the scheme's form; an empty text where the sender makes it."""
    if scheme in THEIR_SECRET:
        return ""
    return webhooks.new_secret() if scheme is Scheme.STANDARD else secrets.token_urlsafe(KEY_BYTES)


def hash_endpoint_key(key: str) -> str:
    """Return how the key of an address is kept. It is looked up by this, so no comparison tells how near a guess is."""
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


def _locked(endpoint: WebhookEndpoint, work: Callable[[WebhookEndpoint], T]) -> T:
    return in_transaction(lambda: work(WebhookEndpoint.objects.select_for_update().get(pk=endpoint.pk)))


def _set_secrets(endpoint: WebhookEndpoint, values: Mapping[str, str], times: Mapping[str, str]) -> None:
    endpoint.sealed, endpoint.secrets_set_at = seal(values, owner=endpoint.owner), dict(times)


def _problems(scheme: str, config: Mapping[str, Any], name: str, tolerance: int, secret: str) -> list[Problem]:
    found = []
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        found.append(("name", f"Must be text of 1 to {LONGEST_NAME} characters on one line."))
    if tolerance not in TOLERANCES:
        found.append(("tolerance", f"Must be {TOLERANCES[0]} to {TOLERANCES[-1]} seconds."))
    if scheme not in set(Scheme):
        return [*found, ("scheme", f"Must be one of {', '.join(Scheme)}.")]
    return found + config_problems(Scheme(scheme), config) + (_secret_problems(scheme, secret) if secret else [])


def _secret_problems(scheme: str, secret: str) -> list[Problem]:
    try:
        check_secret(Scheme(scheme), secret)
    except ValueError as error:
        return [("secret", f"It {error}.")]
    return []


def _holders() -> Iterable[tuple[Holder, str]]:
    rows = WebhookEndpoint.objects.exclude(sealed="").select_related("tenant").order_by("tenant__slug", "pk")
    return [(row, f"{row.tenant.slug}/webhook {row.name}") for row in rows]


def _reseal(row: Holder, fresh: str) -> bool:
    return WebhookEndpoint.objects.filter(pk=row.pk, sealed=row.sealed).update(sealed=fresh) == 1


#: Registered when the app is ready.
HOLDERS = Holders(_holders, _reseal)
