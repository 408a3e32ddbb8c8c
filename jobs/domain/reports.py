"""When reports by mail are due, and about which time they are; in the tenant's time zone, with daylight saving."""

from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from jobs.domain.periods import CUSTOM, Period, start_of


class Cadence(StrEnum):
    """How often a report is wanted."""

    DAILY = "daily"
    WEEKLY = "weekly"


class DeliveryState(StrEnum):
    """What became of a report. One that is SENDING when its sender dies may have gone out, and is not sent again."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"


DAYS = {Cadence.DAILY: 1, Cadence.WEEKLY: 7}


def next_due(cadence: str, *, weekday: int, hour: int, zone: ZoneInfo, after: datetime) -> datetime:
    """Return the first instant after `after` at which a report is due.

    Each day has one: where the clock leaves the hour out it comes as much later, where the hour comes twice, the first.
    """
    day = after.astimezone(zone).date() - timedelta(days=1)
    while True:
        due = datetime.combine(day, time(hour), zone).astimezone(UTC)
        if due > after and (cadence == Cadence.DAILY or day.weekday() == weekday):
            return due
        day += timedelta(days=1)


def last_due(cadence: str, *, weekday: int, hour: int, zone: ZoneInfo, first: datetime, now: datetime) -> datetime:
    """Return the latest due instant from `first` on that is not after `now`: of several missed ones, one is sent."""
    due = first
    while (following := next_due(cadence, weekday=weekday, hour=hour, zone=zone, after=due)) <= now:
        due = following
    return due


def period_of(cadence: str, *, zone: ZoneInfo, due: datetime) -> tuple[Period, Period]:
    """Return the whole days that the report due at `due` is about, and as many days before them."""
    today, days = due.astimezone(zone).date(), DAYS[Cadence(cadence)]

    def back(count: int) -> datetime:
        return start_of(_days_before(today, count), zone)

    return Period(CUSTOM, back(days), back(0)), Period(CUSTOM, back(2 * days), back(days))


def _days_before(day: date, count: int) -> date:
    return day - timedelta(days=count)
