"""What a waiting job waits for: made with its transition to WAITING, ended with the job where that is cancelled."""

import json
from collections.abc import Sequence
from datetime import datetime

from django.db.models import Q

from jobs.domain.reviews import NewReview, ReviewState
from jobs.domain.work import ClaimedJob, Report
from jobs.models import Review

#: Reviews that still do something: those not decided, and decisions that have not taken effect.
ALIVE = Q(state=ReviewState.OPEN.value) | Q(state=ReviewState.DECIDED.value, wake_at__isnull=False)


def open_reviews(reports: Sequence[Report], now: datetime) -> None:
    """Store the reviews that these reports ask for; belongs in the transaction that makes their jobs WAITING."""
    rows = [_row(report.job, report.review, now) for report in reports if report.review is not None]
    if rows:
        Review.objects.bulk_create(rows)


def _row(job: ClaimedJob, review: NewReview, now: datetime) -> Review:
    return Review(
        uid=review.uid,
        tenant_id=job.tenant_id,
        workflow_id=job.workflow_id,
        job_id=job.id,
        run_number=job.run_number,
        step_key=review.step_key,
        position=review.position,
        resume_at=review.resume_at,
        title=review.title,
        reason=review.reason,
        proposal=json.loads(review.proposal_json),
        fields=review.fields,
        shown=json.loads(review.shown_json),
        stamp=dict(review.stamp),
        role=review.role,
        assignee=review.assignee,
        due_at=review.due_at,
        wake_at=review.due_at,
        escalate_role=review.escalate_role,
        on_reject=review.on_reject,
        reject_workflow=review.reject_workflow,
        state=ReviewState.OPEN.value,
        created_at=now,
    )


def end_waits(job_ids: Sequence[int], *, now: datetime) -> None:
    """Cancel the reviews of jobs that wait no more; a decision that had not taken effect yet stays on record."""
    if job_ids:
        alive = Review.objects.filter(ALIVE, job_id__in=job_ids)
        alive.update(state=ReviewState.CANCELLED.value, wake_at=None, claimed_until=None)
