"""The gate: what holds connections to their limits, over all workers of all hosts.

It is used on step threads, over their own database connections. Each call costs a short transaction before and one
after it, and none where the connection has no limits; docs/decisions/connection-limits.md says what they take.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from random import random
from typing import TypeVar

from django.db import Error, IntegrityError, transaction
from django.db import connection as database
from django.db.models import F

from taskflow.lib.clock import utcnow
from taskflow.lib.db import in_transaction, is_away
from taskflow.lib.ids import new_uid
from taskflow.lib.telemetry import emit
from tenants.domain.connections import Connection, LimitReached
from tenants.domain.metering import Meter, Refusal, has_rates
from tenants.models import ConnectionMeter, ConnectionSpend

T = TypeVar("T")
Living = Callable[[set[int]], set[int]]
#: A call that has not been given back after this many seconds is taken for lost. No call may last as long.
PERMIT_SECONDS = 900.0
#: Jobs that a spent budget held back begin again over this span of the new month.
BUDGET_SPREAD = timedelta(minutes=10)
AWAY_SECONDS = 5.0
TRIES = 4


def all_live(holders: set[int]) -> set[int]:
    """Take every holder for alive: its places come back when their time is over."""
    return holders


@dataclass(frozen=True, slots=True)
class Gate:
    """The gate for one tenant's calls. `holder` is who makes them, and `living` says which holders are still alive."""

    tenant_id: int
    holder: int = 0
    living: Living = all_live

    def enter(self, connection: Connection, *, now: datetime, tokens: int = 0) -> "Permit":
        """Return the leave for a call that may take `tokens`. Raises LimitReached."""
        permit = Permit(self, connection, new_uid().hex, now.timestamp(), tokens)
        try:
            self._require_budget(connection, now)
            refusal = _surely(partial(self._admit, permit)) if has_rates(connection.limits) else None
        except Error as error:
            if not is_away(error):
                raise
            until = now + timedelta(seconds=AWAY_SECONDS * (1 + random()))  # noqa: S311 - spread
            raise LimitReached(
                f"The limits of the connection '{connection.slug}' cannot be read now", until=until
            ) from error
        if refusal is not None:
            emit("connection.limited", connection=connection.id)
            until = datetime.fromtimestamp(refusal.until, UTC)
            raise LimitReached(f"The connection '{connection.slug}' is busy: {refusal.reason}", until=until)
        return permit

    def _require_budget(self, connection: Connection, now: datetime) -> None:
        budget = connection.limits.monthly_budget
        if budget is None:
            return
        month = month_of(now)
        rows = ConnectionSpend.objects.filter(tenant=self.tenant_id, key=connection.id, month=month)
        spent = _surely(lambda: rows.values_list("cost", "paused_at").first()) or (0.0, None)
        if spent[0] < budget:
            return
        if spent[1] is None and rows.filter(paused_at=None).update(paused_at=now):
            emit("connection.budget_spent", connection=connection.id)
        until = next_month(month) + BUDGET_SPREAD * random()  # noqa: S311 - spread
        raise LimitReached(budget_notice(connection.slug, budget, month), until=until)

    def _admit(self, permit: "Permit") -> Refusal | None:
        limits = permit.connection.limits

        def change(meter: Meter) -> Refusal | None:
            # A call begins when its place is free, not when its worker began to wait for the lock.
            now = permit.began = max(time.time(), permit.began)
            if meter.full(limits, now):
                meter.drop(meter.holders() - self.living(meter.holders()))
            return meter.admit(
                limits, permit=permit.id, holder=self.holder, now=now, lasts=PERMIT_SECONDS, tokens=permit.tokens
            )

        return change_meter(permit.connection.id, change)


@dataclass(slots=True)
class Permit:
    """The leave to make one call. `tokens` is how many it may take, `began` when it was let in, in seconds."""

    gate: Gate
    connection: Connection
    id: str
    began: float
    tokens: int

    def leave(self, *, tokens: int = 0, cost: float = 0.0) -> None:
        """Say that the call is over, and what it really took.

        The call is made and paid for, so this never fails the step. What cannot be written is told as telemetry; the
        place comes back by itself.
        """
        try:
            if has_rates(self.connection.limits):
                _surely(lambda: change_meter(self.connection.id, partial(self._leave, tokens)))
            if self.connection.is_llm or cost or tokens:
                now = utcnow()
                _surely(lambda: note_spend(self.gate.tenant_id, self.connection.id, now, tokens=tokens, cost=cost))
        except Error as error:
            emit(
                "connection.not_counted",
                connection=self.connection.id,
                tokens=tokens,
                cost=cost,
                error=str(error)[:200],
            )

    def _leave(self, tokens: int, meter: Meter) -> None:
        limits, now = self.connection.limits, time.time()
        meter.leave(self.id, began=self.began, now=now, expected=self.tokens, tokens=tokens, limits=limits)


def change_meter(key: int, change: Callable[[Meter], T]) -> T:
    """Change the meter of a connection under its lock, in a transaction of its own."""

    def work() -> T:
        row = ConnectionMeter.objects.select_for_update().filter(pk=key).first()
        if row is None:
            ConnectionMeter.objects.bulk_create([ConnectionMeter(key=key)], ignore_conflicts=True)
            row = ConnectionMeter.objects.select_for_update().get(pk=key)
        meter = Meter.from_data(row.state)
        answer = change(meter)
        ConnectionMeter.objects.filter(pk=key).update(state=meter.to_data())
        return answer

    return in_transaction(work)


def note_spend(tenant_id: int, key: int, now: datetime, *, tokens: int, cost: float) -> None:
    """Add a call to what the tenant spent on the connection in this month."""
    rows = ConnectionSpend.objects.filter(tenant=tenant_id, key=key, month=month_of(now))
    added = {"calls": F("calls") + 1, "tokens": F("tokens") + tokens, "cost": F("cost") + cost}
    if rows.update(**added):
        return
    fresh = ConnectionSpend(tenant_id=tenant_id, key=key, month=month_of(now), calls=1, tokens=tokens, cost=cost)
    try:
        with transaction.atomic():
            fresh.save(force_insert=True)
    except IntegrityError:
        # Another worker made it first, or the tenant is gone.
        rows.update(**added)


def month_of(now: datetime) -> date:
    """Return the month that `now` lies in, as its first day."""
    return now.astimezone(UTC).date().replace(day=1)


def next_month(month: date) -> datetime:
    """Return the instant at which the month after `month` begins."""
    after = (month + timedelta(days=32)).replace(day=1)
    return datetime(after.year, after.month, 1, tzinfo=UTC)


def budget_notice(slug: str, budget: float, month: date) -> str:
    """Return the one sentence about a spent budget."""
    return (
        f"The connection '{slug}' has spent its budget of {budget:,.2f} US dollars for {month:%B %Y}: "
        f"steps that use it wait until {next_month(month):%-d %B}, or until the budget is raised"
    )


def _surely(work: Callable[[], T]) -> T:
    """Do `work`, a few times while the database is away, over a fresh connection each time."""
    for attempt in range(TRIES):
        try:
            return work()
        except Error as error:
            if database.in_atomic_block:
                raise
            database.close()
            if not is_away(error) or attempt == TRIES - 1:
                raise
            time.sleep(0.1 * 2**attempt)
    raise AssertionError("unreachable")
