"""`manage.py apikey`: make, list and revoke API keys."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from taskflow.lib.clock import utcnow
from tenants.domain.keys import parse_age, refusal_of
from tenants.domain.roles import Scope
from tenants.management.output import one_line, write_table
from tenants.models import ApiKey, Tenant
from tenants.queries import get_tenant
from tenants.services import create_api_key, revoke_api_key


class Command(BaseCommand):
    """Keys that other systems use at the API."""

    help = "Make an API key for a tenant, list keys, or revoke one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="make a key and print it, alone on the last line")
        create.add_argument("--tenant", required=True, metavar="SLUG")
        create.add_argument("--name", required=True, help="what the key is for")
        create.add_argument("--scopes", default="", help=f"some of {','.join(Scope)}; all but fleet without it")
        create.add_argument("--expires", default="", metavar="AGE", help="30d, 12h, ...; never without it")
        listing = actions.add_parser("list", help="list keys")
        listing.add_argument("--tenant", metavar="SLUG", help="only this tenant's")
        revoke = actions.add_parser("revoke", help="refuse a key from now on")
        revoke.add_argument("prefix", help="what stands between tf_ and the secret, as 'list' prints it")

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        getattr(self, action)(options)

    def create(self, options: dict[str, Any]) -> None:
        """Make a key. It is on a line of its own, so that a script can take it with `| tail -n 1`."""
        tenant = _tenant(options["tenant"])
        scopes = [name.strip() for name in options["scopes"].split(",") if name.strip()]
        try:
            issued = create_api_key(
                tenant=tenant,
                name=options["name"],
                scopes=scopes,
                expires_at=_expiry(options["expires"], utcnow()),
                allowed=Scope,
            )
        except ValidationError as error:
            raise CommandError(one_line(error)) from error
        except ValueError as error:
            raise CommandError(str(error)) from error
        key = issued.api_key
        self.stdout.write(f"A key for '{tenant.slug}' with {', '.join(key.scopes)}. It is shown only now:")
        self.stdout.write(issued.clear)

    def list(self, options: dict[str, Any]) -> None:
        """Print keys, without what is secret."""
        keys = ApiKey.objects.select_related("tenant").order_by("tenant__slug", "name")
        if options["tenant"]:
            keys = keys.for_tenant(_tenant(options["tenant"]))
        now = utcnow()
        rows = [(k.tenant.slug, k.name, k.prefix, _status(k, now), _minute(k.last_used_at)) for k in keys]
        write_table(self.stdout, ("TENANT", "NAME", "PREFIX", "STATUS", "LAST USED"), rows)

    def revoke(self, options: dict[str, Any]) -> None:
        """Revoke the key with this prefix."""
        keys = list(ApiKey.objects.filter(prefix=options["prefix"].removeprefix("tf_")))
        if len(keys) != 1:
            raise CommandError(f"{len(keys)} keys have the prefix '{options['prefix']}'. See: manage.py apikey list")
        if not revoke_api_key(api_key=keys[0], now=utcnow()):
            raise CommandError(f"The key '{keys[0].name}' was revoked before.")
        self.stdout.write(f"Revoked the key '{keys[0].name}'.")


def _tenant(slug: str) -> Tenant:
    try:
        return get_tenant(slug)
    except Tenant.DoesNotExist as error:
        raise CommandError(f"{error} See: manage.py tenant list") from error


def _expiry(age: str, now: datetime) -> datetime | None:
    return now + parse_age(age) if age else None


def _status(key: ApiKey, now: datetime) -> str:
    refusal = refusal_of(revoked_at=key.revoked_at, expires_at=key.expires_at, tenant_active=key.tenant.active, now=now)
    return "good" if refusal is None else refusal.name.lower().replace("_", " ")


def _minute(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"
