"""Retry policies: the properties every one has, and what each strategy, jitter and cooldown does."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

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

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
delays = st.floats(0, LONGEST)
chances = st.floats(0, 1, exclude_max=True)
counts = st.integers(1, 200)
statuses = st.none() | st.sampled_from([400, 404, 429, 500, 503])
policies = st.builds(
    RetryPolicy,
    max_attempts=st.integers(1, 100),
    strategy=st.sampled_from(Strategy),
    base_delay=delays,
    max_delay=delays,
    jitter=st.sampled_from(Jitter),
    cooldowns=st.dictionaries(st.sampled_from(["Oops", "429", "500"]), delays, max_size=3),
    non_retryable=st.sampled_from([(), ("Oops",), ("Other",)]),
)
failures = st.builds(
    Failure,
    name=st.sampled_from(["Oops", "Other"]),
    message=st.text(max_size=20),
    permanent=st.booleans(),
    status=statuses,
    retry_after=st.none() | st.floats(0, 1e9),
)


@given(policies, counts, failures, chances)
def test_a_retry_lies_ahead_within_the_longest_delay_and_never_before_a_cooldown(
    policy: RetryPolicy, count: int, failure: Failure, chance: float
) -> None:
    answer = decide(policy, failures=count, failure=failure, now=NOW, chance=chance)
    if isinstance(answer, RetryAt):
        assert 0 <= answer.delay <= LONGEST
        assert answer.at == NOW + timedelta(seconds=answer.delay)
        assert answer.delay >= min(cooldown(policy, failure), LONGEST)


@given(policies, counts, failures, chances)
def test_it_is_given_up_exactly_when_retrying_cannot_help_or_the_attempts_are_spent(
    policy: RetryPolicy, count: int, failure: Failure, chance: float
) -> None:
    answer = decide(policy, failures=count, failure=failure, now=NOW, chance=chance)
    permanent = failure.permanent or failure.name in policy.non_retryable
    assert isinstance(answer, GiveUp) == (permanent or count >= policy.max_attempts)
    if isinstance(answer, GiveUp):
        assert answer.permanent == permanent
        assert answer.reason


@given(policies, counts, chances)
def test_a_backoff_is_never_over_the_most_and_jitter_only_shortens_it(
    policy: RetryPolicy, count: int, chance: float
) -> None:
    plain = backoff(policy.model_copy(update={"jitter": Jitter.NONE}), failures=count, chance=chance)
    delay = backoff(policy, failures=count, chance=chance)
    assert 0 <= delay <= plain <= policy.max_delay
    if policy.jitter is Jitter.EQUAL:
        assert delay >= plain / 2


@given(policies, counts)
def test_without_jitter_a_backoff_never_shrinks(policy: RetryPolicy, count: int) -> None:
    plain = policy.model_copy(update={"jitter": Jitter.NONE})
    assert backoff(plain, failures=count, chance=0) <= backoff(plain, failures=count + 1, chance=0)


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (Strategy.FIXED, [2, 2, 2, 2]),
        (Strategy.LINEAR, [2, 4, 6, 8]),
        (Strategy.EXPONENTIAL, [2, 4, 8, 10]),
    ],
)
def test_each_strategy_grows_in_its_own_way(strategy: Strategy, expected: list[float]) -> None:
    policy = RetryPolicy(strategy=strategy, base_delay=2, max_delay=10, jitter=Jitter.NONE)
    assert [backoff(policy, failures=n, chance=0.5) for n in range(1, 5)] == expected


def test_full_jitter_goes_down_to_nothing_and_equal_jitter_to_half() -> None:
    full, equal = (RetryPolicy(base_delay=8, jitter=jitter) for jitter in (Jitter.FULL, Jitter.EQUAL))
    assert [backoff(full, failures=1, chance=c) for c in (0.0, 0.5)] == [0, 4]
    assert [backoff(equal, failures=1, chance=c) for c in (0.0, 0.5)] == [4, 6]


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (Failure("Oops", ""), 30),
        (Failure("Other", "", status=500), 60),
        (Failure("Oops", "", status=500), 60),
        (Failure("Other", ""), 0),
        (Failure("Other", "", status=429, retry_after=90), 90),
        (Failure("Other", "", status=503, retry_after=90), 90),
        (Failure("Other", "", retry_after=90), 90),
        (Failure("Other", "", status=404, retry_after=90), 0),
        (Failure("Other", "", status=500, retry_after=90), 60),
    ],
)
def test_a_cooldown_is_found_by_class_by_status_and_in_what_the_other_side_asked(
    failure: Failure, expected: float
) -> None:
    assert cooldown(RetryPolicy(cooldowns={"Oops": 30, "500": 60}), failure) == expected


@pytest.mark.parametrize(
    "wrong",
    [{"max_attempts": 0}, {"max_attempts": 101}, {"base_delay": -1}, {"strategy": "random"}, {"retries": 3}],
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RetryPolicy.model_validate(wrong)
