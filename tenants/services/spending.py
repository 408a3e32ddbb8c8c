"""What a tenant spends on its connections, for people."""

from dataclasses import dataclass
from datetime import datetime

from tenants.models import ConnectionSpend
from tenants.services.connections import connections_of
from tenants.services.gate import budget_notice, month_of


@dataclass(frozen=True, slots=True)
class Spending:
    """The use of a connection in this month; `notice` is the sentence about a spent budget, where it is."""

    calls: int
    tokens: int
    cost: float
    notice: str = ""


def spending_of(tenant_id: int, key: int, slug: str, budget: float | None, now: datetime) -> Spending:
    """Return what the tenant used a connection for in the month of `now`."""
    row = ConnectionSpend.objects.for_tenant(tenant_id).filter(key=key, month=month_of(now)).first()
    if row is None:
        return Spending(0, 0, 0.0)
    spent = budget is not None and row.cost >= budget
    notice = f"{budget_notice(slug, budget, row.month)}." if spent and budget is not None else ""
    return Spending(row.calls, row.tokens, row.cost, notice)


def budget_notices(tenant_id: int, now: datetime) -> list[str]:
    """Return a sentence for each connection whose budget stopped a step in this month and is still spent."""
    rows = ConnectionSpend.objects.for_tenant(tenant_id).filter(month=month_of(now), paused_at__isnull=False)
    stopped = list(rows.values_list("key", flat=True))
    if not stopped:
        return []
    found = [each for each in connections_of(tenant_id).values() if each.id in stopped]
    notices = [spending_of(tenant_id, each.id, each.slug, each.limits.monthly_budget, now).notice for each in found]
    return [notice for notice in notices if notice]


def end_pause(spend: ConnectionSpend) -> None:
    """Note that the budget which was spent no longer is."""
    ConnectionSpend.objects.filter(pk=spend.pk).update(paused_at=None)
