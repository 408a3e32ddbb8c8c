"""`manage.py rule`: import, list and try rules."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from automations.models import AutomationRule
from automations.services.rules import FIELDS, RuleInvalid, create_rule, edit_rule
from automations.services.telling import sentence_of
from automations.services.trying import Trial, dry_run
from taskflow.lib.clock import utcnow
from tenants.management.output import write_table
from tenants.models import Tenant
from tenants.queries import get_tenant
from workflows.domain.yamlfile import YamlError, load_yaml


class Command(BaseCommand):
    """Rules as YAML files."""

    help = "Import, list or try rules. Without --tenant they are the operator's, for all tenants."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        take = actions.add_parser("import", help="make the rule of a file, or change the one of the same name")
        take.add_argument("file", type=Path)
        take.add_argument("--off", action="store_true", help="leave a new rule switched off")
        each = actions.add_parser("list", help="list rules, each as a sentence")
        attempt = actions.add_parser("try", help="say what a rule would do now, and do nothing")
        attempt.add_argument("name")
        for one in (take, each, attempt):
            one.add_argument("--tenant", metavar="SLUG", help="a tenant's own rules; without it, the operator's")

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        tenant = _tenant(options["tenant"])
        {"import": self.take, "list": self.list, "try": self.attempt}[action](tenant, options)

    def take(self, tenant: Tenant | None, options: dict[str, Any]) -> None:
        """Import a file."""
        values = _read(options["file"])
        rule = AutomationRule.objects.filter(tenant=tenant, name=values.get("name", "")).first()
        try:
            if rule is None:
                made = create_rule(tenant=tenant, values=values, now=utcnow(), enabled=not options["off"])
                self.stdout.write(f"Created “{made.name}”: {sentence_of(made)}")
            else:
                made = edit_rule(rule=rule, revision=rule.revision, values=values, now=utcnow())
                self.stdout.write(f"Changed “{made.name}”: {sentence_of(made)}")
        except RuleInvalid as error:
            problems = "\n".join(f"  {problem}" for problem in error.problems)
            raise CommandError(f"{options['file']} is not right:\n{problems}") from error

    def list(self, tenant: Tenant | None, options: dict[str, Any]) -> None:
        """Print the rules."""
        rules = AutomationRule.objects.filter(tenant=tenant).select_related("tenant")
        rows = [(rule.name, "on" if rule.enabled else "off", sentence_of(rule)) for rule in rules]
        write_table(self.stdout, ("NAME", "IS", "WHAT IT DOES"), rows)

    def attempt(self, tenant: Tenant | None, options: dict[str, Any]) -> None:
        """Print what a rule would do."""
        rule = AutomationRule.objects.filter(tenant=tenant, name=options["name"]).select_related("tenant").first()
        if rule is None:
            raise CommandError(f"There is no rule “{options['name']}”.")
        trials = dry_run(rule, now=utcnow())
        for trial in trials:
            self.stdout.write(f"{trial.tenant.slug}: {_outcome(trial)}")
        if not trials:
            self.stdout.write("The rule holds for no tenant.")


def _outcome(trial: Trial) -> str:
    if trial.problems:
        return "would fail: " + "; ".join(map(str, trial.problems))
    if not trial.matched:
        parts = ", ".join(f"{each['part']} is {each['value']}" for each in trial.why)
        return f"would do nothing: {trial.reason or parts}"
    return "would " + "; ".join(_line(each) for each in trial.would)


def _line(each: dict[str, Any]) -> str:
    word = each["action"].replace("_", " ")
    if "skipped" in each:
        return f"{word}, but: {each['skipped']}"
    about = each.get("workflow") or each.get("queue") or each.get("channel") or ""
    return f"{word} {about}".strip()


def _read(path: Path) -> dict[str, Any]:
    try:
        values = load_yaml(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is not UTF-8 text: byte {error.start} cannot be read.") from error
    except YamlError as error:
        raise CommandError(f"{path} is not right: {error}") from error
    if not isinstance(values, dict):
        raise CommandError(f"{path} is not right: it holds keys like {', '.join(FIELDS[:3])} at its top level")
    return values


def _tenant(slug: str | None) -> Tenant | None:
    if slug is None:
        return None
    try:
        return get_tenant(slug)
    except Tenant.DoesNotExist as error:
        raise CommandError(str(error)) from error
