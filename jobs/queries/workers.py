"""Which worker processes are alive."""

from jobs.models import WorkerLease
from taskflow.lib.clock import DatabaseNow, seconds


def count_live_workers(*, lease_seconds: float) -> int:
    """Count the worker processes that were heard of in the last `lease_seconds`, by the database's clock."""
    limit = DatabaseNow() - seconds(lease_seconds)
    return WorkerLease.objects.filter(ended_at__isnull=True, heartbeat_at__gte=limit).count()
