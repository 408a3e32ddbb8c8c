"""What the dashboards of a workflow, of a tenant and of the deployment share: the ledger, and figures of a period."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.http import QueryDict

from jobs.admin.charts import Chart, Series, draw
from jobs.domain.ledger import FOR_OTHERS, FOR_PERSON, Ledger
from jobs.domain.periods import CHOICES, CUSTOM, DAYS_UP_TO, DEFAULT, Period, PeriodError, read_period
from jobs.queries import dashboard
from jobs.queries.dashboard import Bar, Figures

#: Values of an output that get a colour of their own; the others share one.
MOST_VALUES = 7
OTHERS = "others"
#: State, label, tone, what the list's filters are called besides the state, and which number it is.
LINES = (
    ("SUCCEEDED", "Done", "good", "", "The last step is done."),
    ("WAITING", "Wait for a review", "waiting", FOR_PERSON, "A person is asked."),
    ("WAITING", "Wait for others", "waiting", FOR_OTHERS, "For sub-jobs or an answer from outside."),
    ("FAILED", "Failed", "bad", "", "For good: retrying cannot help."),
    ("DEAD", "Dead", "bad", "", "All retries are spent."),
    ("CANCELLED", "Cancelled", "", "", "Somebody stopped them."),
    ("RUNNING", "Running", "running", "", "A worker is at them."),
    ("PENDING", "Due", "", "", "They wait for a worker."),
    ("SCHEDULED", "Scheduled", "", "", "Due later: delayed, or tried again."),
)
FINAL = ("SUCCEEDED", "FAILED", "DEAD", "CANCELLED")


@dataclass(frozen=True, slots=True)
class Line:
    """One place where jobs are: how many, and the query of the list that holds just these."""

    label: str
    number: int
    query: str
    tone: str
    hint: str


@dataclass(frozen=True, slots=True)
class Choice:
    """A period to choose."""

    key: str
    label: str
    active: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """The period that was asked for, as its form shows it, and what was wrong with it."""

    period: Period
    choices: list[Choice]
    first: str
    last: str
    problem: str
    query: str


def read_asked(query: QueryDict, *, zone: ZoneInfo, now: datetime) -> Asked:
    """Read the period from an address. One that makes no sense is named, and the usual one shown instead."""
    key, first, last = (query.get(name, "").strip()[:40] for name in ("period", "from", "to"))
    if key == CUSTOM or (not key and (first or last)):
        key = CUSTOM
    problem = ""
    try:
        period = read_period(key, first, last, zone=zone, now=now)
    except PeriodError as error:
        problem = str(error)
        period = read_period(DEFAULT, "", "", zone=zone, now=now)
    choices = [Choice(each, label, each == period.key) for each, label in CHOICES.items()]
    kept = {"period": period.key} | ({"from": first, "to": last} if period.key == CUSTOM else {})
    today = now.astimezone(zone).date().isoformat()
    return Asked(period, choices, first or today, last or today, problem, urlencode(kept))


def lines_of(ledger: Ledger, period: Period) -> list[Line]:
    """Return the lines of a ledger, which add up to what came in; for "now" those of jobs in hand."""
    found = []
    for state, label, tone, waits, hint in LINES:
        if period.key == "now" and state in FINAL:
            continue
        number = ledger.of(state)
        if waits:
            number = ledger.for_person if waits == FOR_PERSON else ledger.for_others
        found.append(Line(label, number, list_query(period, state, waits), tone, hint))
    return found


def list_query(period: Period, state: str = "", waits: str = "") -> str:
    """Return the query of the list of the jobs that came in during `period` and are in `state`."""
    ends = {"from": period.since, "to": period.until}
    wanted = {"state": state.lower(), "waits": waits}
    wanted |= {name: moment.strftime("%Y-%m-%dT%H:%M:%SZ") for name, moment in ends.items() if moment is not None}
    return urlencode({name: value for name, value in wanted.items() if value})


def board(
    workflow_ids: Sequence[int],
    period: Period,
    zone: ZoneInfo,
    now: datetime,
    *,
    charts: bool = False,
    names: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return what the page says of a period besides the ledger; for "now", of the last 24 hours.

    With `charts`, those of labels and of cost over time as well. `names` says what steps are called, by key.
    """
    names = names or {}
    if period.key == "now":
        period = read_period(DEFAULT, "", "", zone=zone, now=now)
    span = dashboard.span_of(workflow_ids, period, now)
    bars = dashboard.get_throughput(workflow_ids, span, zone)
    parts = dashboard.get_figure_bars(workflow_ids, span, zone) if charts else []
    exact = charts and span[1] - span[0] <= DAYS_UP_TO
    figures = _sum(parts) if exact else dashboard.get_figures(workflow_ids, period)
    totals: Counter[str] = sum((bar.numbers for bar in bars), Counter())
    ended = totals["done"] + totals["failed"]
    return {
        "figures": figures,
        "reasons": [replace(each, step=names.get(each.step, each.step)) for each in figures.reasons],
        "totals": totals,
        "success_rate": totals["done"] / ended if ended else None,
        "failure_rate": totals["failed"] / ended if ended else None,
        "throughput": _throughput(bars, zone),
        "spans": {kind: (figures.span(kind, 0.5), figures.span(kind, 0.95)) for kind in ("took", "wait", "answer")},
        "reviews": dashboard.get_reviews_now(workflow_ids, period, now),
        "late": int(figures.numbers["late"]),
        "cost_per_job": figures.cost / totals["done"] if totals["done"] else None,
        "counted_at": dashboard.counted_at(),
        **(_charts_over_time(parts, zone, names) if charts else {}),
    }


