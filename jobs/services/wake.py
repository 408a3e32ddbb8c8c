"""Waking a queue: one drain on its way at a time."""

from datetime import datetime, timedelta

from django.db import connection, transaction

from jobs.models import Queue, QueueWake
from taskflow.lib import wake as port
from taskflow.lib.cache import remember
from taskflow.lib.db import database_time
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
    sent = not _is_woken(queue_id, now) and _mark(queue_id, now)
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


# By hand, like the claim: every submission and every claim that leaves something asks this.
def _is_woken(queue_id: int, now: datetime) -> bool:
    sql = "SELECT 1 FROM jobs_queuewake WHERE queue_id = %s AND woken_at >= %s"
    with connection.cursor() as cursor:
        cursor.execute(sql, [queue_id, database_time(now - WAKE_EXPIRES)])
        return cursor.fetchone() is not None


def _mark(queue_id: int, now: datetime) -> bool:
    sql = "UPDATE jobs_queuewake SET woken_at = %s WHERE queue_id = %s AND (woken_at IS NULL OR woken_at < %s)"
    with connection.cursor() as cursor:
        cursor.execute(sql, [database_time(now), queue_id, database_time(now - WAKE_EXPIRES)])
        return bool(cursor.rowcount == 1)


def clear_wake(*, queue_id: int) -> None:
    """Say that the drain has started: the next job that is due may send another."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE jobs_queuewake SET woken_at = NULL WHERE queue_id = %s AND woken_at IS NOT NULL", [queue_id]
        )
