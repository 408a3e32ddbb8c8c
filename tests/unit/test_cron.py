"""When cron expressions come due: against an independent library, and by example where clocks change."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from hypothesis import given, settings
from hypothesis import strategies as st

from automations.domain.cron import (
    MOST_MADE_UP,
    CronError,
    Missed,
    check_cron,
    decide_due,
    describe,
    due_between,
    next_times,
)

ZONES = (
    "UTC",
    "Europe/Paris",
    "Europe/London",
    "America/New_York",
    "America/Havana",
    "America/Santiago",
    "America/St_Johns",
    "America/Sao_Paulo",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Asia/Kolkata",
    "Asia/Beirut",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
    "Pacific/Chatham",
    "Antarctica/Troll",
)
FIRST, LAST = datetime(2021, 11, 1, tzinfo=UTC), datetime(2031, 12, 1, tzinfo=UTC)


def _field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    # croniter takes 0-0 as a day of the week for the whole week; nobody else does.
    span = st.tuples(number, number).filter(lambda pair: pair[0] < pair[1]).map(lambda pair: f"{pair[0]}-{pair[1]}")
    return st.one_of(
        st.just("*"),
        number.map(str),
        st.lists(number, min_size=2, max_size=4, unique=True).map(lambda items: ",".join(map(str, sorted(items)))),
        span,
        st.integers(2, 20).map(lambda step: f"*/{step}"),
    )


EXPRESSIONS = st.one_of(
    st.tuples(_field(0, 59), _field(0, 23), st.just("*"), st.just("*"), _field(0, 6)),
    st.tuples(_field(0, 59), _field(0, 23), _field(1, 28), _field(1, 12), st.just("*")),
).map(" ".join)
INSTANTS = st.datetimes(FIRST.replace(tzinfo=None), LAST.replace(tzinfo=None)).map(lambda at: at.replace(tzinfo=UTC))


def changes(zone: str) -> list[datetime]:
    """Return the instants in the tested years at which a zone's clocks change, to the minute."""
    place, found = ZoneInfo(zone), []
    day, step = FIRST, timedelta(hours=12)
    while day < LAST:
        if day.astimezone(place).utcoffset() != (day + step).astimezone(place).utcoffset():
            low, high = day, day + step
            while high - low > timedelta(minutes=1):
                middle = (low + (high - low) / 2).replace(second=0, microsecond=0)
                same = middle.astimezone(place).utcoffset() == low.astimezone(place).utcoffset()
                low, high = (middle, high) if same else (low, middle)
            found.append(high)
        day += step
    return found


NEAR_A_CHANGE = st.deferred(lambda: st.sampled_from([(zone, at) for zone in ZONES for at in changes(zone)]))


def local_minutes(zone: str, first: datetime, last: datetime) -> list[tuple[datetime, datetime]]:
    """Return each minute between two instants, and what the clock shows then: the definition, minute by minute."""
    place = ZoneInfo(zone)
    count = int((last - first) / timedelta(minutes=1))
    instants = [first + timedelta(minutes=number) for number in range(1, count + 1)]
    return [(at, at.astimezone(place).replace(tzinfo=None)) for at in instants]


def shown_by_croniter(expression: str, first: datetime, last: datetime) -> list[datetime]:
    """Return the naive local times from `first` to `last` that another library finds due; it sees no zone."""
    found, clock = [], croniter(expression, first - timedelta(minutes=1))
    while (at := clock.get_next(datetime)) <= last:
        found.append(at)
    return found


def expected(expression: str, zone: str, first: datetime, last: datetime) -> list[datetime]:
    """Say by the rules of the zone, from what the clock shows in each minute, what is due after `first`."""
    minutes = local_minutes(zone, first - timedelta(days=1), last)
    shown: dict[datetime, list[datetime]] = {}
    for at, local in minutes:
        shown.setdefault(local, []).append(at)
    locals_ = sorted(shown)
    due = set()
    every_hour = expression.split()[1] == "*" or expression.split()[1] == "0-23"
    for local in shown_by_croniter(expression, locals_[0], locals_[-1]):
        if every_hour:
            due |= set(shown.get(local, ()))
        elif local in shown:
            due.add(shown[local][0])
        else:
            due.add(min(at for at, other in minutes if other > local))
    return sorted(at for at in due if first < at <= last)


@given(expression=EXPRESSIONS, zone=st.sampled_from(["UTC", "Asia/Kolkata"]), after=INSTANTS)
@settings(max_examples=100, deadline=None)
def test_without_changes_of_the_clock_another_library_finds_the_same_times(
    expression: str, zone: str, after: datetime
) -> None:
    clock = croniter(expression, after.astimezone(ZoneInfo(zone)).replace(tzinfo=None))
    others = [clock.get_next(datetime).replace(tzinfo=ZoneInfo(zone)) for _ in range(5)]
    assert next_times(expression, zone, after, 5) == others


@pytest.mark.slow
@given(expression=EXPRESSIONS, near=NEAR_A_CHANGE, hours=st.integers(-30, 30))
@settings(max_examples=300, deadline=None)
def test_where_clocks_change_each_local_time_is_due_as_the_rules_say(
    expression: str, near: tuple[str, datetime], hours: int
) -> None:
    zone, change = near
    first = change + timedelta(hours=hours)
    last = first + timedelta(hours=36)
    assert due_between(expression, zone, first, last) == expected(expression, zone, first, last)


