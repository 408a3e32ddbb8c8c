"""Slots, spans, periods and due times of the dashboards and reports, as plain values."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.domain import figures
from jobs.domain.ledger import Ledger
from jobs.domain.periods import Period, PeriodError, bars_of, read_period, start_of
from jobs.domain.reports import last_due, next_due, period_of

NOW = datetime(2026, 3, 30, 12, 7, 30, tzinfo=UTC)
BERLIN, KOLKATA, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata"), ZoneInfo("America/New_York")
quarters = st.integers(0, 4000).map(lambda n: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=900 * n))
zones = st.sampled_from([ZoneInfo("UTC"), BERLIN, KOLKATA, NEW_YORK, ZoneInfo("Pacific/Chatham")])


@given(st.floats(2e-6, 3e6))
def test_a_span_from_its_bucket_is_at_most_five_percent_off(seconds: float) -> None:
    assert figures.seconds_of(figures.bucket_of(seconds)) == pytest.approx(seconds, rel=0.05)


def test_quantiles_are_those_of_the_buckets() -> None:
    buckets = Counter(figures.bucket_of(span) for span in range(1, 101))
    assert figures.quantile(buckets, 0.5) == pytest.approx(50, rel=0.05)
    assert figures.quantile(buckets, 0.95) == pytest.approx(95, rel=0.05)
    assert figures.quantile({}, 0.5) is None
    assert figures.seconds_of(figures.bucket_of(0)) == 0


@given(st.one_of(st.none(), quarters), st.one_of(st.none(), quarters), st.lists(quarters, max_size=30))
def test_ranges_of_slots_hold_each_moment_of_a_span_once(
    since: datetime | None, until: datetime | None, moments: list[datetime]
) -> None:
    ranges = figures.slots_between(since, until)
    for moment in moments:
        inside = (since is None or moment >= since) and (until is None or moment < until)
        hits = 0
        for width, start, end in ranges:
            slot = figures.slot_of(moment, width)
            hits += (start is None or slot >= start) and (end is None or slot < end)
        assert hits == inside


def test_messages_that_say_the_same_are_of_one_group() -> None:
    first = figures.message_group("invoice 12 of 'Acme' from 2026-01-02: 684e5ef4-80b7-4880-ab07-ffd371b97467")
    assert first == figures.message_group("invoice 7 of 'Globex' from 2025-11-3: 01a224e8-5a82-74b1-94f3-dac9a3b89ddb")
    assert first != figures.message_group("no invoice")


def test_labels_beyond_the_list_and_none_are_told_apart() -> None:
    known = ["a", "b"]
    assert [figures.label_of(value, known) for value in ("a", "x", None, True, False, {})] == [
        "a",
        "(other)",
        "(none)",
        "yes",
        "no",
        "(other)",
    ]


def test_names_come_apart_as_they_were_put_together() -> None:
    assert figures.parts_of(figures.name_of("why", "a\x7fb", "", 3)) == ["why", "a b", "", "3"]


@given(quarters, st.integers(1, 60 * 24 * 200), zones)
def test_bars_cover_a_span_without_gaps(since: datetime, minutes: int, zone: ZoneInfo) -> None:
    until = since + timedelta(minutes=minutes)
    bars = bars_of(since, until, zone)
    assert bars[0][0] == since
    assert bars[-1][1] == until
    assert all(before[1] == after[0] for before, after in pairwise(bars))
    assert len(bars) <= 100


def test_days_of_a_chart_are_those_of_the_zone_when_the_clock_changes() -> None:
    since, until = start_of(datetime(2026, 3, 28).date(), BERLIN), start_of(datetime(2026, 3, 31).date(), BERLIN)  # noqa: DTZ001
    lengths = [(end - start) / timedelta(hours=1) for start, end in bars_of(since, until, BERLIN)]
    assert lengths == [24, 23, 24]


def test_periods_begin_where_people_expect_it() -> None:
    assert read_period("", "", "", zone=BERLIN, now=NOW) == Period("24h", datetime(2026, 3, 29, 12, tzinfo=UTC))
    assert read_period("7d", "", "", zone=KOLKATA, now=NOW).since == datetime(2026, 3, 23, 18, 30, tzinfo=UTC)
    chosen = read_period("custom", "2026-03-29", "2026-03-29", zone=BERLIN, now=NOW)
    assert chosen == Period("custom", datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 3, 29, 22, tzinfo=UTC))
    before = chosen.before()
    assert before is not None
    assert before.until == chosen.since
    assert read_period("all", "", "", zone=BERLIN, now=NOW).before() is None
    for key, first, last in (("x", "", ""), ("custom", "1", ""), ("custom", "1000-01-01", "2026-01-01")):
        with pytest.raises(PeriodError):
            read_period(key, first, last, zone=BERLIN, now=NOW)
    with pytest.raises(PeriodError, match="more than"):
        read_period("custom", "1990-01-01", "2026-01-01", zone=BERLIN, now=NOW)


def test_a_ledger_sums_and_splits() -> None:
    ledger = Ledger.total([Ledger({"SUCCEEDED": 3, "WAITING": 2}, 1), Ledger({"FAILED": 1, "RUNNING": 1})])
    assert (ledger.came_in, ledger.in_hand, ledger.bad, ledger.for_others) == (7, 3, 1, 1)
    assert ledger.success_rate == 0.75
    assert Ledger().success_rate is None


@given(quarters, st.integers(0, 23), zones)
def test_every_day_has_one_daily_report(after: datetime, hour: int, zone: ZoneInfo) -> None:
    due = [next_due("daily", weekday=0, hour=hour, zone=zone, after=after)]
    for _ in range(120):
        due.append(next_due("daily", weekday=0, hour=hour, zone=zone, after=due[-1]))
    days = [moment.astimezone(zone).date() for moment in due]
    assert all(later - sooner == timedelta(days=1) for sooner, later in pairwise(days))


def test_an_hour_that_the_clock_leaves_out_comes_later_and_one_that_comes_twice_first() -> None:
    spring = next_due("daily", weekday=0, hour=2, zone=BERLIN, after=datetime(2026, 3, 28, 12, tzinfo=UTC))
    assert spring.astimezone(BERLIN).strftime("%d %H:%M") == "29 03:00"
    autumn = next_due("daily", weekday=0, hour=2, zone=BERLIN, after=datetime(2026, 10, 24, 12, tzinfo=UTC))
    assert autumn == datetime(2026, 10, 25, 0, tzinfo=UTC)


def test_a_report_is_about_whole_days_before_it() -> None:
    due = next_due("weekly", weekday=0, hour=7, zone=BERLIN, after=datetime(2026, 3, 29, tzinfo=UTC))
    period, before = period_of("weekly", zone=BERLIN, due=due)
    assert (period.since, period.until) == (
        datetime(2026, 3, 22, 23, tzinfo=UTC),
        datetime(2026, 3, 29, 22, tzinfo=UTC),
    )
    assert before.until == period.since
    latest = last_due("weekly", weekday=0, hour=7, zone=BERLIN, first=due, now=due + timedelta(days=15))
    assert latest == due + timedelta(days=14)
