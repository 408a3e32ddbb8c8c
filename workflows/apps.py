from django.apps import AppConfig
from django.conf import settings


class WorkflowsConfig(AppConfig):
    name = "workflows"

    def ready(self) -> None:
        from tenants.services.connections import find_uses
        from workflows.kinds.python import use_modules
        from workflows.queries import list_connection_uses

        find_uses.append(list_connection_uses)
        use_modules(settings.STEP_FUNCTION_MODULES)
