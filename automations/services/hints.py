"""Hints to the workers: a firing waits. Losing one costs a second, until the next tick."""

from django.db import transaction

from taskflow.lib.wake import send

POOL = "default"


def hint_on_commit() -> None:
    """Tell a worker after commit that firings wait."""
    transaction.on_commit(hint)


def hint() -> None:
    """Tell a worker that firings wait."""
    send("automations.fire", pool=POOL)


def ask_for_tick() -> None:
    """Ask a worker for a tick."""
    send("automations.tick", pool=POOL)
