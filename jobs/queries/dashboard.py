"""Figures of workflows over a period, from what is counted: as quick for a million jobs as for a thousand."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Min, Q, QuerySet, Sum

from jobs.domain.figures import BAD, DAY, QUARTER, parts_of, quantile, slot_of, slots_between
from jobs.domain.periods import DAYS_UP_TO, Period, bars_of
from jobs.domain.states import State
from jobs.models import FigureMark, FigureSlot, JobCount, Review

MOST_REASONS = 10
OPEN = "open"


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a chart: a span of time, and numbers by name."""

    since: datetime
    until: datetime
    numbers: Counter[str]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why jobs failed, and how many."""

    error: str
    step: str
    message: str
    jobs: int


@dataclass(frozen=True, slots=True)
class StepFigures:
    """How often a step ran, how often its error was passed over, and how long it took in seconds."""

    key: str
    runs: int
    failed: int
    median: float | None
    slow: float | None


@dataclass(frozen=True, slots=True)
class ReviewerFigures:
    """What one person decided."""

    name: str
    decided: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Figures:
    """Numbers of a period by name, as they were counted, and what they mean."""

    numbers: Counter[str] = field(default_factory=Counter)

    def named(self, kind: str) -> list[tuple[list[str], float]]:
        """Return the numbers of a kind, with the parts of their names after it."""
        found = ((parts_of(name), number) for name, number in self.numbers.items())
        return [(parts[1:], number) for parts, number in found if parts[0] == kind]

    def histogram(self, kind: str, *of: str) -> dict[int, float]:
        """Return the buckets of a histogram."""
        return {int(parts[-1]): number for parts, number in self.named(kind) if tuple(parts[:-1]) == of}

    def span(self, kind: str, share: float) -> float | None:
        """Return a quantile of a kind of span, in seconds."""
        return quantile(self.histogram(kind), share)

    @property
    def asked(self) -> int:
        """Return how many reviews were asked for of the jobs that are finished."""
        return int(self.numbers["asked"])

    @property
    def decided(self) -> int:
        """Return how many reviews were decided of the jobs that are finished."""
        return int(sum(number for _, number in self.named("decided")))

    @property
    def reasons(self) -> list[Reason]:
        """Return why jobs failed, the most frequent first."""
        found = [Reason(parts[0], parts[1], parts[2], int(number)) for parts, number in self.named("why")]
        return sorted(found, key=lambda reason: (-reason.jobs, reason.error, reason.message))[:MOST_REASONS]

    @property
    def steps(self) -> dict[str, StepFigures]:
        """Return what is known of each step that ran, by key."""
        runs = Counter({parts[0]: int(number) for parts, number in self.named("ran")})
        failed = Counter({parts[0]: int(number) for parts, number in self.named("failed")})
        buckets: dict[str, dict[int, float]] = defaultdict(dict)
        for (key, bucket), number in self.named("step"):
            buckets[key][int(bucket)] = number
        return {
            key: StepFigures(key, runs[key] + failed[key], failed[key], quantile(found, 0.5), quantile(found, 0.95))
            for key, found in buckets.items()
        }

    @property
    def reviewers(self) -> list[ReviewerFigures]:
        """Return who decided how much, the busiest first."""
        decided: Counter[str] = Counter()
        rejected: Counter[str] = Counter()
        for (name, decision), number in self.named("decided"):
            decided[name] += int(number)
            rejected[name] += int(number) if decision == "reject" else 0
        return [ReviewerFigures(name, number, rejected[name]) for name, number in decided.most_common(20)]

    @property
    def cost(self) -> float:
        """Return what the calls to language models cost, in US dollars."""
        return sum(number for _, number in self.named("cost"))

    @property
    def models(self) -> list[tuple[str, int, int, float]]:
        """Return calls, tokens and cost of each model, the dearest first."""
        sums = {kind: {parts[0]: number for parts, number in self.named(kind)} for kind in ("calls", "tokens", "cost")}
        found = [
            (name, int(calls), int(sums["tokens"].get(name, 0)), sums["cost"].get(name, 0.0))
            for name, calls in sums["calls"].items()
        ]
        return sorted(found, key=lambda row: (-row[3], -row[1], row[0]))

    @property
    def labels(self) -> dict[tuple[str, str], Counter[str]]:
        """Return how often each value was given, by step and field."""
        found: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        for (step, name, value), number in self.named("label"):
            found[step, name][value] += int(number)
        return dict(found)


@dataclass(frozen=True, slots=True)
class ReviewsNow:
    """The reviews that wait for an answer, and those whose answer is late; `asked` are those of a period."""

    waiting: int = 0
    overdue: int = 0
    asked: int = 0


def span_of(workflow_ids: Sequence[int], period: Period, now: datetime) -> tuple[datetime, datetime]:
    """Return the ends of a period as instants; one without a beginning begins with the first job."""
    until = period.until or now
    since = period.since
    if since is None:
        counts = JobCount.objects.filter(workflow_id__in=workflow_ids, moment="new", width=DAY)
        since = counts.aggregate(first=Min("slot"))["first"] or now
    return min(since, until), until


def get_throughput(workflow_ids: Sequence[int], span: tuple[datetime, datetime], zone: ZoneInfo) -> list[Bar]:
    """Return how many jobs came in, succeeded and failed in each bar of a span."""
    rows = _in_bars(JobCount.objects.filter(workflow_id__in=workflow_ids), span, zone)
    sums = (
        rows.filter(moment__in=("new", "end")).order_by().values_list("moment", "state", "slot").annotate(n=Sum("jobs"))
    )

    def numbers(row: Any) -> Counter[str]:
        moment, state, _, jobs = row
        name = (
            "in"
            if moment == "new"
            else "done"
            if state == State.SUCCEEDED
            else "failed"
            if state in BAD
            else "cancelled"
        )
        return Counter({name: int(jobs)})

    return _bars(span, zone, [(row[2], row) for row in sums], numbers)


def get_figures(workflow_ids: Sequence[int], period: Period) -> Figures:
    """Return the figures of a period in all."""
    total: Counter[str] = Counter()
    for width, start, end in slots_between(period.since, period.until):
        rows = FigureSlot.objects.filter(workflow_id__in=workflow_ids, width=width)
        rows = rows if start is None else rows.filter(slot__gte=start)
        rows = rows if end is None else rows.filter(slot__lt=end)
        for figures in rows.values_list("figures", flat=True):
            _merge(total, figures)
    return Figures(total)


def get_figure_bars(workflow_ids: Sequence[int], span: tuple[datetime, datetime], zone: ZoneInfo) -> list[Bar]:
    """Return the figures of each bar of a span."""
    rows = _in_bars(FigureSlot.objects.filter(workflow_id__in=workflow_ids), span, zone)
    found = rows.order_by("slot").values_list("slot", "figures")
    return _bars(span, zone, list(found), lambda figures: figures)


def get_reviews_now(workflow_ids: Sequence[int], period: Period, now: datetime) -> ReviewsNow:
    """Return how many reviews are open at this moment."""
    rows = Review.objects.filter(workflow_id__in=workflow_ids, state=OPEN)
    came = Q()
    if period.since is not None:
        came &= Q(created_at__gte=period.since)
    if period.until is not None:
        came &= Q(created_at__lt=period.until)
    found = rows.filter(due_at__lte=now).count() if (waiting := rows.count()) else 0
    return ReviewsNow(waiting, found, rows.filter(came).count() if waiting else 0)


def counted_at() -> datetime | None:
    """Return when jobs were last counted; None when they never were."""
    return FigureMark.objects.filter(pk=1).values_list("counted_at", flat=True).first()


def _in_bars(rows: QuerySet[Any], span: tuple[datetime, datetime], zone: ZoneInfo) -> QuerySet[Any]:
    """Return the rows of a span in slots that fit its bars.

    Days of UTC do where all bars begin with one, and for spans so long that it makes no difference; else quarters of
    an hour, which make up every zone's days.
    """
    since, until = span
    whole = all(start.timestamp() % DAY == 0 for start, _ in bars_of(since, until, zone))
    if whole or until - since > DAYS_UP_TO:
        return rows.filter(width=DAY, slot__gte=slot_of(since, DAY), slot__lt=until)
    return rows.filter(width=QUARTER, slot__gte=since, slot__lt=until)


def _bars(
    span: tuple[datetime, datetime], zone: ZoneInfo, rows: list[tuple[datetime, Any]], numbers: Callable[[Any], Any]
) -> list[Bar]:
    bars = [Bar(start, end, Counter()) for start, end in bars_of(*span, zone)]
    place = 0
    for slot, row in sorted(rows, key=lambda each: each[0]):
        while place < len(bars) - 1 and slot >= bars[place].until:
            place += 1
        if bars:
            _merge(bars[place].numbers, numbers(row))
    return bars


def _merge(total: Counter[str], more: dict[str, float]) -> None:
    for name, number in more.items():
        total[name] += number  # type: ignore[assignment]
