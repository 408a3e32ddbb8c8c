"""Whether anything waits to be worked on."""

from datetime import datetime

from automations.domain.states import FiringState, NoticeState
from automations.models import Firing, Notice


def work_waits(*, now: datetime) -> bool:
    """Say whether a firing or a message is due."""
    firings = Firing.objects.filter(state=FiringState.PENDING.value, due_at__lte=now)
    notices = Notice.objects.filter(state=NoticeState.PENDING.value, due_at__lte=now)
    return firings.exists() or notices.exists()
