from django.apps import AppConfig


class TaskflowConfig(AppConfig):
    name = "taskflow"

    def ready(self) -> None:
        from taskflow import checks  # noqa: F401 - registers them
        from taskflow.lib.telemetry import subscribe
        from taskflow.logs import log_telemetry
        from taskflow.metrics.counts import count_telemetry

        subscribe(log_telemetry)
        subscribe(count_telemetry)
