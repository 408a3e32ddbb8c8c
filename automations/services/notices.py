"""Messages that firings send: taken up, and marked by what came of them. A message may come twice, with one id."""

from datetime import datetime

from django.db import connection
from django.db.models import QuerySet

from automations.domain.patience import LEASE, next_try
from automations.domain.states import NoticeState
from automations.models import Notice
from taskflow.lib.db import in_transaction

DUE = {"state": NoticeState.PENDING.value}


def claim_notices(*, now: datetime, limit: int) -> list[Notice]:
    """Take up messages that are due: nobody else takes them up for LEASE."""

    def work() -> list[Notice]:
        rows = Notice.objects.filter(**DUE, due_at__lte=now).order_by("due_at", "pk")
        if connection.features.has_select_for_update:
            rows = rows.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked)
        found = list(rows[:limit])
        for notice in found:
            notice.attempts += 1
            notice.due_at = now + LEASE
        Notice.objects.bulk_update(found, ["attempts", "due_at"])
        return found

    return in_transaction(work)


def mark_sent(*, notice: Notice, now: datetime) -> bool:
    """Say that a message went out. False where somebody else has taken it up since."""
    return _mine(notice).update(state=NoticeState.SENT.value, sent_at=now, error="") == 1


def mark_unsent(*, notice: Notice, error: str, permanent: bool, now: datetime, until: datetime | None = None) -> bool:
    """Say why a message did not go out; it is sent again later (at `until`, if given), or given up."""
    again = None if permanent else until or next_try(notice.attempts, now)
    if again is None:
        return _mine(notice).update(state=NoticeState.FAILED.value, error=error[:5000]) == 1
    return _mine(notice).update(due_at=again, error=error[:5000]) == 1


def _mine(notice: Notice) -> QuerySet[Notice]:
    return Notice.objects.filter(pk=notice.pk, attempts=notice.attempts, **DUE)
