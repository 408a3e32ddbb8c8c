"""`manage.py tenant`: make, list and people tenants."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from tenants.domain.roles import Role
from tenants.management.output import one_line, write_table
from tenants.models import Tenant
from tenants.queries import get_tenant
from tenants.services import LastOwnerError, add_member, create_tenant


class Command(BaseCommand):
    """Tenants: the customers or teams that own everything else."""

    help = "Make a tenant, list tenants, or give a person a role in one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="make a tenant")
        create.add_argument("slug", help="lower-case letters, digits, hyphens; used in commands and the API")
        create.add_argument("--name", required=True, help="what people call it")
        create.add_argument("--plan", default="free")
        create.add_argument("--time-zone", default="UTC", help="an IANA name such as Europe/Berlin")
        actions.add_parser("list", help="list tenants")
        member = actions.add_parser("member", help="give a person a role")
        member.add_argument("slug")
        member.add_argument("username")
        member.add_argument("--role", required=True, choices=[role.value for role in Role])

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        getattr(self, action)(options)

    def create(self, options: dict[str, Any]) -> None:
        """Make a tenant from the options."""
        try:
            tenant = create_tenant(
                slug=options["slug"], name=options["name"], plan=options["plan"], time_zone=options["time_zone"]
            )
        except ValidationError as error:
            raise CommandError(one_line(error)) from error
        self.stdout.write(f"Created the tenant '{tenant.slug}'.")

    def list(self, options: dict[str, Any]) -> None:
        """Print all tenants."""
        rows = [(t.slug, t.name, t.plan, t.time_zone, "yes" if t.active else "no") for t in Tenant.objects.all()]
        write_table(self.stdout, ("SLUG", "NAME", "PLAN", "TIME ZONE", "ACTIVE"), rows)

    def member(self, options: dict[str, Any]) -> None:
        """Give a person a role in a tenant."""
        try:
            tenant = get_tenant(options["slug"])
        except Tenant.DoesNotExist as error:
            raise CommandError(str(error)) from error
        user = get_user_model().objects.filter(username=options["username"]).first()
        if user is None:
            raise CommandError(f"There is no user '{options['username']}'. Make one with: manage.py createsuperuser")
        try:
            add_member(tenant=tenant, user=user, role=Role(options["role"]))
        except LastOwnerError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"'{user}' is now {options['role']} of '{tenant.slug}'.")
