"""Whether anything waits to be worked on."""

from datetime import datetime

from automations.domain.states import DeliveryState, FiringState, NoticeState
from automations.models import Firing, Notice, WebhookDelivery


def work_waits(*, now: datetime) -> bool:
    """Say whether a delivery came in, or a firing or a message is due."""
    if WebhookDelivery.objects.filter(state=DeliveryState.RECEIVED.value).exists():
        return True
    firings = Firing.objects.filter(state=FiringState.PENDING.value, due_at__lte=now)
    notices = Notice.objects.filter(state=NoticeState.PENDING.value, due_at__lte=now)
    return firings.exists() or notices.exists()
