"""Making, changing and deleting connections, and giving them out as plain values."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError as ModelInvalid
from django.db import IntegrityError

from taskflow.lib.db import in_transaction
from taskflow.lib.sealing import CannotOpen, seal, unseal
from tenants.domain import connections as domain
from tenants.models import Connection, ConnectionMeter, ConnectionSpend, Tenant
from tenants.services.connection_checks import Problem, check_config, check_new_secrets
from tenants.services.environment import environment_connection

#: What may be set besides config and secrets. Slug and kind are set once.
LIMITS = ("concurrent", "requests_per_minute", "tokens_per_minute", "monthly_budget")
FIELDS = ("name", "enabled", *LIMITS)
Uses = Callable[[int, str], list[str]]
#: Higher apps say here where they use a tenant's connection of a slug, in words for people.
find_uses: list[Uses] = []
SWITCHED_OFF = "it is switched off"


class ConnectionInvalid(ValueError):
    """A connection cannot be stored so; `problems` are (field, reason) pairs, the fields as dotted paths."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(f"{field}: {reason}" for field, reason in self.problems))


class ConnectionInUse(Exception):
    """Steps name the connection; `uses` says which."""

    def __init__(self, slug: str, uses: list[str]) -> None:
        self.uses = uses
        super().__init__(f"The connection '{slug}' is in use: {'; '.join(uses)}.")


def create_connection(
    *,
    tenant: Tenant,
    slug: str,
    kind: str,
    config: Mapping[str, Any],
    secrets: Mapping[str, str | None] | None = None,
    now: datetime,
    **fields: Any,
) -> Connection:
    """Make a connection; `fields` are some of FIELDS. Raises ConnectionInvalid."""
    connection = Connection(tenant=tenant, slug=slug, kind=kind)
    return in_transaction(lambda: _write(connection, {"name": slug} | fields, dict(config), secrets or {}, now))


def update_connection(
    *,
    connection: Connection,
    config: Mapping[str, Any] | None = None,
    secrets: Mapping[str, str | None] | None = None,
    now: datetime,
    **fields: Any,
) -> Connection:
    """Change a connection; what is not given stays. A secret of None is removed. Raises ConnectionInvalid.

    Secrets stay only while the connection leads to the same host: else who may edit it could have them sent to a host
    of their own, and so read what is never shown.
    """

    def work() -> Connection:
        row = Connection.objects.select_for_update().get(pk=connection.pk)
        return _write(row, fields, row.config if config is None else dict(config), secrets or {}, now)

    return in_transaction(work)


def _write(
    row: Connection,
    fields: Mapping[str, Any],
    config: dict[str, Any],
    secrets: Mapping[str, str | None],
    now: datetime,
) -> Connection:
    for name in FIELDS:
        if name in fields:
            setattr(row, name, fields[name])
    problems = _field_problems(row)
    if not any(field == "kind" for field, _ in problems):
        problems += check_changes(row, config=config, secrets=secrets)
    if problems:
        raise ConnectionInvalid(problems)
    values = {name: value for name, value in {**_kept(row, secrets)[0], **secrets}.items() if value}
    row.config = row.spec.Config.model_validate(config).model_dump(mode="json", exclude_none=True)
    if secrets:
        row.sealed = seal(values, owner=row.owner)
        row.secrets_set_at = {
            name: now.isoformat() if secrets.get(name) else row.secrets_set_at[name] for name in values
        }
    row.last_test = None
    try:
        row.save()
    except IntegrityError as error:
        raise ConnectionInvalid([("slug", "There is a connection of this slug already.")]) from error
    return row


def check_changes(row: Connection, *, config: Mapping[str, Any], secrets: Mapping[str, str | None]) -> list[Problem]:
    """Return what is wrong with a new config and new secrets for a connection of this kind."""
    typed, problems = check_config(row.spec, row.slug, config)
    if typed is None:
        return problems
    kept, unreadable = _kept(row, secrets)
    return [*problems, *unreadable, *check_new_secrets(row.spec, typed, before=row.config, kept=kept, given=secrets)]


def _field_problems(row: Connection) -> list[Problem]:
    try:
        row.full_clean(exclude=("config",))
    except ModelInvalid as error:
        return [
            ("slug" if field == "__all__" else field, " ".join(reasons))
            for field, reasons in error.message_dict.items()
        ]
    return []


def _kept(row: Connection, given: Mapping[str, str | None]) -> tuple[dict[str, str | None], list[Problem]]:
    """Return the secrets that stay. Where no key opens them, each of them must be given anew or removed."""
    try:
        stored = unseal(row.sealed, owner=row.owner)
    except CannotOpen:
        left = [name for name in row.secrets_set_at if name not in given]
        return {}, [(f"secrets.{name}", "cannot be read any more: give it anew") for name in left]
    return {name: value for name, value in stored.items() if name not in given}, []


def delete_connection(*, connection: Connection) -> None:
    """Delete a connection. Raises ConnectionInUse where a draft or a version that new jobs run names it."""
    if uses := uses_of(connection):
        raise ConnectionInUse(connection.slug, uses)
    ConnectionMeter.objects.filter(pk=connection.pk).delete()
    ConnectionSpend.objects.for_tenant(connection.tenant_id).filter(key=connection.pk).delete()
    connection.delete()


def uses_of(connection: Connection) -> list[str]:
    """Return where drafts and live versions name the connection, in words."""
    return [use for find in find_uses for use in find(connection.tenant_id, connection.slug)]


def open_connection(row: Connection) -> domain.Connection:
    """Return a stored connection as a plain value, its secrets open; what is wrong with it is its `problem`."""
    budget = row.monthly_budget
    limits = domain.Limits(
        row.concurrent, row.requests_per_minute, row.tokens_per_minute, None if budget is None else float(budget)
    )
    secrets: dict[str, str] = {}
    problem = "" if row.enabled else SWITCHED_OFF
    try:
        secrets = unseal(row.sealed, owner=row.owner)
    except CannotOpen as error:
        problem = problem or str(error)
    return domain.Connection(row.slug, row.kind, row.config, secrets, limits, row.pk, problem, row.enabled)


def connection_slugs(tenant_id: int) -> set[str]:
    """Return the names under which a tenant's steps find a connection."""
    slugs = set(Connection.objects.for_tenant(tenant_id).values_list("slug", flat=True))
    return slugs if environment_connection() is None else slugs | {domain.DEFAULT_SLUG}


def connections_of(tenant_id: int) -> dict[str, domain.Connection]:
    """Return a tenant's connections by slug, the deployment's own among them."""
    found = {row.slug: open_connection(row) for row in Connection.objects.for_tenant(tenant_id)}
    own = environment_connection()
    return found if own is None else {own.slug: own} | found
