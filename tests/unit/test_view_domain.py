"""Conditions on values, paths and cells at their edges."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from jobs.domain.export_rows import csv_lines
from jobs.domain.values import decode, encode, encode_moment, encode_number, encode_text, read_day, read_moment
from jobs.domain.view_address import BadCondition, read_parameter
from jobs.domain.view_filter import LONGEST_VALUE, MOST_CHOICES, ValueFilter, compile_filter, whole_value
from jobs.domain.view_paths import path_problem

UTC_ZONE = ZoneInfo("UTC")


@pytest.mark.parametrize(
    ("op", "text"),
    [
        ("nothing", "x"),
        ("is", "x" * (LONGEST_VALUE + 1)),
        ("is", "a\x00"),
        ("gt", " "),
        ("empty", "perhaps"),
        ("in", " , "),
        ("in", ",".join(map(str, range(MOST_CHOICES + 1)))),
    ],
)
def test_a_condition_that_makes_no_sense_is_refused(op: str, text: str) -> None:
    with pytest.raises(BadCondition):
        compile_filter("result.a", op, text, UTC_ZONE)


@pytest.mark.parametrize(
    ("op", "text", "those", "others"),
    [
        ("empty", "true", [None, ""], ["x", 0]),
        ("empty", "no", ["x", 0], [None]),
        ("is", "true", [True, "true"], [False, "x"]),
        ("contains", "ell", ["Hello"], ["world", None]),
        ("gt", "m", ["n"], ["a", 5]),
        ("gte", "2026-03-01", ["2026-03-01", "2026-03-02T10:00:00Z"], ["2026-02-28", "x"]),
        ("lte", "2026-03-01", ["2026-03-01T23:00:00Z"], ["2026-03-02T00:30:00Z"]),
        ("lt", "2026-03-01T10:00:00", ["2026-03-01T09:00:00Z"], ["2026-03-01T11:00:00Z"]),
    ],
)
def test_a_condition_holds_for_what_it_says(op: str, text: str, those: list, others: list) -> None:
    found = compile_filter("result.a", op, text, UTC_ZONE)
    again = ValueFilter.from_json(found.to_json())
    for wanted, values in ((True, those), (False, others)):
        assert [again.holds(encode(value)) for value in values] == [wanted] * len(values)


def test_what_only_looks_like_a_number_or_a_time_is_a_text() -> None:
    assert decode(encode_number(10**400)).startswith("1000")
    assert decode(encode_number(float("inf"))) == "inf"
    far = datetime.max.replace(tzinfo=ZoneInfo("America/New_York"))
    assert decode(encode_moment(far)).startswith("9999-12-31")
    assert decode(encode_text("2026-02-30")) == "2026-02-30"
    assert (read_day("2026-02-30"), read_day("x"), read_day("2026-03-31")) == (None, None, date(2026, 3, 31))
    assert read_moment("2026-13-01T10:00:00Z") is None
    assert read_moment("2026-03-31T09:30:00Z") == datetime(2026, 3, 31, 9, 30, tzinfo=UTC)
    assert decode(encode_text("2026-13-01T10:00:00Z")) == "2026-13-01T10:00:00Z"


def test_an_address_that_is_too_long_or_strange_is_refused() -> None:
    for name, value in (("result.a:nothing", "x"), ("result." + "a" * 2_000, "x"), ("result.a", "x" * 5_000)):
        with pytest.raises(BadCondition):
            read_parameter(name, value)


@pytest.mark.parametrize(
    ("path", "said"),
    [("job.nothing", "job."), ("review.nothing", "review."), ("nothing", "payload.KEY"), ("result.a", "")],
)
def test_a_path_that_is_not_there_is_answered_with_those_that_are(path: str, said: str) -> None:
    found = path_problem(path)
    assert (said in found) if said else not found


def test_cells_are_written_as_their_kind() -> None:
    rows = [[None, True, 1.5, "=1+1", ["a"]]]
    text = csv_lines(rows, ["result.a", "result.b", "result.c", "result.d", "result.e"])
    assert text.startswith(",true,1.5,'=1+1,")


def test_a_value_that_is_counted_is_asked_for_exactly() -> None:
    found = whole_value("result.a", encode("refund"))
    assert [found.holds(encode(value)) for value in ("refund", "refunds", 5)] == [True, False, False]
