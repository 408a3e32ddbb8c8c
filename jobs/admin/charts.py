"""Charts drawn on the server as SVG: bars of numbers over time, which a page shows without a script.

The drawing is stretched to the width there is, so it holds no text; the page writes its scale beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from jobs.queries.dashboard import Bar

WIDTH, HEIGHT = 1000, 200
#: The part of a bar's place that is left empty.
GAP = 0.25


@dataclass(frozen=True, slots=True)
class Series:
    """One kind of number: its name among a bar's numbers, what people call it, and the class of its colour."""

    name: str
    label: str
    tone: str


@dataclass(frozen=True, slots=True)
class Piece:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float
    tone: str


@dataclass(frozen=True, slots=True)
class Column:
    """One bar as it is drawn, and its numbers in words."""

    x: float
    width: float
    label: str
    pieces: list[Piece]
    numbers: list[str]
    told: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart and the table that says the same. `line` are the points of the line over the bars, if there is one."""

    title: str
    columns: list[Column]
    series: list[Series]
    totals: list[str]
    top: str
    first: str
    last: str
    line: str = ""
    line_label: str = ""

    @property
    def legend(self) -> list[tuple[Series, str]]:
        """The series with their totals."""
        return list(zip(self.series, self.totals, strict=True))

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return self.top in ("0", "")


def draw(
    title: str,
    bars: Sequence[Bar],
    stacked: Sequence[Series],
    zone: ZoneInfo,
    *,
    line: Series | None = None,
    money: bool = False,
) -> Chart:
    """Draw bars with the series of `stacked` one upon the other, and a line if there is one."""
    series = [*stacked, *([line] if line else [])]
    tops = [max(sum(bar.numbers[one.name] for one in stacked), bar.numbers[line.name] if line else 0) for bar in bars]
    top = max(tops, default=0)
    step = WIDTH / max(len(bars), 1)

    def write(number: float) -> str:
        return f"${number:,.2f}" if money else f"{number:,.0f}"

    columns = []
    for place, bar in enumerate(bars):
        numbers = [write(bar.numbers[one.name]) for one in series]
        label = span_label(bar, zone)
        told = ", ".join(f"{one.label} {number}" for one, number in zip(series, numbers, strict=True))
        pieces = _stack(place * step, step, bar, stacked, top)
        columns.append(Column(round(place * step, 2), round(step, 2), label, pieces, numbers, f"{label}: {told}"))
    totals = [write(sum(bar.numbers[one.name] for bar in bars)) for one in series]
    points = (
        " ".join(
            f"{(place + 0.5) * step:.1f},{_height(bar.numbers[line.name], top):.1f}" for place, bar in enumerate(bars)
        )
        if line and top
        else ""
    )
    first, last = (columns[0].label, columns[-1].label) if columns else ("", "")
    return Chart(
        title, columns, series, totals, write(top) if top else "0", first, last, points, line.tone if line else ""
    )


def _stack(x: float, step: float, bar: Bar, stacked: Sequence[Series], top: float) -> list[Piece]:
    pieces, below = [], 0.0
    for one in stacked:
        number = bar.numbers[one.name]
        if number and top:
            y, under = _height(below + number, top), _height(below, top)
            pieces.append(
                Piece(round(x + step * GAP / 2, 2), y, round(step * (1 - GAP), 2), round(under - y, 2), one.tone)
            )
            below += number
    return pieces


def _height(number: float, top: float) -> float:
    return round(HEIGHT * (1 - number / top), 2)


def span_label(bar: Bar, zone: ZoneInfo) -> str:
    """Say which hour, day or week a bar stands for."""
    since, until = bar.since.astimezone(zone), bar.until.astimezone(zone)
    if bar.until - bar.since <= timedelta(hours=1):
        return f"{since:%a} {since:%H:%M}"
    if bar.until - bar.since <= timedelta(hours=26):
        return _day(since)
    return f"{_day(since)} to {_day(until - timedelta(seconds=1))}"


def _day(moment: datetime) -> str:
    return f"{moment:%a} {moment.day} {moment:%b}"
