from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.db import connections
from django.db.models.signals import post_migrate, pre_delete, pre_migrate


class WorkflowsConfig(AppConfig):
    name = "workflows"

    def ready(self) -> None:
        from tenants.services.connections import find_uses
        from workflows.kinds.python import use_modules
        from workflows.queries import list_connection_uses

        find_uses.append(list_connection_uses)
        use_modules(settings.STEP_FUNCTION_MODULES)
        pre_migrate.connect(before_tables_change, sender=self)
        post_migrate.connect(after_tables_changed, sender=self)
        pre_delete.connect(let_versions_go, sender=self.get_model("Workflow"))


def before_tables_change(*, using: str, plan: Any = None, **kwargs: Any) -> None:
    """Take the triggers away that keep versions, where a migration is to come."""
    from workflows.services.keeping import unkeep_versions

    if plan:
        unkeep_versions(connections[using])


def after_tables_changed(*, using: str, **kwargs: Any) -> None:
    """Make the triggers that keep versions. Where that is not allowed, the system check W014 says so ever after."""
    from workflows.services.keeping import keep_versions

    keep_versions(connections[using])


def let_versions_go(*, instance: Any, using: str, **kwargs: Any) -> None:
    """Let the database delete the versions of a workflow that is deleted whole."""
    type(instance)._base_manager.using(using).filter(pk=instance.pk).update(dissolving=True)
