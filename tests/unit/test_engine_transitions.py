"""The lifecycle: which state follows which, and what each way to end an attempt makes of a job."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.domain import transitions
from jobs.domain.states import CANCELLABLE, FINAL, RETRYABLE, TRANSITIONS, AttemptOutcome, EventKind, State
from jobs.domain.transitions import Transition
from workflows.domain.retry import Failure, RetryPolicy

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
names = st.text(min_size=1, max_size=30)
messages = st.text(max_size=2000)
instants = st.timedeltas(timedelta(0), timedelta(days=1000)).map(lambda later: NOW + later)
failures = st.builds(Failure, name=names, message=messages, permanent=st.booleans())
endings = st.one_of(
    st.builds(transitions.succeeded, st.just("{}")),
    st.builds(
        transitions.failed,
        failure=failures,
        step=names,
        failures=st.integers(0, 120),
        policy=st.builds(RetryPolicy, max_attempts=st.integers(1, 100)),
        now=st.just(NOW),
        chance=st.floats(0, 1, exclude_max=True),
    ),
    st.builds(transitions.failed_for_good, failures, step=names),
    st.builds(transitions.snoozed, until=instants, reason=messages),
    st.builds(transitions.waiting, reason=messages, until=st.none() | instants),
    st.builds(transitions.cancelled, reason=messages),
    st.builds(transitions.released, reason=messages),
    st.builds(transitions.worker_lost, crashes=st.integers(0, 9), budget=st.integers(1, 5), worker=names),
)


@given(endings)
def test_whatever_ends_an_attempt_leads_from_running_to_a_legal_state(ending: Transition) -> None:
    assert ending.state in TRANSITIONS[State.RUNNING]
    assert (ending.outcome is None) == (ending.event is EventKind.RELEASED)


@given(endings)
def test_a_job_wakes_by_itself_exactly_when_something_must_happen_later(ending: Transition) -> None:
    if ending.state is State.SCHEDULED:
        assert ending.wake_at is not None
        assert ending.wake_at == ending.due_at
    elif ending.state is not State.WAITING:
        assert ending.wake_at is None
    assert (ending.result_json is not None) == (ending.state is State.SUCCEEDED)


@given(endings)
def test_an_error_is_kept_and_its_message_in_the_log_is_short(ending: Transition) -> None:
    assert (ending.failure is not None) == (ending.outcome in (AttemptOutcome.FAILED, AttemptOutcome.WORKER_LOST))
    assert len((ending.data or {}).get("message", "")) <= 500


@given(failures, st.integers(0, 120), st.integers(1, 100), st.floats(0, 1, exclude_max=True))
def test_a_failure_counts_and_the_last_one_allowed_is_the_end(
    failure: Failure, before: int, most: int, chance: float
) -> None:
    ending = transitions.failed(
        failure=failure, step="s", failures=before, policy=RetryPolicy(max_attempts=most), now=NOW, chance=chance
    )
    assert ending.failures == before + 1
    expected = State.FAILED if failure.permanent else State.DEAD if before + 1 >= most else State.SCHEDULED
    assert ending.state is expected


@given(st.integers(0, 9), st.integers(1, 5))
def test_a_dead_worker_costs_a_crash_and_no_failure(crashes: int, budget: int) -> None:
    ending = transitions.worker_lost(crashes=crashes, budget=budget, worker="host:1")
    assert (ending.crashes, ending.failures) == (crashes + 1, None)
    assert ending.state is (State.DEAD if crashes + 1 >= budget else State.PENDING)


def test_every_state_has_its_rules_and_can_be_reached() -> None:
    assert set(TRANSITIONS) == {None, *State}
    assert frozenset().union(*TRANSITIONS.values()) == set(State)


def test_a_final_state_is_left_by_a_retry_only_and_success_never() -> None:
    for state in FINAL:
        assert TRANSITIONS[state] == (frozenset({State.PENDING}) if state in RETRYABLE else frozenset())
    assert State.SUCCEEDED not in RETRYABLE


@pytest.mark.parametrize("state", sorted(State))
def test_what_can_be_cancelled_at_once_may_become_cancelled(state: State) -> None:
    may = State.CANCELLED in TRANSITIONS[state]
    assert may == (state in CANCELLABLE or state is State.RUNNING)


@pytest.mark.parametrize("state", sorted(State))
def test_only_a_pending_job_starts(state: State) -> None:
    assert (State.RUNNING in TRANSITIONS[state]) == (state is State.PENDING)


def test_a_snoozed_job_comes_back_when_it_said() -> None:
    until = NOW + timedelta(hours=1)
    assert transitions.snoozed(until=until, reason="").due_at == until
