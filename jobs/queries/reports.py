"""What a report says of a period, and of the one before it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from jobs.domain.ledger import Ledger
from jobs.domain.periods import Period
from jobs.domain.reports import period_of
from jobs.models import ReportSubscription
from jobs.queries.dashboard import Figures, ReviewsNow, get_figures, get_reviews_now, get_throughput
from jobs.queries.ledger import get_ledgers
from workflows.models import Workflow


@dataclass(frozen=True, slots=True)
class Part:
    """The numbers of one period."""

    period: Period
    ledger: Ledger
    figures: Figures
    done: int
    failed: int

    @property
    def rate(self) -> float | None:
        """The share that succeeded of what ended."""
        return self.done / (self.done + self.failed) if self.done + self.failed else None


@dataclass(frozen=True, slots=True)
class Report:
    """A period, the one before it, and the reviews at the moment."""

    now: Part
    before: Part
    reviews: ReviewsNow

    @property
    def answer(self) -> float | None:
        """Half of the reviews were decided within so many seconds."""
        return self.now.figures.span("answer", 0.5)


def get_report(subscription: ReportSubscription, *, due: datetime, now: datetime) -> Report:
    """Return the report that is due at `due`."""
    zone = ZoneInfo(subscription.tenant.time_zone)
    ids = _workflows(subscription)
    period, before = period_of(subscription.cadence, zone=zone, due=due)
    return Report(_part(ids, period, zone), _part(ids, before, zone), get_reviews_now(ids, period, now))


def _workflows(subscription: ReportSubscription) -> list[int]:
    if subscription.workflow_id is not None:
        return [subscription.workflow_id]
    return list(Workflow.objects.for_tenant(subscription.tenant_id).values_list("pk", flat=True))


def _part(ids: Sequence[int], period: Period, zone: ZoneInfo) -> Part:
    assert period.since is not None  # noqa: S101 - a report is about whole days
    assert period.until is not None  # noqa: S101
    bars = get_throughput(ids, (period.since, period.until), zone)
    done, failed = (sum(int(bar.numbers[name]) for bar in bars) for name in ("done", "failed"))
    ledger = Ledger.total(get_ledgers(ids, period).values())
    return Part(period, ledger, get_figures(ids, period), done, failed)
