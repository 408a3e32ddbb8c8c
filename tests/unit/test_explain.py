"""Every state and every reason a job may have for being in it, as a person reads it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from jobs.domain.explain import QueueSituation, ReviewSituation, Situation, explain
from jobs.domain.states import EventKind, State
from jobs.domain.wording import clause, duration, instant

NOW = datetime(2026, 3, 2, 14, 3, 8, tzinfo=UTC)
QUEUE = QueueSituation(name="default", workers=2)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def situation(state: State, **fields: object) -> Situation:
    return replace(Situation(state=state, now=NOW, queue=QUEUE), **fields)  # type: ignore[arg-type]


def pending(queue: QueueSituation = QUEUE, **fields: object) -> str:
    return explain(situation(State.PENDING, queue=queue, due_at=at(-12), **fields))


def test_a_job_that_finished_says_when_and_how_long_it_took() -> None:
    text = explain(situation(State.SUCCEEDED, attempts=1, started_at=at(-5), finished_at=at(-3)))
    assert text == "It finished at 14:03:05 UTC, 2 seconds after it was started. Nothing more happens to it."


def test_a_job_that_finished_after_failures_says_on_which_attempt() -> None:
    text = explain(situation(State.SUCCEEDED, attempts=3, started_at=at(-5), finished_at=at(-3)))
    assert text.startswith("It finished on attempt 3 at 14:03:05 UTC")


def test_a_failed_job_that_will_be_retried_says_what_failed_and_when_it_runs_again() -> None:
    text = explain(
        situation(
            State.SCHEDULED,
            event=EventKind.RETRY_SCHEDULED,
            data={"step": "fetch", "max_attempts": 5},
            failures=2,
            error_class="TransientError",
            error_message="HTTP 503 from example.com.",
            due_at=at(12),
        )
    )
    assert text == (
        "It failed at step 'fetch' with TransientError (HTTP 503 from example.com) on attempt 2 of 5 "
        "and will be tried again at 14:03:20 UTC, in 12 seconds."
    )


def test_a_retry_whose_time_has_come_runs_in_a_moment() -> None:
    text = explain(situation(State.SCHEDULED, event=EventKind.RETRY_SCHEDULED, due_at=at(-1)))
    assert text.endswith("will be tried again in a moment.")


def test_a_snoozed_job_says_that_no_attempt_was_charged() -> None:
    text = explain(
        situation(State.SCHEDULED, event=EventKind.SNOOZED, step="poll", data={"reason": "Not ready."}, due_at=at(180))
    )
    assert text == (
        "Step 'poll' had nothing to do yet (Not ready) and runs again at 14:06:08 UTC, in 3 minutes. "
        "No attempt was charged."
    )


def test_a_job_asked_to_run_later_says_when() -> None:
    text = explain(situation(State.SCHEDULED, event=EventKind.CREATED, due_at=at(3 * 86400)))
    assert text == "It was asked to run later and becomes due at 2026-03-05 14:03:08 UTC, in 3 days."


def test_a_job_that_failed_for_good_says_why_it_was_not_retried() -> None:
    text = explain(
        situation(
            State.FAILED,
            event=EventKind.FAILED,
            step="parse",
            data={"step": "parse", "reason": "PermanentError: retrying cannot help"},
            error_class="PermanentError",
            error_message="no total",
            finished_at=at(-8),
        )
    )
    assert text == (
        "It failed for good at step 'parse' with PermanentError (no total) at 14:03:00 UTC. "
        "It was not tried again: PermanentError: retrying cannot help. "
        "It stays as it is until somebody or a rule retries it, from this step or an earlier one."
    )


def test_a_dead_job_says_which_budget_is_spent_and_the_last_error() -> None:
    text = explain(
        situation(
            State.DEAD,
            event=EventKind.DEAD,
            data={"step": "fetch", "reason": "all 5 attempts failed"},
            error_class="StepTimeout",
            error_message="",
            finished_at=at(-8),
        )
    )
    assert text == (
        "It was given up at 14:03:00 UTC: all 5 attempts failed. The last error at step 'fetch' was StepTimeout. "
        "It stays in the dead-letter queue until somebody or a rule retries it."
    )


def test_a_dead_job_without_a_recorded_reason_still_explains_itself() -> None:
    assert explain(situation(State.DEAD)).startswith("It was given up: its attempts are spent.")


def test_a_cancelled_job_says_who_did_it_and_why() -> None:
    text = explain(
        situation(State.CANCELLED, actor="key:abc", data={"reason": "no longer needed."}, finished_at=at(-8))
    )
    assert text == (
        "It was cancelled by key:abc at 14:03:00 UTC (no longer needed). "
        "It runs no more unless somebody or a rule retries it."
    )


def test_a_waiting_job_says_what_it_waits_for_and_until_when() -> None:
    text = explain(
        situation(State.WAITING, step="approve", data={"reason": "A person approves the total."}, wake_at=at(3600 * 5))
    )
    assert text == (
        "Step 'approve' waits for an answer from outside: A person approves the total. Meanwhile it holds no worker. "
        "It goes on when the answer comes, and fails if none has come at 19:03:08 UTC, in 5 hours."
    )


def test_a_waiting_job_without_a_limit_waits_for_its_answer() -> None:
    text = explain(situation(State.WAITING, step="approve"))
    assert text.endswith("When the answer comes it goes on with the next step.")


def test_a_due_job_with_nothing_in_its_way_waits_for_a_slot() -> None:
    assert pending() == (
        "It has been due for 12 seconds. It starts as soon as a worker has a free slot "
        "and the jobs before it have started."
    )


def test_a_job_due_this_very_moment_says_so() -> None:
    assert explain(situation(State.PENDING, due_at=NOW)).startswith("It is due. ")


@pytest.mark.parametrize(
    ("blocked", "expected"),
    [
        (
            {"paused_at": at(-60)},
            "The queue 'default' was paused at 14:02:08 UTC: it starts when somebody resumes the queue.",
        ),
        (
            {"lane_paused_at": at(-60)},
            "This tenant's jobs in the queue 'default' were paused at 14:02:08 UTC: "
            "it starts when somebody resumes them.",
        ),
        ({"workers": 0, "pool": "gpu"}, "No worker serves the pool 'gpu' at the moment: it starts when one comes up."),
        (
            {"lane_cap": 3, "lane_running": 3},
            "All 3 jobs that this tenant may run at once in the queue 'default' are running: "
            "it starts when one of them ends.",
        ),
        (
            {"cap": 5, "running": 5},
            "All 5 jobs that the queue 'default' may run at once are running: "
            "it starts when one of them ends and it is this tenant's turn.",
        ),
        (
            {"cap": 1, "running": 1},
            "The one job that the queue 'default' may run at once is running: "
            "it starts when it ends and it is this tenant's turn.",
        ),
        ({"rate": 2.5}, "The queue 'default' starts at most 2.5 jobs a second: it starts when its turn comes."),
    ],
)
def test_a_due_job_names_what_keeps_it_from_starting(blocked: dict[str, object], expected: str) -> None:
    assert pending(replace(QUEUE, **blocked)).endswith(expected)  # type: ignore[arg-type]


def test_a_cap_that_is_not_reached_keeps_nobody() -> None:
    assert "free slot" in pending(replace(QUEUE, cap=5, running=4, lane_cap=3, lane_running=2))


def test_a_pause_is_named_before_anything_else() -> None:
    assert "paused" in pending(replace(QUEUE, paused_at=at(-60), workers=0, cap=1, running=1))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"event": EventKind.WORKER_LOST, "crashes": 1, "data": {"budget": 3}},
            "The worker that ran it died (crash 1 of 3), so it was put back.",
        ),
        (
            {"event": EventKind.RELEASED, "data": {"reason": "the worker stops"}},
            "Its worker gave it back: the worker stops. No attempt was charged.",
        ),
        ({"event": EventKind.RELEASED}, "Its worker gave it back. No attempt was charged."),
        (
            {"event": EventKind.RETRIED, "actor": "anna", "event_at": at(-8), "step": "parse"},
            "It was retried by anna at 14:03:00 UTC and goes on from step 'parse'.",
        ),
        ({"event": EventKind.REQUEUED, "step": "parse"}, "It was retried and goes on from step 'parse'."),
        ({"event": EventKind.ANSWERED, "step": "route"}, "Its answer came and it goes on with step 'route'."),
        (
            {"event": EventKind.PROMOTED, "failures": 2, "step": "fetch"},
            "It failed 2 times and is due for another attempt at step 'fetch'.",
        ),
        ({"event": EventKind.PROMOTED, "failures": 1}, "It failed once and is due for another attempt."),
    ],
)
def test_a_due_job_says_how_it_came_to_be_due(fields: dict[str, object], expected: str) -> None:
    assert pending(**fields).startswith(expected)


def test_a_running_job_says_where_it_runs_and_since_when() -> None:
    text = explain(situation(State.RUNNING, step="fetch", worker="host:12", attempts=1, started_at=at(-4)))
    assert text == "It is running at step 'fetch' on host:12 since it was started at 14:03:04 UTC."


def test_a_running_job_tells_of_its_earlier_failures() -> None:
    text = explain(situation(State.RUNNING, attempts=2, failures=1, error_class="StepTimeout", error_message="10 s"))
    assert text.endswith("Before this it failed once with StepTimeout (10 s).")
    assert "(attempt 2)" in text


def test_a_running_job_that_is_being_cancelled_says_when_it_stops() -> None:
    text = explain(situation(State.RUNNING, cancel_requested_at=at(-8), failures=1))
    assert "Somebody asked to cancel it at 14:03:00 UTC: it stops after the present step" in text


def test_a_running_job_whose_worker_is_silent_says_what_happens_then() -> None:
    text = explain(situation(State.RUNNING, worker="host:12", worker_alive=False))
    assert "has not been heard of lately: if that lasts, it is put back and run by another one." in text


def test_a_long_error_message_is_cut() -> None:
    text = explain(situation(State.FAILED, error_class="E", error_message="x" * 1000))
    assert "x" * 300 + "…" in text
    assert "x" * 301 not in text


@pytest.mark.parametrize("state", list(State))
def test_every_state_has_an_explanation_even_when_nothing_else_is_known(state: State) -> None:
    assert explain(situation(state)).endswith(".")


def test_times_are_shown_in_the_zone_asked_for() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert instant(NOW, now=NOW, zone=berlin) == "15:03:08 CET"
    assert instant(at(-86400), now=NOW, zone=berlin) == "2026-03-01 15:03:08 CET"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-1, "0 seconds"),
        (0.25, "0.25 seconds"),
        (1, "1 second"),
        (12.4, "12 seconds"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (7200, "2 hours"),
        (200_000, "2 days"),
    ],
)
def test_a_span_is_told_in_its_largest_fitting_unit(seconds: float, expected: str) -> None:
    assert duration(timedelta(seconds=seconds)) == expected


def test_a_clause_loses_its_full_stop() -> None:
    assert clause(" Not ready. ") == "Not ready"


def reviewed(**fields: object) -> str:
    review = replace(ReviewSituation(title="Pay this", role="operator"), **fields)  # type: ignore[arg-type]
    return explain(situation(State.WAITING, step="ok", review=review))


def test_a_job_that_waits_for_a_reviewer_says_for_whom_and_until_when() -> None:
    assert reviewed() == (
        "Step 'ok' waits for a reviewer: Pay this. It is for somebody with the role operator or a higher one. "
        "Meanwhile it holds no worker."
    )
    text = reviewed(assignee="ada", reason="50% sure", claimed_by="bob", due_at=at(60), escalate_role="owner")
    assert "It asks because 50% sure. It is for ada; bob is on it. It is due at 14:04:08 UTC" in text
    assert "then it goes to the role owner." in text
    assert "It was due at 14:02:08 UTC and is overdue." in reviewed(due_at=at(-60), escalated_at=at(-59))


def test_a_decision_that_can_be_undone_says_when_it_takes_effect() -> None:
    text = reviewed(decision="reject", decided_by="ada", applies_at=at(8))
    assert text == "ada rejected step 'ok'. That takes effect at 14:03:16 UTC, in 8 seconds."


def test_a_job_that_waits_for_its_sub_jobs_says_how_many() -> None:
    text = explain(situation(State.WAITING, step="fan", data={"children": 1}))
    assert text.startswith("Step 'fan' waits for its sub-job and goes on")
    assert "its 12 sub-jobs" in explain(situation(State.WAITING, step="fan", data={"children": 12}))
