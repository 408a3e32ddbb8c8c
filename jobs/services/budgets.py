"""Jobs that a spent budget holds back: they go on when it is raised."""

from datetime import date, datetime

from django.db.models import Exists, OuterRef

from jobs.domain.states import AttemptOutcome, State
from jobs.models import Attempt, Job
from tenants.models import ConnectionSpend
from tenants.services.connections import connections_of
from tenants.services.gate import BUDGET_SPREAD, month_of, next_month
from tenants.services.spending import end_pause

BATCH = 1000


def resume_paused(*, now: datetime) -> int:
    """Let the jobs go on that wait for a budget which is no longer spent; returns how many, at most BATCH a tenant.

    They were put off to the beginning of the next month. When it comes they go on by themselves.
    """
    resumed = 0
    month = month_of(now)
    for spend in ConnectionSpend.objects.filter(paused_at__isnull=False):
        if spend.month == month:
            limits = [each.limits for each in connections_of(spend.tenant_id).values() if each.id == spend.key]
            budget = limits[0].monthly_budget if limits else None
            if budget is not None and spend.cost >= budget:
                continue
            count = _bring_forward(spend.tenant_id, month, now)
            resumed += count
            if count == BATCH:
                continue
        end_pause(spend)
    return resumed


def _bring_forward(tenant_id: int, month: date, now: datetime) -> int:
    """Make the jobs due that were snoozed to the beginning of the next month.

    One that waits there for another budget of the tenant meets it again, and is put off again.
    """
    begin = next_month(month)
    snoozed = Attempt.objects.filter(
        job=OuterRef("pk"), number=OuterRef("attempts"), outcome=AttemptOutcome.SNOOZED.value
    )
    waiting = Job.objects.filter(
        Exists(snoozed), tenant=tenant_id, state=State.SCHEDULED.value, wake_at__range=(begin, begin + BUDGET_SPREAD)
    )
    ids = list(waiting.values_list("pk", flat=True)[:BATCH])
    return Job.objects.filter(pk__in=ids, state=State.SCHEDULED.value).update(wake_at=now, due_at=now)
