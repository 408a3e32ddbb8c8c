"""Taking away what is old: firings, deliveries and events are kept for so many days."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Model, Q

from automations.domain.states import DeliveryState, FiringState
from automations.models import AutomationEvent, Firing, WebhookDelivery

BATCH = 1000


@dataclass(frozen=True, slots=True)
class Keep:
    """For how many days firings, those that did not match, and deliveries and events are kept."""

    firings: int
    unmatched: int
    deliveries: int


def prune(*, keep: Keep, now: datetime) -> int:
    """Take away what is older than is kept, at most BATCH of each; returns how many rows."""
    done = Q(state=FiringState.DONE.value, matched=False, created_at__lt=now - timedelta(days=keep.unmatched))
    old = Q(created_at__lt=now - timedelta(days=keep.firings)) & ~Q(state=FiringState.PENDING.value)
    before = now - timedelta(days=keep.deliveries)
    return (
        _take_away(Firing, old)
        + _take_away(Firing, done)
        + _take_away(WebhookDelivery, Q(received_at__lt=before) & ~Q(state=DeliveryState.RECEIVED.value))
        + _take_away(AutomationEvent, Q(created_at__lt=before))
    )


def _take_away(model: type[Model], which: Q) -> int:
    rows: Any = model._default_manager
    ids = list(rows.filter(which).order_by("pk").values_list("pk", flat=True)[:BATCH])
    return rows.filter(pk__in=ids).delete()[0] if ids else 0
