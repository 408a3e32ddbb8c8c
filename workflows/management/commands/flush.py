"""Django's `manage.py flush`, for which the database lets published versions go: everything goes."""

from typing import Any

from django.core.management.commands import flush

from workflows.models import Workflow


class Command(flush.Command):
    """Emptying every table."""

    def handle(self, **options: Any) -> None:
        workflows = Workflow._base_manager.using(options["database"])
        workflows.update(dissolving=True)
        try:
            super().handle(**options)
        finally:
            workflows.filter(dissolving=True).update(dissolving=False)
