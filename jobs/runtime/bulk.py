"""Working through a bulk action in a worker process."""

import time

from jobs.services.bulk import release_bulk_action, take_bulk_action, work_chunk
from taskflow.lib.clock import utcnow

SLICE_SECONDS = 10.0


def run_bulk_action(action_id: int, *, slice_seconds: float = SLICE_SECONDS) -> None:
    """Work on an action for about `slice_seconds`, then hand it on, so that no action holds a slot for itself."""
    action = take_bulk_action(action_id=action_id, now=utcnow())
    if action is None:
        return
    end = time.monotonic() + slice_seconds
    while work_chunk(action=action, now=utcnow()):
        if time.monotonic() > end:
            release_bulk_action(action=action)
            return
