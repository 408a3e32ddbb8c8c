"""What becomes of a running job: each constructor gives a legal next state, and wakes what must wake by itself."""

import pytest

from jobs.domain import transitions
from jobs.domain.states import TRANSITIONS, AttemptOutcome, State
from jobs.domain.transitions import Transition
from tests.factories import NOW
from workflows.domain.retry import Failure

FAILURE = Failure("Broken", "x" * 1000)


@pytest.mark.parametrize(
    ("made", "state", "outcome", "wake_at"),
    [
        (transitions.succeeded("{}"), State.SUCCEEDED, AttemptOutcome.SUCCEEDED, None),
        (transitions.failed_for_good(FAILURE, step="parse"), State.FAILED, AttemptOutcome.FAILED, None),
        (transitions.snoozed(until=NOW, reason="not yet"), State.SCHEDULED, AttemptOutcome.SNOOZED, NOW),
        (transitions.waiting(reason="approval", until=NOW), State.WAITING, AttemptOutcome.WAITING, NOW),
        (transitions.waiting(reason="approval", until=None), State.WAITING, AttemptOutcome.WAITING, None),
        (transitions.cancelled(reason="asked for"), State.CANCELLED, AttemptOutcome.CANCELLED, None),
        (transitions.released(reason="stopping"), State.PENDING, None, None),
    ],
)
def test_each_end_of_an_attempt_leads_to_its_state(made: Transition, state, outcome, wake_at) -> None:
    assert (made.state, made.outcome, made.wake_at) == (state, outcome, wake_at)
    assert made.state in TRANSITIONS[State.RUNNING]


def test_a_long_message_is_cut_in_the_log() -> None:
    data = transitions.failed_for_good(FAILURE, step="parse").data
    assert data is not None
    assert data["step"] == "parse"
    assert len(data["message"]) == 500
