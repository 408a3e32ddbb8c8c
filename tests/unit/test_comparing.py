"""Comparing what a draft gives with the live version and with what is expected."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.domain.comparing import Side, Status, compare, explains, same

KEYS = st.sampled_from(["a", "b", "c", "the_reason", "confidence"])
PLAIN = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from([0.5, 1.0]) | st.sampled_from(["", "x", "y "])
VALUES = PLAIN | st.lists(PLAIN, max_size=2) | st.dictionaries(KEYS, PLAIN, max_size=2)
RECORDS = st.dictionaries(KEYS, VALUES, max_size=4)
SIDES = st.builds(Side, RECORDS, st.sampled_from(["", "", "it failed"]))
EXPECTED = st.none() | RECORDS


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (12.5, "12.50"),
        (0.1 + 0.2, 0.3),
        (193, 193.0),
        (" two  words ", "two\nwords"),
        (None, ""),
        ([], None),
        ({"a": 1, "b": None}, {"a": 1.0}),
        ({"a": 1, "a_reason": "this"}, {"a": 1, "a_reason": "that"}),
        (10**400, 10**400),
    ],
)
def test_these_are_the_same(one: Any, other: Any) -> None:
    assert same(one, other)
    assert same(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Bakery", "BAKERY"),
        (1, True),
        (0, False),
        (0, None),
        (False, None),
        ([1, 2], [2, 1]),
        (12.5, 12.51),
        ("007", "7"),
        ({"a": 1}, {"a": 2}),
        (10**400, 1.0),
        ("1e999", 5),
    ],
)
def test_these_differ(one: Any, other: Any) -> None:
    assert not same(one, other)
    assert not same(other, one)


def test_keys_that_only_explain_are_known_by_their_names() -> None:
    assert all(map(explains, ("reason", "team_reason", "confidence", "label_confidence", "explanation", "rationale")))
    assert not any(map(explains, ("reasonable", "team", "confident", "seasoning")))


@pytest.mark.parametrize(
    ("live", "draft", "expected", "status"),
    [
        ({"t": "A"}, {"t": "A"}, None, Status.SAME),
        ({"t": "A"}, {"t": "B"}, None, Status.CHANGED),
        ({"t": "A"}, {"t": "B"}, {"t": "B"}, Status.FIXED),
        ({"t": "A"}, {"t": "B"}, {"t": "A"}, Status.BROKEN),
        ({"t": "A"}, {"t": "B"}, {"t": "C"}, Status.CHANGED),
        ({"t": "A"}, {"t": "A"}, {"t": "C"}, Status.SAME),
        ({"t": "A", "n": 1}, {"t": "B", "n": 2}, {"t": "B", "n": 1}, Status.BROKEN),
        ({"t": "A", "reason": "x"}, {"t": "A", "reason": "y"}, None, Status.SAME),
        ({"t": "A", "reason": "x"}, {"t": "A", "reason": "y"}, {"reason": "x"}, Status.SAME),
        ({}, {"t": None}, None, Status.SAME),
    ],
)
def test_an_item_is(live: dict, draft: dict, expected: dict | None, status: Status) -> None:
    assert compare(Side(live), Side(draft), expected).status is status


def test_a_draft_that_fails_breaks_what_the_live_version_had_right_and_else_is_an_error() -> None:
    failed = Side({}, "no total")
    assert compare(Side({"t": 1}), failed, {"t": 1}).status is Status.BROKEN
    assert compare(Side({"t": 2}), failed, {"t": 1}).status is Status.ERROR
    assert compare(Side({"t": 1}), failed, None).status is Status.ERROR
    assert compare(Side({}, "no total"), failed, {"t": 1}).status is Status.ERROR
    assert compare(Side({}, "no total"), Side({"t": 1}), {"t": 1}).status is Status.FIXED
    assert compare(Side({}, "no total"), Side({"t": 1}), None).status is Status.CHANGED


def test_without_a_live_version_only_an_expectation_can_be_met_or_missed() -> None:
    assert compare(None, Side({"t": 1}), None).status is Status.NEW
    assert compare(None, Side({"t": 1}), {"t": 1}).status is Status.SAME
    assert compare(None, Side({"t": 2}), {"t": 1}).status is Status.BROKEN
    assert compare(None, Side({}, "no"), {"t": 1}).status is Status.BROKEN
    assert compare(None, Side({}, "no"), None).status is Status.ERROR


@given(side=SIDES, expected=EXPECTED)
def test_two_versions_that_give_the_same_are_never_told_apart(side: Side, expected: dict | None) -> None:
    comparison = compare(side, side, expected)
    assert comparison.status in (Status.SAME, Status.ERROR)
    assert (comparison.status is Status.ERROR) == bool(side.error)


@given(live=SIDES, draft=SIDES, expected=EXPECTED)
def test_what_is_fixed_and_broken_turns_round_with_the_versions(live: Side, draft: Side, expected: dict | None) -> None:
    there, back = compare(live, draft, expected), compare(draft, live, expected)
    assert (there.right, there.live_right) == (back.live_right, back.right)
    if not live.error and not draft.error:
        turned = {Status.FIXED: {Status.BROKEN}, Status.BROKEN: {Status.FIXED, Status.BROKEN}}
        assert back.status in turned.get(there.status, {there.status})
    assert json.dumps({key: field.status for key, field in there.fields.items()})


@given(live=SIDES, draft=SIDES, expected=EXPECTED)
def test_broken_and_fixed_mean_what_they_say(live: Side, draft: Side, expected: dict | None) -> None:
    comparison = compare(live, draft, expected)
    if comparison.live_right and not comparison.right:
        assert comparison.status is Status.BROKEN
    if comparison.right and not comparison.live_right and expected is not None:
        assert comparison.status is Status.FIXED
    if expected is None:
        assert comparison.status not in (Status.BROKEN, Status.FIXED)
    if comparison.right:
        assert comparison.status is not Status.BROKEN


@given(one=VALUES, other=VALUES)
def test_being_the_same_goes_both_ways(one: Any, other: Any) -> None:
    assert same(one, one)
    assert same(one, other) == same(other, one)
