from django.apps import AppConfig


class AutomationsConfig(AppConfig):
    name = "automations"

    def ready(self) -> None:
        from automations.queries.connections import list_connection_uses
        from automations.queries.origin import origin_of_job
        from automations.runtime.tick import tick_if_overdue
        from automations.services.endpoints import HOLDERS
        from jobs.queries.origin import tell_origin
        from jobs.runtime.process import beside_heartbeat
        from tenants.services.connections import find_uses
        from tenants.services.sealed import register

        find_uses.append(list_connection_uses)
        tell_origin.append(origin_of_job)
        beside_heartbeat.append(tick_if_overdue)
        register(HOLDERS)
