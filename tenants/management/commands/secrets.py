"""`manage.py secrets`: the keys that seal the secrets of connections."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from taskflow.lib.sealing import new_key
from tenants.services.sealed import list_unreadable, reseal_all


class Command(BaseCommand):
    """Secrets at rest."""

    help = "Make a key for ENCRYPTION_KEYS, seal all secrets with the first key, or find those that no key opens."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("new-key", help="print a fresh key, alone on the last line")
        actions.add_parser("rotate", help="seal every secret with the first key of ENCRYPTION_KEYS")
        actions.add_parser("check", help="name the connections whose secrets no key opens")

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        {"new-key": self.make, "rotate": self.rotate, "check": self.look}[action]()

    def make(self) -> None:
        """Print a key."""
        self.stdout.write(new_key())

    def rotate(self) -> None:
        """Seal everything with the first key."""
        done = reseal_all()
        self.stdout.write(f"Sealed {done.resealed} with the first key; {done.current} were already.")
        self._refuse(done.unreadable)

    def look(self) -> None:
        """Say what cannot be opened."""
        self._refuse(list_unreadable())
        self.stdout.write("Every secret opens.")

    def _refuse(self, unreadable: list[str]) -> None:
        if unreadable:
            what = "\n".join(f"  {each}" for each in unreadable)
            raise CommandError(f"No key of ENCRYPTION_KEYS opens the secrets of {len(unreadable)}:\n{what}")