@pytest.mark.slow
@given(expression=EXPRESSIONS, near=NEAR_A_CHANGE, hours=st.integers(-30, 2))
@settings(max_examples=300, deadline=None)
def test_times_only_go_forward_and_are_the_same_from_wherever_one_starts(
    expression: str, near: tuple[str, datetime], hours: int
) -> None:
    zone, change = near
    times = next_times(expression, zone, change + timedelta(hours=hours), 30)
    assert all(one < other for one, other in pairwise(times))
    for index, at in enumerate(times[:-1]):
        assert next_times(expression, zone, at, 1) == [times[index + 1]]
        assert next_times(expression, zone, at - timedelta(microseconds=1), 1) == [at]


def in_paris(*times: str) -> list[datetime]:
    return [datetime.fromisoformat(time).astimezone(UTC) for time in times]


def test_a_time_that_does_not_exist_is_due_once_when_the_gap_ends() -> None:
    after = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
    assert next_times("30 2 * * *", "Europe/Paris", after, 2) == in_paris(
        "2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"
    )


def test_times_in_a_gap_and_one_at_its_end_are_one() -> None:
    after = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
    assert next_times("*/15 2-3 * * *", "Europe/Paris", after, 2) == in_paris(
        "2026-03-29T03:00+02:00", "2026-03-29T03:15+02:00"
    )


def test_a_time_that_occurs_twice_is_due_the_first_time() -> None:
    after = datetime(2026, 10, 24, 12, 0, tzinfo=UTC)
    assert next_times("30 2 * * *", "Europe/Paris", after, 2) == in_paris(
        "2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"
    )


def test_every_hour_stays_every_hour_when_the_clock_is_put_back_or_forward() -> None:
    back = next_times("30 * * * *", "Europe/Paris", datetime(2026, 10, 24, 23, 0, tzinfo=UTC), 4)
    forward = next_times("30 * * * *", "Europe/Paris", datetime(2026, 3, 28, 23, 0, tzinfo=UTC), 4)
    for times in (back, forward):
        assert {other - one for one, other in pairwise(times)} == {timedelta(hours=1)}


def test_the_last_minutes_of_a_day_that_are_repeated_are_not_lost() -> None:
    """In Santiago the clock goes back from midnight to 23:00, and the expression holds on that one day."""
    times = next_times("30 * 4 4 *", "America/Santiago", datetime(2026, 4, 5, 1, 45, tzinfo=UTC), 2)
    assert times == [datetime(2026, 4, 5, 2, 30, tzinfo=UTC), datetime(2026, 4, 5, 3, 30, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("", "needs 5 fields (minute, hour, day of month, month, day of week), and has 0"),
        ("* * * * * *", "needs 5 fields (minute, hour, day of month, month, day of week), and has 6"),
        ("61 * * * *", "the field minute is wrong: '61'"),
        ("0 7 * * MOON", "the field day of week is wrong: 'MOON'"),
        ("0 0 30 2 *", "the field day of month is wrong: '30'"),
        ("0 0 " + "1," * 200 + "1 * *", "is longer than 200 characters"),
        ("0 1-2-3 * * *", "the field hour is wrong: '1-2-3'"),
        ("L L L L L", "the field minute is wrong: 'L'"),
    ],
)
def test_what_is_no_cron_expression_is_told_by_field(expression: str, problem: str) -> None:
    with pytest.raises(CronError) as error:
        check_cron(expression)
    assert str(error.value) == problem


NOON = datetime(2026, 3, 2, 12, 0, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("missed", "since_hours", "window_hours", "hours"),
    [
        (Missed.SKIP, 5, 24, [12]),
        (Missed.ONE, 5, 24, [12]),
        (Missed.ALL, 5, 24, [8, 9, 10, 11, 12]),
        (Missed.ALL, 5, 2, [11, 12]),
        (Missed.ALL, 0, 24, [12]),
    ],
)
def test_missed_times_are_made_up_for_by_the_policy(
    missed: Missed, since_hours: int, window_hours: int, hours: list[int]
) -> None:
    since = datetime(2026, 3, 2, 12 - since_hours, 0, tzinfo=UTC) - (
        timedelta(minutes=1) if not since_hours else timedelta()
    )
    due = decide_due("0 * * * *", "UTC", since=since, now=NOON, missed=missed, window=timedelta(hours=window_hours))
    assert [at.hour for at in due.times] == hours
    assert due.next_at == datetime(2026, 3, 2, 13, 0, tzinfo=UTC)


@pytest.mark.parametrize(("missed", "count"), [(Missed.SKIP, 0), (Missed.ONE, 1), (Missed.ALL, 1)])
def test_a_run_missed_by_half_an_hour_is_not_on_time(missed: Missed, count: int) -> None:
    due = decide_due(
        "30 11 * * *",
        "UTC",
        since=NOON - timedelta(hours=3),
        now=NOON,
        missed=missed,
        window=timedelta(hours=1),
    )
    assert len(due.times) == count


def test_no_more_than_so_many_are_made_up_for() -> None:
    due = decide_due(
        "* * * * *", "UTC", since=NOON - timedelta(days=9), now=NOON, missed=Missed.ALL, window=timedelta(days=7)
    )
    assert len(due.times) == MOST_MADE_UP
    assert due.times[-1] == NOON.replace(second=0)


def test_an_expression_is_told_in_words() -> None:
    assert describe("0 7 * * *") == "Every day at 07:00"
    assert describe("0 7 * * 1-5") == "At 07:00 on Monday through Friday"
    assert describe("0 * * * *") == "At the start of every hour"
