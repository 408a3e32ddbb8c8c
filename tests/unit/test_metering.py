"""The meter of a connection: places, a minute's requests and tokens, and turns for those that must wait."""

import itertools
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenants.domain.connections import Limits
from tenants.domain.metering import LONGEST_WAIT, SHORTEST_WAIT, Meter, has_rates

T0 = 1_700_000_000.0


def enter(meter, limits, now, permit="", holder=1, tokens=0, lasts=100.0):
    return meter.admit(limits, permit=permit or f"p{now}", holder=holder, now=now, lasts=lasts, tokens=tokens)


def leave(meter, limits, permit, *, began, now, expected=0, tokens=0):
    meter.leave(permit, began=began, now=now, expected=expected, tokens=tokens, limits=limits)


def test_as_many_calls_as_there_are_places_are_let_in():
    meter, limits = Meter(), Limits(concurrent=2)
    assert enter(meter, limits, T0, "a") is None
    assert enter(meter, limits, T0, "b") is None
    refusal = enter(meter, limits, T0, "c")
    assert refusal.reason == "all 2 of its places for calls at once are taken"
    assert refusal.until >= T0 + SHORTEST_WAIT
    leave(meter, limits, "a", began=T0, now=T0 + 1)
    assert enter(meter, limits, T0 + 1, "c") is None


def test_a_place_that_is_not_given_back_comes_back_by_itself():
    meter, limits = Meter(), Limits(concurrent=1)
    enter(meter, limits, T0, "a", lasts=30)
    assert enter(meter, limits, T0 + 29.9, "b") is not None
    assert enter(meter, limits, T0 + 30, "b") is None


def test_the_places_of_the_dead_are_taken_back():
    meter, limits = Meter(), Limits(concurrent=2)
    enter(meter, limits, T0, "a", holder=7)
    enter(meter, limits, T0, "b", holder=8)
    assert (meter.full(limits, T0), meter.holders()) == (True, {7, 8})
    meter.drop({7})
    assert (meter.full(limits, T0), meter.holders()) == (False, {8})


def test_requests_of_a_minute_are_counted():
    meter, limits = Meter(), Limits(requests_per_minute=3)
    assert [enter(meter, limits, T0 + at) for at in (0, 10, 20)] == [None] * 3
    refusal = enter(meter, limits, T0 + 30)
    assert refusal.reason == "its 3 requests of this minute are used up"
    assert T0 + 61 <= refusal.until < T0 + 61 + 60
    assert enter(meter, limits, T0 + 61) is None
    assert enter(meter, limits, T0 + 62) is not None


def test_tokens_are_counted_as_expected_and_put_right_when_the_call_is_over():
    meter, limits = Meter(), Limits(tokens_per_minute=1000)
    assert enter(meter, limits, T0, "a", tokens=900) is None
    assert "its 1000 tokens of this minute" in enter(meter, limits, T0 + 1, tokens=200).reason
    leave(meter, limits, "a", began=T0, now=T0 + 2, expected=900, tokens=300)
    assert enter(meter, limits, T0 + 2, tokens=700) is None
    assert enter(meter, limits, T0 + 3, tokens=1) is not None


def test_a_call_larger_than_the_limit_waits_for_an_empty_minute():
    meter, limits = Meter(), Limits(tokens_per_minute=100)
    assert enter(meter, limits, T0, tokens=50) is None
    assert enter(meter, limits, T0 + 1, tokens=500) is not None
    assert enter(meter, limits, T0 + 61, tokens=500) is None


def test_refused_calls_come_back_one_after_another():
    meter, limits = Meter(mean=2.0), Limits(concurrent=2)
    enter(meter, limits, T0, "a")
    enter(meter, limits, T0, "b")
    turns = [enter(meter, limits, T0).until for _ in range(100)]
    gaps = {round(later - earlier, 6) for earlier, later in itertools.pairwise(turns)}
    assert gaps == {0.8}
    assert turns[0] < T0 + 4


def test_when_too_many_wait_they_are_spread_and_none_waits_longer_than_the_longest():
    meter, limits = Meter(mean=10.0), Limits(concurrent=1)
    enter(meter, limits, T0, "a")
    turns = [enter(meter, limits, T0).until - T0 for _ in range(1000)]
    assert max(turns) <= LONGEST_WAIT
    late = [turn for turn in turns if turn > LONGEST_WAIT / 2]
    fullest = max(sum(start <= turn < start + 10 for turn in late) for start in range(150, 300))
    assert fullest < 3 * len(late) * 10 / 150


def test_a_clock_that_was_put_right_does_not_stop_the_calls():
    meter, limits = Meter(), Limits(requests_per_minute=1)
    assert enter(meter, limits, T0 + 10_000) is None
    assert enter(meter, limits, T0) is None


def test_the_mean_of_calls_follows_them():
    meter, limits = Meter(), Limits(concurrent=9)
    for _ in range(50):
        leave(meter, limits, "x", began=T0, now=T0 + 4)
    assert meter.mean == pytest.approx(4.0, abs=0.01)


def test_what_was_counted_before_a_limit_was_set_is_let_be():
    meter = Meter()
    assert enter(meter, Limits(requests_per_minute=5), T0, tokens=10) is None
    leave(meter, Limits(tokens_per_minute=100), "gone", began=T0 - 500, now=T0, expected=10, tokens=5)
    assert enter(meter, Limits(), T0) is None
    assert not has_rates(Limits(monthly_budget=5.0))
    assert has_rates(Limits(tokens_per_minute=5))


def test_the_state_is_the_same_after_being_kept():
    meter = Meter()
    enter(meter, Limits(concurrent=2, requests_per_minute=9), T0, "a", holder=4, tokens=7)
    meter.turn = T0 + 0.125
    assert Meter.from_data(meter.to_data()) == meter
    assert Meter.from_data({}) == Meter()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 400)), max_size=120), st.integers(1, 10))
def test_no_minute_holds_more_than_its_limits(arrivals, rpm):
    meter, limits = Meter(), Limits(requests_per_minute=rpm, tokens_per_minute=1000)
    now, admitted = T0, deque()
    for gap, tokens in arrivals:
        now += gap
        if enter(meter, limits, now, tokens=tokens) is None:
            admitted.append((now, tokens))
        while admitted and admitted[0][0] <= now - 60:
            admitted.popleft()
        assert len(admitted) <= rpm
        assert sum(tokens for _, tokens in admitted) <= 1000
