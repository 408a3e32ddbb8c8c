"""`manage.py alive`: the health check of a worker's container."""

import socket
from typing import Any

from django.conf import settings
from django.core.management import CommandError
from django.core.management.base import BaseCommand

from jobs.queries.workers import count_live_workers


class Command(BaseCommand):
    help = "Succeed if a worker process of this host has been heard of lately."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        host = socket.gethostname()
        count = count_live_workers(lease_seconds=settings.LEASE_SECONDS, host=host)
        if not count:
            raise CommandError(f"No worker process of {host} has been heard of lately.")
        self.stdout.write(f"{count} worker processes of {host} are alive.")
