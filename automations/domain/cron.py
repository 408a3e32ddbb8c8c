"""When a cron expression comes due: five fields in a time zone, safe where the clocks change.

The fields are read by cronsim (as Debian's cron reads them, with `L`, `LW` and `#` besides). Where clocks change:

- A time of the day that does not exist, because the clock is put forward, comes due once, at the moment the gap ends.
  Several of them, or one beside a time that is due at that moment anyway, are one.
- A time of the day that occurs twice, because the clock is put back, comes due once, the first time.
- An expression whose hour field allows every hour means "so often", not "at this time of the day": it goes by elapsed
  time, through both passes of a repeated hour and over a missing one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

FIELDS = 5
LONGEST = 200
EVERY_HOUR = frozenset(range(24))
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
#: No two offsets of a zone differ by more, and no zone changes its own twice within it.
JUMP = timedelta(hours=26)
#: A time found due this late is on time; later it was missed.
ON_TIME = timedelta(seconds=60)
#: Missed times that are made up for at most, the newest of them.
MOST_MADE_UP = 1000


class CronError(ValueError):
    """An expression is not a cron expression of five fields, or never comes due."""


class Missed(StrEnum):
    """What becomes of the times that passed while nothing ran: none of them, the last one, or all."""

    SKIP = "skip"
    ONE = "one"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Due:
    """The times to fire for, and the next one after now (None where there is none for 50 years)."""

    times: tuple[datetime, ...]
    next_at: datetime | None


@lru_cache(maxsize=1000)
def check_cron(expression: str) -> None:
    """Raise CronError, in words for people, where `expression` cannot be used."""
    fields = expression.split()
    if len(expression) > LONGEST:
        raise CronError(f"is longer than {LONGEST} characters")
    if len(fields) != FIELDS:
        raise CronError(
            f"needs {FIELDS} fields (minute, hour, day of month, month, day of week), and has {len(fields)}"
        )
    try:
        clock = _clock(expression)
    except (CronSimError, ValueError, AssertionError) as error:
        raise CronError(_reason(error, fields)) from None
    if next(clock, None) is None:  # pragma: no cover - the parser finds such days itself, as far as we know
        raise CronError("never comes due: there is no such day")


def _clock(expression: str) -> CronSim:
    return CronSim(expression, datetime(2024, 1, 1))  # noqa: DTZ001 - what a clock shows, wherever it hangs


def _reason(error: Exception, fields: list[str]) -> str:
    names = dict(zip(("minute", "hour", "day-of-month", "month", "day-of-week"), fields, strict=True))
    name = str(error).removeprefix("Bad ")
    return f"the field {name.replace('-', ' ')} is wrong: '{names[name]}'" if name in names else "is not understood"


def next_times(expression: str, zone: str, after: datetime, n: int) -> list[datetime]:
    """Return the `n` first times after the aware instant `after`, in UTC. Raises CronError."""
    return list(islice(_times(expression, zone, after), n))


def due_between(expression: str, zone: str, after: datetime, until: datetime) -> list[datetime]:
    """Return the times after `after`, up to and with `until`, in UTC. Raises CronError."""
    return list(takewhile(lambda at: at <= until, _times(expression, zone, after)))


def decide_due(expression: str, zone: str, *, since: datetime, now: datetime, missed: Missed, window: timedelta) -> Due:
    """Return which of the times after `since`, up to `now`, to fire for, by the policy for missed ones.

    Times older than `window` are let go by every policy. Raises CronError.
    """
    reach = ON_TIME if missed is Missed.SKIP else max(window, ON_TIME)
    times = due_between(expression, zone, max(since, now - reach - SECOND), now)
    times = [at for at in times if at >= now - reach][-MOST_MADE_UP:]
    if missed is Missed.ONE:
        times = times[-1:]
    following = next_times(expression, zone, now, 1)
    return Due(tuple(times), following[0] if following else None)


def describe(expression: str) -> str:
    """Return an expression in words: "Every day at 07:00". Raises CronError."""
    check_cron(expression)
    told = _clock(expression).explain()
    if told.startswith("At ") and told.endswith(" every day"):
        return f"Every day at {told.removeprefix('At ').removesuffix(' every day')}"
    return told


def _times(expression: str, zone: str, after: datetime) -> Iterator[datetime]:
    check_cron(expression)
    place = ZoneInfo(zone)
    if _clock(expression).hours == EVERY_HOUR:
        return _by_elapsed_time(expression, place, after)
    return _by_the_clock(expression, place, after)


def _by_the_clock(expression: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    last = after
    for local in CronSim(expression, _local(after, zone)):  # pragma: no branch - it goes on for 50 years
        at = _instant(local, zone)
        if at > last:
            yield at
            last = at


def _instant(local: datetime, zone: ZoneInfo) -> datetime:
    """Return when the clock first shows `local`; where it never does, when the gap ends."""
    first = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if _local(first, zone) == local:
        return first
    return _change(local.replace(tzinfo=zone, fold=1).astimezone(UTC), first, zone)


def _by_elapsed_time(expression: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Go by the offset from UTC in force, from one change of it to the next."""
    cursor = after.astimezone(UTC).replace(microsecond=0)
    while True:
        # The offset of the first instant that may be found.
        offset = _offset(cursor + SECOND, zone)
        local = next(CronSim(expression, (cursor + offset).replace(tzinfo=None)), None)
        if local is None:  # pragma: no cover - there is a next time for 50 years
            return
        found = local.replace(tzinfo=UTC) - offset
        # A change soon after the cursor may repeat what was found last, however far the next time is.
        seen = found if found - cursor <= 2 * JUMP else cursor + JUMP
        if _offset(seen, zone) != offset:
            cursor = _change(cursor + SECOND, seen, zone) - SECOND
        elif seen == found:
            yield found
            cursor = found
        else:
            cursor = found - JUMP


def _change(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Return the first instant, to the second, with the offset of `after`; it changes once between the two."""
    offset = _offset(before, zone)
    while after - before > SECOND:
        middle = before + timedelta(seconds=(after - before) // SECOND // 2)
        before, after = (middle, after) if _offset(middle, zone) == offset else (before, middle)
    return after


def _offset(at: datetime, zone: ZoneInfo) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta()


def _local(at: datetime, zone: ZoneInfo) -> datetime:
    return at.astimezone(zone).replace(tzinfo=None)
