from django.apps import AppConfig
from django.conf import settings


class WorkflowsConfig(AppConfig):
    name = "workflows"

    def ready(self) -> None:
        from workflows.kinds.python import use_modules

        use_modules(settings.STEP_FUNCTION_MODULES)
