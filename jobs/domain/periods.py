"""Periods of a dashboard and of a report, in the tenant's time zone. Their ends lie on quarters of an hour."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Self
from zoneinfo import ZoneInfo

from jobs.domain.figures import QUARTER, slot_of

CHOICES = {"24h": "24 hours", "7d": "7 days", "30d": "30 days", "all": "All", "now": "Now"}
CUSTOM = "custom"
DEFAULT = "24h"
LONGEST_DAYS = 3660
#: A chart of a period up to this long has a bar an hour; a longer one a day, and beyond the second, a week.
HOURS_UP_TO, DAYS_UP_TO = timedelta(hours=49), timedelta(days=93)


class PeriodError(ValueError):
    """What was asked for is no period. The message is for people."""


@dataclass(frozen=True, slots=True)
class Period:
    """A span of time, its start in it and its end not; None where it has no such end. "now" is about no time at all."""

    key: str
    since: datetime | None = None
    until: datetime | None = None

    def before(self) -> Self | None:
        """Return the period of the same length before this one; None where this one has no two ends."""
        if self.since is None or self.until is None:
            return None
        return type(self)(CUSTOM, self.since - (self.until - self.since), self.since)


def read_period(key: str, first: str, last: str, *, zone: ZoneInfo, now: datetime) -> Period:
    """Return the period that was asked for; `first` and `last` are days, both in it. Raises PeriodError."""
    today = now.astimezone(zone).date()
    if key in ("", DEFAULT):
        return Period(DEFAULT, slot_of(now - timedelta(hours=24), QUARTER))
    if key in ("all", "now"):
        return Period(key)
    if key in ("7d", "30d"):
        return Period(key, start_of(today - timedelta(days=int(key[:-1]) - 1), zone))
    if key != CUSTOM:
        raise PeriodError(f"There is no period '{key}'.")
    begin, end = _day(first, "From"), _day(last, "To")
    if begin > end:
        raise PeriodError("From: must not be after To.")
    if (end - begin).days > LONGEST_DAYS:
        raise PeriodError(f"From: more than {LONGEST_DAYS} days before To.")
    return Period(CUSTOM, start_of(begin, zone), start_of(end + timedelta(days=1), zone))


def _day(text: str, label: str) -> date:
    try:
        day = datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a calendar day
    except ValueError as error:
        raise PeriodError(f"{label}: '{text}' is not a day. Write it as 2026-03-31.") from error
    if not 1971 < day.year < 9998:
        raise PeriodError(f"{label}: must be in the years 1972 to 9997.")
    return day


def start_of(day: date, zone: ZoneInfo) -> datetime:
    """Return the first instant of a day in `zone`, in UTC. Where midnight is left out, the day begins after it."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def bars_of(since: datetime, until: datetime, zone: ZoneInfo) -> list[tuple[datetime, datetime]]:
    """Cut a span into the bars of a chart: hours, or days or weeks of the zone. The first and last may be cut off."""
    length = until - since
    if length <= HOURS_UP_TO:
        edges = list(_hours(since, until))
    else:
        edges = list(_days(since, until, zone, 1 if length <= DAYS_UP_TO else 7))
    inner = [edge for edge in edges if since < edge < until]
    ends = [since, *inner, until]
    return list(pairwise(ends))


def _hours(since: datetime, until: datetime) -> Iterator[datetime]:
    moment = slot_of(since, 3600)
    while moment < until:
        yield moment
        moment += timedelta(hours=1)


def _days(since: datetime, until: datetime, zone: ZoneInfo, step: int) -> Iterator[datetime]:
    day = since.astimezone(zone).date()
    while (moment := start_of(day, zone)) < until:
        yield moment
        day += timedelta(days=step)
