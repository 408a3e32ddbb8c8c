"""Pausing and resuming: a whole queue for everybody, or one tenant's lane in it."""

from datetime import datetime

from jobs.models import Lane, Queue
from jobs.services.submit import ensure_lane
from jobs.services.wake import wake_on_commit
from taskflow.lib.telemetry import emit


def ensure_queue(*, slug: str) -> Queue:
    """Return the queue `slug`, made without limits if there is none."""
    queue, _ = Queue.objects.get_or_create(slug=slug, defaults={"name": slug.replace("-", " ").capitalize()})
    return queue


def pause_queue(*, queue: Queue, actor: str, now: datetime) -> bool:
    """Start no more jobs of this queue; those that run go on. False if it was paused already."""
    changed = Queue.objects.filter(pk=queue.pk, paused_at__isnull=True).update(paused_at=now) == 1
    emit("queue.pause", queue=queue.slug, actor=actor, changed=changed)
    return changed


def resume_queue(*, queue: Queue, actor: str, now: datetime) -> bool:
    """Start jobs of this queue again. False if it was not paused."""
    changed = Queue.objects.filter(pk=queue.pk, paused_at__isnull=False).update(paused_at=None) == 1
    wake_on_commit(queue_id=queue.pk, now=now)
    emit("queue.resume", queue=queue.slug, actor=actor, changed=changed)
    return changed


def pause_lane(*, queue: Queue, tenant_id: int, actor: str, now: datetime) -> bool:
    """Start no more jobs of this tenant in the queue. False if the lane was paused already."""
    lane_id = ensure_lane(queue_id=queue.pk, tenant_id=tenant_id)
    changed = Lane.objects.filter(pk=lane_id, paused_at__isnull=True).update(paused_at=now) == 1
    emit("lane.pause", queue=queue.slug, tenant=tenant_id, actor=actor, changed=changed)
    return changed


def resume_lane(*, queue: Queue, tenant_id: int, actor: str, now: datetime) -> bool:
    """Start jobs of this tenant in the queue again. False if the lane was not paused."""
    lane_id = ensure_lane(queue_id=queue.pk, tenant_id=tenant_id)
    # As one that comes back from idle: a pause hoards no credit.
    changed = Lane.objects.filter(pk=lane_id, paused_at__isnull=False).update(paused_at=None, idle=True) == 1
    wake_on_commit(queue_id=queue.pk, now=now)
    emit("lane.resume", queue=queue.slug, tenant=tenant_id, actor=actor, changed=changed)
    return changed
