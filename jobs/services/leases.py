"""Leases: one row per living worker process, kept fresh by the database's clock."""

from datetime import datetime, timedelta

from django.db.models import F

from jobs.models import WorkerLease
from taskflow.lib.clock import DatabaseNow, seconds


def open_lease(*, host: str, pid: int, pool: str, slots: int) -> WorkerLease:
    """Register this process; its claims stand while the row is fresh."""
    return WorkerLease.objects.create(
        host=host, pid=pid, pool=pool, slots=slots, started_at=DatabaseNow(), heartbeat_at=DatabaseNow()
    )


def beat(*, lease_id: int, running: int) -> bool:
    """Keep the lease fresh; False when it was ended by a rescue: everything claimed under it is lost."""
    rows = WorkerLease.objects.filter(pk=lease_id, ended_at__isnull=True)
    return rows.update(heartbeat_at=DatabaseNow(), running=running) == 1


def living_leases(ids: set[int]) -> set[int]:
    """Return those of these leases that have not ended."""
    return set(WorkerLease.objects.filter(pk__in=ids, ended_at__isnull=True).values_list("pk", flat=True))


def close_lease(*, lease_id: int, reason: str) -> None:
    """End the lease in good order; the jobs under it have been finished or given back."""
    WorkerLease.objects.filter(pk=lease_id, ended_at__isnull=True).update(
        ended_at=DatabaseNow(), end_reason=reason[:200], running=0
    )


def end_stale_leases(*, lease_seconds: float) -> list[int]:
    """End every lease whose process has not been heard of for `lease_seconds`; returns their ids."""
    limit = DatabaseNow() - seconds(lease_seconds)
    stale = list(WorkerLease.objects.filter(ended_at__isnull=True, heartbeat_at__lt=limit).values_list("pk", flat=True))
    return [
        pk
        for pk in stale
        if WorkerLease.objects.filter(pk=pk, ended_at__isnull=True, heartbeat_at__lt=limit).update(
            ended_at=DatabaseNow(), end_reason="no heartbeat"
        )
    ]


def excuse_silence(silence: timedelta | None) -> int:
    """Count the last `silence`, in which no worker could be heard of, against none; None: all silence there was.

    Returns how many were silent.
    """
    rows = WorkerLease.objects.filter(ended_at__isnull=True)
    if silence is None:
        return rows.update(heartbeat_at=DatabaseNow())
    return rows.filter(heartbeat_at__lt=DatabaseNow() - silence).update(heartbeat_at=F("heartbeat_at") + silence)


def prune_leases(*, before: datetime) -> int:
    """Forget workers that ended before `before`; returns how many."""
    count, _ = WorkerLease.objects.filter(ended_at__lt=before).delete()
    return count
