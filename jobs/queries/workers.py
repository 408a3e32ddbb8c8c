"""Which worker processes are alive."""

from jobs.models import WorkerLease
from taskflow.lib.clock import DatabaseNow, seconds


def count_live_workers(*, lease_seconds: float, host: str | None = None) -> int:
    """Count the worker processes (of one host) heard of in the last `lease_seconds`, by the database's clock."""
    limit = DatabaseNow() - seconds(lease_seconds)
    live = WorkerLease.objects.filter(ended_at__isnull=True, heartbeat_at__gte=limit)
    return (live if host is None else live.filter(host=host)).count()
