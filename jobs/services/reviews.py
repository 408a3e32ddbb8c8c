"""What people do with reviews: take one, decide it, take that back. Of two at once, one is told who was first.

A decision is written at once and takes effect some seconds later, so that it can be undone until then; the engine's
tick does that (review_effects.py). The job's row is locked before the review's, as everywhere.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection

from jobs.domain.reviews import (
    CLAIM,
    LONGEST_COMMENT,
    DecidedError,
    Decision,
    EditError,
    NotUndoableError,
    NotYoursError,
    Reviewer,
    ReviewState,
    TakenError,
    output_after,
)
from jobs.domain.states import EventKind
from jobs.models import Event, Job, Review
from jobs.services.values import refresh_values
from taskflow.lib.db import in_transaction
from taskflow.lib.fields import dump_json
from taskflow.lib.telemetry import emit
from workflows.domain.fields import read_fields
from workflows.domain.reviewing import check_edits

#: An edited output may be this long, in characters of JSON.
OUTPUT_LIMIT = 1_000_000


def claim_review(*, review: Review, who: Reviewer, now: datetime) -> Review:
    """Keep others from the review while `who` is at it; asking again keeps it longer. Returns it as it is now.

    Raises DecidedError, NotYoursError, or TakenError with the name of who is at it.
    """
    return _locked(review, lambda row: _claim(row, who, now))


def _claim(review: Review, who: Reviewer, now: datetime) -> Review:
    _require_open(review)
    _require_allowed(review, who, now)
    if review.claimed_by != who.name:
        review.claimed_by, review.opened_at = who.name, now
    elif review.opened_at is None:
        review.opened_at = now
    review.claimed_until = now + CLAIM
    review.save(update_fields=["claimed_by", "claimed_until", "opened_at"])
    return review


def release_review(*, review: Review, who: Reviewer, now: datetime) -> Review:
    """Let others at the review. Nothing happens where `who` has no claim on it."""
    return _locked(review, lambda row: _release(row, who))


def _release(review: Review, who: Reviewer) -> Review:
    if review.state == ReviewState.OPEN and review.claimed_by == who.name:
        review.claimed_by, review.claimed_until, review.opened_at = "", None, None
        review.save(update_fields=["claimed_by", "claimed_until", "opened_at"])
    return review


def decide_review(
    *,
    review: Review,
    who: Reviewer,
    decision: Decision,
    edits: Mapping[str, Any] | None = None,
    comment: str = "",
    now: datetime,
) -> Review:
    """Write a decision, which takes effect after REVIEW_UNDO_SECONDS. Returns the review as it is now.

    `edits` are the fields that change. Raises EditError naming fields, DecidedError, NotYoursError or TakenError.
    """
    return _locked(review, lambda row: _decide(row, who, decision, edits or {}, comment.strip(), now))


def _decide(
    review: Review, who: Reviewer, decision: Decision, edits: Mapping[str, Any], comment: str, now: datetime
) -> Review:
    _require_open(review)
    _require_allowed(review, who, now)
    _require_sense(review, decision, edits, comment)
    after = output_after(decision, before=review.proposal, edits=edits, stamp=review.stamp, comment=comment)
    if decision is Decision.EDIT:
        if len(dump_json(after)) > OUTPUT_LIMIT:
            raise EditError([("output", f"Longer than {OUTPUT_LIMIT:,} characters of JSON.")])
        if all(review.proposal.get(key) == value for key, value in edits.items()):
            decision = Decision.APPROVE
    opened = review.opened_at if review.claimed_by == who.name else None
    review.state, review.decision, review.output = ReviewState.DECIDED.value, decision.value, after
    review.comment, review.decided_by, review.decided_at = comment, who.name, now
    review.seconds = None if opened is None else round((now - opened).total_seconds(), 3)
    review.wake_at = now + timedelta(seconds=settings.REVIEW_UNDO_SECONDS)
    review.save(
        update_fields=["state", "decision", "output", "comment", "decided_by", "decided_at", "seconds", "wake_at"]
    )
    refresh_values([(review.job_id, review.workflow_id)])
    log_review(review, EventKind.DECIDED, who.name, now, decision=decision.value, comment=comment[:500])
    emit("review.decided", decision=decision.value, tenant=review.tenant_id)
    return review


def undo_decision(*, review: Review, who: Reviewer, now: datetime) -> Review:
    """Open a review again whose decision has not taken effect, and keep it for `who`. Raises NotUndoableError."""
    return _locked(review, lambda row: _undo(row, who, now))


def _undo(review: Review, who: Reviewer, now: datetime) -> Review:
    if review.state != ReviewState.DECIDED:
        raise NotUndoableError(f"There is no decision to undo: the review is {review.state}.")
    if review.decided_by != who.name:
        raise NotUndoableError(f"{review.decided_by} decided this review, and alone can undo that.")
    if review.wake_at is None:
        raise NotUndoableError("It is too late to undo this decision: the job has gone on.")
    undone = review.decision
    review.state, review.decision, review.output, review.comment = ReviewState.OPEN.value, "", None, ""
    review.decided_by, review.decided_at, review.seconds = "", None, None
    review.wake_at = None if review.escalated_at else review.due_at
    review.claimed_by, review.claimed_until = who.name, now + CLAIM
    review.save()
    refresh_values([(review.job_id, review.workflow_id)])
    log_review(review, EventKind.UNDONE, who.name, now, decision=undone)
    return review


def _require_open(review: Review) -> None:
    if review.state == ReviewState.DECIDED:
        raise DecidedError(f"{review.decided_by} decided this review already: {review.decision}.")
    if review.state == ReviewState.CANCELLED:
        raise DecidedError("This review was cancelled together with its job.")


def _require_allowed(review: Review, who: Reviewer, now: datetime) -> None:
    refusal = review.hold.refusal(who)
    if refusal:
        raise NotYoursError(refusal)
    if review.hold.claimed_by_another(who.name, now=now):
        raise TakenError(f"{review.claimed_by} is on this review.")


def _require_sense(review: Review, decision: Decision, edits: Mapping[str, Any], comment: str) -> None:
    problems = []
    if decision is Decision.EDIT:
        found = check_edits(read_fields(review.fields), review.proposal, edits)
        problems = [(f"output.{problem.field}", problem.message) for problem in found]
        if not review.fields:
            problems = [("decision", "Nothing of this review may be edited.")]
        elif not edits:
            problems = [("output", "Say what changes.")]
    elif edits:
        problems = [("output", "Only with the decision edit.")]
    if decision is Decision.REJECT and not comment:
        problems.append(("comment", "Say why it is rejected."))
    if len(comment) > LONGEST_COMMENT:
        problems.append(("comment", f"Longer than {LONGEST_COMMENT:,} characters."))
    if problems:
        raise EditError(problems)


def _locked(review: Review, work: Callable[[Review], Review]) -> Review:
    """Do `work` on the review's row under its lock and its job's, in one transaction."""

    def locking() -> Review:
        lock_job(review.job_id)
        return work(lock_review(review.pk))

    return in_transaction(locking)


def lock_job(pk: int) -> Job:
    """Return a job's row, locked."""
    rows = Job.objects.all()
    if connection.features.has_select_for_update:
        rows = rows.select_for_update()
    job: Job = rows.get(pk=pk)
    return job


def lock_review(pk: int) -> Review:
    """Return a review's row, locked; its job is locked first."""
    rows = Review.objects.all()
    if connection.features.has_select_for_update:
        rows = rows.select_for_update()
    review: Review = rows.get(pk=pk)
    return review


def log_review(review: Review, kind: EventKind, actor: str, now: datetime, **data: Any) -> None:
    """Write a line about the review in its job's log."""
    told = {"review": str(review.uid), "step": review.step_key} | {key: value for key, value in data.items() if value}
    Event.objects.create(job_id=review.job_id, at=now, kind=kind.value, actor=actor[:100], data=told)
