"""The wake-up: a Celery message that says a queue has work. Losing one costs time, never a job."""

import time

from celery import current_app
from kombu.exceptions import OperationalError

RETRY = {"max_retries": 1, "interval_start": 0.0, "interval_step": 0.0, "interval_max": 0.0}
PAUSE_SECONDS = 2.0
_silent_until = 0.0


def send(task: str, *, pool: str, **kwargs: object) -> bool:
    """Send `task` to the workers of `pool`; False when the broker cannot be reached, and for a moment after that.

    The pause keeps producers from paying a connection time-out for every job while the broker is down.
    """
    global _silent_until
    if time.monotonic() < _silent_until:
        return False
    try:
        current_app.send_task(
            task, kwargs=kwargs, queue=f"pool.{pool}", retry=True, retry_policy=RETRY, ignore_result=True
        )
    except (OperationalError, OSError):
        _silent_until = time.monotonic() + PAUSE_SECONDS
        return False
    return True
