"""The Celery tasks of automations. Each takes keywords, tolerates unknown ones, and may run twice or not at all."""

from typing import Any

from celery import shared_task

from automations.runtime.fire import fire as run_fire
from automations.runtime.tick import tick as run_tick
from taskflow.lib.clock import utcnow


@shared_task(name="automations.tick")
def tick(**_unknown: Any) -> None:
    """Make firings of what came due."""
    run_tick(now=utcnow())


@shared_task(name="automations.fire")
def fire(**_unknown: Any) -> None:
    """Work on firings and messages that wait."""
    run_fire()
