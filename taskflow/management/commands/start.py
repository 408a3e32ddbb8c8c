"""`manage.py start ROLE`: one program of the system, for containers and service managers."""

import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from taskflow.programs import PROGRAMS


class Command(BaseCommand):
    help = "Become the web server, a worker or beat, after the system checks."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("role", choices=PROGRAMS)

    def handle(self, *args: Any, **options: Any) -> None:
        command = PROGRAMS[options["role"]]()
        self.stdout.flush()
        os.execv(command[0], command)  # noqa: S606 - our own programs
