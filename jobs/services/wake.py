"""Waking a queue: one drain on its way at a time."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from jobs.models import Queue, QueueWake
from taskflow.lib import wake as port
from taskflow.lib.cache import remember
from taskflow.lib.telemetry import emit

#: A drain that was sent and has not started for this long is taken for lost.
WAKE_EXPIRES = timedelta(seconds=5)


def wake_on_commit(*, queue_id: int, now: datetime) -> None:
    """Wake the queue when the present transaction is durable, or at once outside one."""
    transaction.on_commit(lambda: _wake(queue_id, now))


def _wake(queue_id: int, now: datetime) -> None:
    wake(queue_id=queue_id, now=now)


def wake(*, queue_id: int, now: datetime) -> bool:
    """Send a drain unless one is on its way; returns whether one was sent. The tick makes up for a dead broker."""
    pool, slug = _address(queue_id)
    rows = QueueWake.objects.filter(queue_id=queue_id).values_list("woken_at", flat=True)
    woken_at = next(iter(rows), None)
    sent = (woken_at is None or woken_at < now - WAKE_EXPIRES) and _mark(queue_id, now)
    if sent and not port.send("jobs.drain", pool=pool, queue_id=queue_id):
        clear_wake(queue_id=queue_id)
        sent = False
    emit("engine.wake", queue=slug, sent=sent)
    return sent


@remember(seconds=5)
def _address(queue_id: int) -> tuple[str, str]:
    """Return the queue's pool and slug, and see to it that there is a row to mark."""
    QueueWake.objects.get_or_create(queue_id=queue_id)
    pool, slug = Queue.objects.values_list("pool", "slug").get(pk=queue_id)
    return pool, slug


def _mark(queue_id: int, now: datetime) -> bool:
    unsent = Q(woken_at__isnull=True) | Q(woken_at__lt=now - WAKE_EXPIRES)
    return QueueWake.objects.filter(unsent, queue_id=queue_id).update(woken_at=now) == 1


def clear_wake(*, queue_id: int) -> None:
    """Say that the drain has started: the next job that is due may send another."""
    QueueWake.objects.filter(queue_id=queue_id, woken_at__isnull=False).update(woken_at=None)
