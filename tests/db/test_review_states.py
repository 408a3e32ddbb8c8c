"""Whatever people and the clock do to a review, in any order, it stays what one can make sense of."""

import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.domain.reviews import Decision, Reviewer, ReviewError
from jobs.domain.states import State
from jobs.models import Event, Job, Review, StepRun
from jobs.services import control, reviews
from jobs.services.review_effects import apply_due_reviews
from tenants.domain.roles import Role
from tests.factories import NOW, make_job, make_queue, make_review, make_workflow

pytestmark = pytest.mark.django_db
PEOPLE = (Reviewer("ada", Role.REVIEWER), Reviewer("bob", Role.OPERATOR))
Act = Callable[[Review, Reviewer, datetime], Any]


def decide(decision: Decision, **rest: Any) -> Act:
    return lambda review, who, now: reviews.decide_review(review=review, who=who, decision=decision, now=now, **rest)


ACTS: dict[str, Act] = {
    "claim": lambda review, who, now: reviews.claim_review(review=review, who=who, now=now),
    "release": lambda review, who, now: reviews.release_review(review=review, who=who, now=now),
    "approve": decide(Decision.APPROVE),
    "edit": decide(Decision.EDIT, edits={"total": 99}),
    "reject": decide(Decision.REJECT, comment="no"),
    "undo": lambda review, who, now: reviews.undo_decision(review=review, who=who, now=now),
    "tick": lambda review, who, now: apply_due_reviews(now=now),
    "cancel": lambda review, who, now: control.cancel_job(job=review.job, actor=who.name, now=now),
}
steps = st.lists(
    st.tuples(st.sampled_from([*ACTS, "tick", "undo"]), st.sampled_from(PEOPLE), st.sampled_from([0, 1, 5, 10, 200])),
    max_size=14,
)


def problems(review: Review, job: Job, log: list[str]) -> list[str]:
    """Say what does not fit together."""
    decided = review.state == "decided"
    pending = decided and review.wake_at is not None
    applied = decided and review.wake_at is None
    checks = {
        "a job waits exactly while its review is open or can be undone": (job.state == State.WAITING)
        == (review.state == "open" or pending),
        "an open review has no decision": review.state != "open"
        or not (review.decision or review.decided_by or review.output),
        "a decided one has it whole": not decided or bool(review.decision and review.decided_by and review.output),
        "nobody keeps a place in a review that is over": review.state == "open" or not review.claimed_until or pending,
        "it took effect once": log.count("answered") + log.count("failed") == applied,
        "it was undone no more often than decided": log.count("undone") <= log.count("decided"),
        "it escalated once at most": log.count("escalated") == (review.escalated_at is not None),
        "what was decided is the record": not applied or StepRun.objects.get(job=job).output == review.output,
        "a cancelled one went with its job": applied or (review.state == "cancelled") == (job.state == State.CANCELLED),
    }
    return [what for what, holds in checks.items() if not holds]


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps, st.sampled_from(["stop", "fail"]), st.booleans())
def test_a_review_makes_sense_after_every_act(
    db: None, taken: list[tuple[str, Reviewer, int]], on_reject: str, late: bool
) -> None:
    make_queue()
    job = make_job(make_workflow(), State.WAITING)
    due = NOW + timedelta(seconds=30) if late else None
    review = make_review(job, on_reject=on_reject, due_at=due, escalate_role="operator" if late else "")
    StepRun.objects.create(
        job=job, position=0, attempt=1, step_key="step1", output=review.proposal, seconds=0, finished_at=NOW
    )
    now = NOW
    for act, who, later in taken:
        now += timedelta(seconds=later)
        with contextlib.suppress(ReviewError, control.NotCancellableError):
            ACTS[act](Review.objects.select_related("job").get(pk=review.pk), who, now)
        review.refresh_from_db()
        job.refresh_from_db()
        log = list(Event.objects.filter(job=job).values_list("kind", flat=True))
        assert problems(review, job, log) == [], (act, review.state, job.state, log)
