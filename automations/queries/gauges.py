"""How far rules are behind, at one moment, for metrics: cheap enough to be asked every few seconds."""

from dataclasses import dataclass
from datetime import datetime

from automations.domain.states import DeliveryState, FiringState
from automations.models import AutomationTick, Firing, WebhookDelivery

#: A gauge stops growing here.
GAUGE_LIMIT = 100_000


@dataclass(frozen=True, slots=True)
class Backlog:
    """Firings that are due and nobody has taken up, since when the first of them is, and messages not yet told."""

    firings: int
    oldest_due_at: datetime | None
    deliveries: int
    ticked_at: datetime | None


def backlog(*, now: datetime) -> Backlog:
    """Return what waits to be worked on."""
    due = Firing.objects.filter(state=FiringState.PENDING.value, due_at__lte=now).order_by("due_at", "pk")
    received = WebhookDelivery.objects.filter(state=DeliveryState.RECEIVED.value).order_by()
    return Backlog(
        firings=due[:GAUGE_LIMIT].count(),
        oldest_due_at=due.values_list("due_at", flat=True).first(),
        deliveries=received[:GAUGE_LIMIT].count(),
        ticked_at=AutomationTick.objects.values_list("ticked_at", flat=True).first(),
    )
