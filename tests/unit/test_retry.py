"""When a failed attempt is tried again, and when it is given up."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.factories import NOW
from workflows.domain.retry import (
    LONGEST,
    Failure,
    GiveUp,
    Jitter,
    RetryAt,
    RetryPolicy,
    Strategy,
    backoff,
    cooldown,
    decide,
)

SECONDS = st.floats(0, LONGEST, allow_nan=False)
CHANCE = st.floats(0, 1, exclude_max=True, allow_nan=False)
FAILURES = st.integers(1, 2**31)
POLICIES = st.builds(
    RetryPolicy,
    max_attempts=st.integers(1, 100),
    strategy=st.sampled_from(Strategy),
    base_delay=SECONDS,
    max_delay=SECONDS,
    jitter=st.sampled_from(Jitter),
)
REFUSED = Failure("ConnectionRefused", "nobody listens")


def policy(**fields) -> RetryPolicy:
    return RetryPolicy(**{"jitter": "none", "base_delay": 2, "max_delay": 100} | fields)


@pytest.mark.parametrize(
    ("strategy", "delays"),
    [
        ("fixed", [2, 2, 2, 2, 2, 2, 2]),
        ("linear", [2, 4, 6, 8, 10, 12, 14]),
        ("exponential", [2, 4, 8, 16, 32, 64, 100]),
    ],
)
def test_the_delay_grows_by_the_strategy_up_to_its_limit(strategy: str, delays: list[float]) -> None:
    found = [backoff(policy(strategy=strategy), failures=failures, chance=0.5) for failures in range(1, 8)]
    assert found == delays


@pytest.mark.parametrize(("jitter", "least", "most"), [("none", 64, 64), ("full", 0, 64), ("equal", 32, 64)])
def test_jitter_leaves_none_all_or_half_of_the_delay_to_chance(jitter: str, least: float, most: float) -> None:
    chosen = policy(jitter=jitter)
    assert backoff(chosen, failures=6, chance=0.0) == least
    assert backoff(chosen, failures=6, chance=1.0) == most


@given(policy=POLICIES, failures=FAILURES, chance=CHANCE)
def test_no_delay_is_negative_or_above_the_limit(policy: RetryPolicy, failures: int, chance: float) -> None:
    assert 0 <= backoff(policy, failures=failures, chance=chance) <= policy.max_delay


@given(policy=POLICIES, failures=FAILURES, chance=CHANCE)
def test_the_delay_never_shrinks_from_one_failure_to_the_next(policy, failures: int, chance: float) -> None:
    before = backoff(policy, failures=failures, chance=chance)
    assert backoff(policy, failures=failures + 1, chance=chance) >= before


@given(policy=POLICIES, failures=FAILURES, chance=CHANCE, retry_after=st.none() | st.floats(0, 1e12))
def test_a_job_is_tried_again_exactly_as_often_as_allowed(policy, failures: int, chance: float, retry_after) -> None:
    failure = Failure("Busy", "later", status=503, retry_after=retry_after)
    answer = decide(policy, failures=failures, failure=failure, now=NOW, chance=chance)
    assert isinstance(answer, RetryAt) is (failures < policy.max_attempts)
    if isinstance(answer, RetryAt):
        assert NOW <= answer.at <= NOW + timedelta(seconds=LONGEST)
        assert answer.delay >= min(retry_after or 0, LONGEST)


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (Failure("Invalid", "never", permanent=True), GiveUp("Invalid: retrying cannot help", permanent=True)),
        (Failure("Denied", "no"), GiveUp("Denied is not retried by the policy", permanent=True)),
    ],
)
def test_what_cannot_be_helped_is_given_up_at_once(failure: Failure, expected: GiveUp) -> None:
    assert decide(policy(non_retryable=["Denied"]), failures=1, failure=failure, now=NOW, chance=0) == expected


def test_spent_attempts_are_no_permanent_error() -> None:
    answer = decide(policy(max_attempts=3), failures=3, failure=REFUSED, now=NOW, chance=0)
    assert answer == GiveUp("all 3 attempts failed", permanent=False)


@pytest.mark.parametrize(
    ("failure", "least"),
    [
        (REFUSED, 30),
        (Failure("HttpError", "slow down", status=429), 60),
        (Failure("ConnectionRefused", "slow down", status=429), 60),
        (Failure("HttpError", "slow down", status=429, retry_after=90), 90),
        (Failure("HttpError", "slow down", status=503, retry_after=7.5), 7.5),
        (Failure("HttpError", "broken", status=500, retry_after=90), 0),
        (Failure("Busy", "asked for it", retry_after=12), 12),
        (Failure("Timeout", "too slow"), 0),
    ],
)
def test_the_cooldown_is_the_longest_that_applies(failure: Failure, least: float) -> None:
    assert cooldown(policy(cooldowns={"ConnectionRefused": 30, "429": 60}), failure) == least


def test_a_cooldown_may_be_longer_than_the_longest_backoff() -> None:
    answer = decide(policy(cooldowns={"ConnectionRefused": 500}), failures=1, failure=REFUSED, now=NOW, chance=0)
    assert answer == RetryAt(at=NOW + timedelta(seconds=500), delay=500)


@pytest.mark.parametrize(
    "fields",
    [{"max_attempts": 0}, {"base_delay": -1}, {"max_delay": LONGEST + 1}, {"strategy": "wild"}, {"unknown": 1}],
)
def test_a_policy_that_makes_no_sense_is_refused(fields: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(fields))):
        policy(**fields)
