"""What a waiting job waits for: made with its transition to WAITING, ended with the job where that is cancelled."""

import json
from collections.abc import Sequence
from datetime import datetime

from django.db.models import Q

from jobs.domain.reviews import NewReview, ReviewState
from jobs.domain.states import CANCELLABLE, EventKind, State
from jobs.domain.work import ClaimedJob, Report
from jobs.models import Event, Job, Review
from jobs.services.joins import open_children
from jobs.services.values import refresh_by_id

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
    """Cancel what these jobs, which were cancelled, waited for: reviews, and sub-jobs with what they wait for.

    A decision that had not taken effect yet stays on record.
    """
    while job_ids:
        alive = Review.objects.filter(ALIVE, job_id__in=job_ids)
        alive.update(state=ReviewState.CANCELLED.value, wake_at=None, claimed_until=None)
        refresh_by_id(job_ids)
        job_ids = _cancel(open_children(job_ids), now)


def _cancel(children: Sequence[Job], now: datetime) -> list[int]:
    """Cancel sub-jobs at once, or ask the running ones to stop; returns the ids of those that waited."""
    running = [job.pk for job in children if job.state == State.RUNNING and job.cancel_requested_at is None]
    ended = [job for job in children if job.state in CANCELLABLE]
    Job.objects.filter(pk__in=running).update(cancel_requested_at=now)
    Job.objects.filter(pk__in=[job.pk for job in ended]).update(
        state=State.CANCELLED.value, wake_at=None, finished_at=now
    )
    lines = [Event(job_id=pk, kind=EventKind.CANCEL_REQUESTED.value) for pk in running]
    lines += [
        Event(job_id=job.pk, kind=EventKind.CANCELLED.value, state=State.CANCELLED.value, attempt=job.attempts)
        for job in ended
    ]
    for line in lines:
        line.at, line.actor, line.data = now, "engine", {"reason": "the job that waited for it was cancelled"}
    Event.objects.bulk_create(lines, batch_size=500)
    refresh_by_id([job.pk for job in ended])
    return [job.pk for job in ended if job.state == State.WAITING]
