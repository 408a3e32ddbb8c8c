"""`manage.py gallery`: the starter workflows that come with the product."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from taskflow.lib.clock import utcnow
from tenants.models import Tenant
from tenants.queries import get_tenant
from workflows.services.gallery import StarterNotFound, get_starter, install_starter, list_starters


class Command(BaseCommand):
    """Starter workflows."""

    help = "List the starter workflows, or install one into a tenant."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("list", help="say what there is")
        install = actions.add_parser("install", help="make a starter a workflow of a tenant")
        install.add_argument("starter", metavar="STARTER")
        install.add_argument("--tenant", required=True, metavar="SLUG")
        install.add_argument(
            "--as", dest="slug", default="", metavar="SLUG", help="the workflow's slug, if not its own"
        )
        install.add_argument("--name", default="", help="another name")
        install.add_argument("--replace", action="store_true", help="replace the draft of a workflow of that slug")
        install.add_argument("--publish", action="store_true", help="let new jobs run it")

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        {"list": self.tell, "install": self.install}[action](options)

    def tell(self, options: dict[str, Any]) -> None:
        """Say what the gallery has."""
        for starter in list_starters():
            self.stdout.write(f"{starter.slug:<18} {starter.summary}")

    def install(self, options: dict[str, Any]) -> None:
        """Install a starter."""
        try:
            tenant = get_tenant(options["tenant"])
            imported = install_starter(
                tenant=tenant,
                starter=get_starter(options["starter"]),
                now=utcnow(),
                slug=options["slug"],
                name=options["name"],
                replace=options["replace"],
                go_live=options["publish"],
            )
        except Tenant.DoesNotExist:
            raise CommandError(f"There is no tenant '{options['tenant']}'.") from None
        except (StarterNotFound, ValueError) as error:
            raise CommandError(str(error)) from error
        imported.workflow.refresh_from_db()
        version = imported.workflow.live_version
        state = f"version {version.number} is live" if version is not None else "a draft; publish it to use it"
        self.stdout.write(f"Installed '{imported.workflow.slug}' for '{tenant.slug}': {state}.")
