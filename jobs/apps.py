from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "jobs"

    def ready(self) -> None:
        from jobs.queries.mail import list_connection_uses
        from tenants.services.connections import find_uses

        find_uses.append(list_connection_uses)
