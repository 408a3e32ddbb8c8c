"""Working through the index of a field in a worker process."""

import time

from jobs.services.indexing import release_field, take_field, work_field
from taskflow.lib.clock import utcnow

SLICE_SECONDS = 10.0


def run_indexing(field_id: int, *, slice_seconds: float = SLICE_SECONDS) -> None:
    """Fill or drop a field's values for about `slice_seconds`, then hand it on to whoever is free."""
    field = take_field(field_id=field_id, now=utcnow())
    if field is None:
        return
    end = time.monotonic() + slice_seconds
    while work_field(field=field, now=utcnow()):
        if time.monotonic() > end:
            release_field(field=field)
            return
