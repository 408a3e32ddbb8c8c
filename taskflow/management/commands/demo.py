"""`manage.py demo`: a tenant to look at, with people, workflows and real input."""

from typing import Any

from django.core.management.base import BaseCommand

from taskflow.demo.content import seed
from taskflow.demo.tenant import ensure_tenant, login_lines
from taskflow.lib.clock import utcnow


class Command(BaseCommand):
    help = "Make the demo tenant with its people, workflows and jobs, as far as they are missing; print how to log in."

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = ensure_tenant()
        for line in seed(tenant, now=utcnow()):
            self.stdout.write(line)
        if options["verbosity"]:
            self.stdout.write(login_lines())