def _sum(bars: Sequence[Bar]) -> Figures:
    total: Counter[str] = Counter()
    for bar in bars:
        total.update(bar.numbers)
    return Figures(total)


def _charts_over_time(bars: Sequence[Bar], zone: ZoneInfo, names: Mapping[str, str]) -> dict[str, Any]:
    """Return the charts of labels and of cost."""
    total = _sum(bars)
    charts = [
        _label_chart(bars, zone, (step, name), values, f"{names.get(step, step)}: {name}")
        for (step, name), values in sorted(total.labels.items())
    ]
    costs = [Bar(bar.since, bar.until, Counter({"cost": Figures(bar.numbers).cost})) for bar in bars]
    cost = draw("Cost of language models", costs, [Series("cost", "Cost", "s0")], zone, money=True)
    return {"labels": charts, "cost_chart": cost}


def _throughput(bars: Sequence[Bar], zone: ZoneInfo) -> Chart:
    stacked = [
        Series("done", "done", "good"),
        Series("failed", "failed", "bad"),
        Series("cancelled", "cancelled", "off"),
    ]
    return draw("Came in and ended", bars, stacked, zone, line=Series("in", "came in", "in"))


def _label_chart(
    bars: Sequence[Bar], zone: ZoneInfo, output: tuple[str, str], values: Counter[str], title: str
) -> Chart:
    """Draw how often each value of one output was given; values beyond the most frequent share a colour."""
    shown = [value for value, _ in values.most_common(MOST_VALUES)]
    more = len(values) > MOST_VALUES
    drawn = []
    for bar in bars:
        found = Figures(bar.numbers).labels.get(output, Counter())
        numbers = Counter({value: found[value] for value in shown})
        if more:
            numbers[OTHERS] = sum(found.values()) - sum(numbers.values())
        drawn.append(Bar(bar.since, bar.until, numbers))
    series = [Series(value, value, f"s{place}") for place, value in enumerate(shown)]
    series += [Series(OTHERS, OTHERS, "off")] if more else []
    return draw(title, drawn, series, zone)


def name_steps(figures: Figures, names: Sequence[tuple[str, str]]) -> list[tuple[str, Any]]:
    """Return the figures of steps in the order of a version's steps, those of former versions behind."""
    found = figures.steps
    known = [(name, found[key]) for key, name in names if key in found]
    keys = {key for key, _ in names}
    return [*known, *((key, found[key]) for key in sorted(found) if key not in keys)]
