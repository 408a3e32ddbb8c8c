"""Hints to the workers: a firing waits. Losing one costs a second, until the next tick."""

from django.core.cache import cache
from django.db import transaction

from taskflow.lib.wake import send

POOL = "default"
#: There while a hint is on its way that no worker has heard yet: a thousand firings are not a thousand messages.
ON_ITS_WAY = "automations.hint"
SECONDS = 2


def hint_on_commit() -> None:
    """Tell a worker after commit that firings wait."""
    transaction.on_commit(hint)


def hint() -> None:
    """Tell a worker that firings wait, unless one is being told already."""
    if cache.add(ON_ITS_WAY, 1, SECONDS) and not send("automations.fire", pool=POOL):
        heard()


def heard() -> None:
    """Say that a worker has heard: what comes from now on is another hint."""
    cache.delete(ON_ITS_WAY)


def ask_for_tick() -> None:
    """Ask a worker for a tick."""
    send("automations.tick", pool=POOL)
