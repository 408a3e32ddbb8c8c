"""Two at once at one review: one wins, the other is told who, and the job goes on once."""

from collections import Counter
from datetime import timedelta

import pytest

from jobs.domain.reviews import Decision, Reviewer, ReviewError
from jobs.domain.states import State
from jobs.models import Event, Job, Review
from jobs.services import reviews
from jobs.services.review_effects import apply_due_reviews
from taskflow.lib.clock import utcnow
from tenants.domain.roles import Role
from tests.factories import make_job, make_review, make_workflow
from tests.races.test_engine_races import ROUNDS, at_once, cancel

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]
ADA, BOB = Reviewer("ada", Role.REVIEWER), Reviewer("bob", Role.REVIEWER)


def asked(**fields: object) -> Review:
    return make_review(make_job(make_workflow(), State.WAITING), **fields)


def decide(review: Review, who: Reviewer, decision: Decision = Decision.APPROVE) -> str:
    try:
        return reviews.decide_review(review=review, who=who, decision=decision, comment="x", now=utcnow()).decided_by
    except ReviewError as error:
        return str(error)


def undo(review: Review, who: Reviewer) -> str:
    try:
        return reviews.undo_decision(review=review, who=who, now=utcnow()).state
    except ReviewError:
        return "too late"


def kinds(review: Review) -> Counter[str]:
    return Counter(Event.objects.filter(job=review.job).values_list("kind", flat=True))


def test_of_two_who_decide_at_once_one_wins_and_the_other_is_told_who() -> None:
    winners: Counter[str] = Counter()
    for _ in range(ROUNDS):
        review = asked()
        answers = at_once(lambda r=review: decide(r, ADA), lambda r=review: decide(r, BOB, Decision.REJECT))
        review.refresh_from_db()
        winner = review.decided_by
        winners[winner] += 1
        assert winner in answers
        assert f"{winner} decided this review already: {review.decision}." in answers
        assert kinds(review)["decided"] == 1
    print(dict(winners))


def test_of_two_who_claim_at_once_one_has_it() -> None:
    for _ in range(ROUNDS):
        review = asked()

        def claim(who: Reviewer, review: Review = review) -> str:
            try:
                return reviews.claim_review(review=review, who=who, now=utcnow()).claimed_by
            except ReviewError as error:
                return str(error)

        answers = at_once(lambda c=claim: c(ADA), lambda c=claim: c(BOB))
        review.refresh_from_db()
        assert sorted(answers) == sorted([review.claimed_by, f"{review.claimed_by} is on this review."])


def test_a_decision_takes_effect_once_however_many_tick() -> None:
    for _ in range(ROUNDS):
        review = asked()
        decide(review, ADA)
        late = utcnow() + timedelta(seconds=60)
        assert sum(at_once(*[lambda n=late: apply_due_reviews(now=n)] * 4)) == 1
        assert kinds(review)["answered"] == 1
        assert Job.objects.get(pk=review.job_id).state == State.PENDING


def test_an_undo_that_races_with_the_effect_is_either_in_time_or_too_late() -> None:
    seen: Counter[str] = Counter()
    for _ in range(ROUNDS):
        review = asked()
        decide(review, ADA)
        late = utcnow() + timedelta(seconds=60)
        answer, _ = at_once(lambda r=review: undo(r, ADA), lambda n=late: apply_due_reviews(now=n))
        seen[answer] += 1
        job = Job.objects.get(pk=review.job_id)
        assert (job.state, kinds(review)["answered"]) == (
            (State.WAITING, 0) if answer == "open" else (State.PENDING, 1)
        )
    print(dict(seen))


def test_a_late_review_escalates_once_however_many_tick() -> None:
    for _ in range(ROUNDS):
        review = asked(due_at=utcnow(), escalate_role="owner")
        late = utcnow() + timedelta(seconds=60)
        assert sum(at_once(*[lambda n=late: apply_due_reviews(now=n)] * 4)) == 1
        assert kinds(review)["escalated"] == 1


def test_a_decision_that_races_with_a_cancellation_leaves_no_open_end() -> None:
    for _ in range(ROUNDS):
        review = asked()
        at_once(lambda r=review: decide(r, ADA), lambda r=review: cancel(r.job))
        apply_due_reviews(now=utcnow() + timedelta(seconds=60))
        review.refresh_from_db()
        assert (review.state, Job.objects.get(pk=review.job_id).state) == ("cancelled", State.CANCELLED)
