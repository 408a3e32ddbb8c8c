"""`manage.py workflow`: check, import and export workflow files."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from taskflow.lib.clock import utcnow
from tenants.models import Tenant
from tenants.queries import get_tenant
from workflows.domain.definition import Definition, DefinitionError
from workflows.models import Workflow
from workflows.services import check_file, export_workflow, import_workflow, publish


class Command(BaseCommand):
    """Workflows as YAML files."""

    help = "Check, import or export a workflow file."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        check = actions.add_parser("check", help="say everything that is wrong with a file, and write nothing")
        check.add_argument("file", type=Path)
        take = actions.add_parser("import", help="make the file the draft of the tenant's workflow of that slug")
        take.add_argument("file", type=Path)
        take.add_argument("--tenant", required=True, metavar="SLUG")
        take.add_argument(
            "--publish", action="store_true", help="let new jobs run it, if it differs from what they run"
        )
        take.add_argument("--notes", default="", help="what changed, kept with the published version")
        give = actions.add_parser("export", help="print a workflow's draft as a file")
        give.add_argument("slug")
        give.add_argument("--tenant", required=True, metavar="SLUG")

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        {"check": self.check_only, "import": self.take, "export": self.give}[action](options)

    def check_only(self, options: dict[str, Any]) -> None:
        """Check a file."""
        definition = _read(options["file"])
        self.stdout.write(f"{options['file']}: '{definition.slug}' is right, with {len(definition.steps)} steps.")

    def take(self, options: dict[str, Any]) -> None:
        """Import a file, and publish it if asked to."""
        tenant = _tenant(options["tenant"])
        definition = _read(options["file"])
        try:
            imported = import_workflow(tenant=tenant, definition=definition)
        except DefinitionError as error:
            raise CommandError(_listing(f"{options['file']} is not right", error)) from error
        slug = imported.workflow.slug
        self.stdout.write(f"{'Created' if imported.created else 'Updated'} the draft of '{slug}' for '{tenant.slug}'.")
        for warning in imported.warnings:
            self.stdout.write(self.style.WARNING(f"Warning: {warning}"))
        if options["publish"]:
            self._publish(imported.workflow, imported.publishable, options["notes"])

    def _publish(self, workflow: Workflow, publishable: bool, notes: str) -> None:
        live = workflow.live_version
        if not publishable and live is not None:
            self.stdout.write(f"Version {live.number} of '{workflow.slug}' says the same, and stays live.")
            return
        version = publish(workflow=workflow, notes=notes, now=utcnow())
        self.stdout.write(f"Published version {version.number} of '{workflow.slug}'; new jobs run it.")

    def give(self, options: dict[str, Any]) -> None:
        """Print a workflow as a file."""
        tenant = _tenant(options["tenant"])
        workflow = Workflow.objects.for_tenant(tenant).filter(slug=options["slug"]).first()
        if workflow is None:
            raise CommandError(f"'{tenant.slug}' has no workflow '{options['slug']}'.")
        try:
            self.stdout.write(export_workflow(workflow), ending="")
        except DefinitionError as error:
            raise CommandError(_listing(f"'{workflow.slug}' cannot be exported", error)) from error


def _read(path: Path) -> Definition:
    try:
        return check_file(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is not UTF-8 text: byte {error.start} cannot be read.") from error
    except DefinitionError as error:
        raise CommandError(_listing(f"{path} is not right", error)) from error


def _listing(what: str, error: DefinitionError) -> str:
    count = len(error.problems)
    head = f"{what}: {count} problem{'' if count == 1 else 's'}"
    return "\n".join([head, *(f"  {problem}" for problem in error.problems)])


def _tenant(slug: str) -> Tenant:
    try:
        return get_tenant(slug)
    except Tenant.DoesNotExist:
        raise CommandError(
            f"There is no tenant '{slug}'. Make it: manage.py tenant create {slug} --name NAME"
        ) from None
