"""What becomes of reviews by themselves: decisions take effect when they can be undone no more, late ones escalate.

The engine's tick calls it. Each is done in a transaction of its own, under the locks of the job and the review, and
leaves no time to wake at: so it happens once, however many tick.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from jobs.domain.reviews import Decision, ReviewState
from jobs.domain.states import EventKind, State
from jobs.domain.submission import NewJob, SubmissionError
from jobs.models import Event, Job, Review, StepRun
from jobs.services.reviews import lock_job, lock_review, log_review
from jobs.services.submit import submit_job
from jobs.services.values import refresh_values
from jobs.services.wake import wake_on_commit
from taskflow.lib.db import in_transaction
from taskflow.lib.telemetry import emit
from workflows.models import Step

BATCH = 500


def apply_due_reviews(*, now: datetime) -> int:
    """Let decisions take effect whose time to undo is over, and escalate open reviews that are late.

    At most `BATCH` a call; returns how many changed.
    """
    due = Review.objects.filter(wake_at__lte=now).order_by("wake_at").values_list("pk", "job_id", "state")[:BATCH]
    return sum(
        in_transaction(lambda r=review_id, j=job_id, s=state: _at_its_time(r, j, s, now))  # type: ignore[misc]
        for review_id, job_id, state in due
    )


def _at_its_time(review_id: int, job_id: int, state: str, now: datetime) -> bool:
    job, review = lock_job(job_id), lock_review(review_id)
    if review.wake_at is None or review.wake_at > now or review.state != state:
        return False
    if state == ReviewState.DECIDED:
        _apply(job, review, now)
    else:
        _escalate(review, now)
    return True


def _escalate(review: Review, now: datetime) -> None:
    was = review.role
    review.wake_at, review.escalated_at = None, now
    review.role, review.assignee = review.escalate_role or review.role, ""
    review.save(update_fields=["wake_at", "escalated_at", "role", "assignee"])
    log_review(review, EventKind.ESCALATED, "engine", now, role=review.role, was=was)
    emit("review.escalated", tenant=review.tenant_id)


def _apply(job: Job, review: Review, now: datetime) -> None:
    """Let the decision take effect: the job, which waits for it, goes on, stops or fails."""
    Review.objects.filter(pk=review.pk).update(wake_at=None, claimed_until=None)
    if job.state != State.WAITING or (job.position, job.run_number) != (review.position, review.run_number):
        return
    StepRun.objects.filter(job=job, position=review.position, run_number=review.run_number).update(
        output=review.output, finished_at=now
    )
    if review.decision != Decision.REJECT:
        _go_on(job, review, review.resume_at, now)
    else:
        _REJECTED[review.on_reject](job, review, now)
    refresh_values([(job.pk, job.workflow_id)])


def _go_on(job: Job, review: Review, position: int, now: datetime, **told: Any) -> None:
    Job.objects.filter(pk=job.pk).update(state=State.PENDING.value, due_at=now, wake_at=None, position=position)
    data = {"step": review.step_key, "decision": review.decision} | told
    _log(job, EventKind.ANSWERED, State.PENDING, review.decided_by, now, data)
    wake_on_commit(queue_id=job.queue_id, now=now)


def _stop(job: Job, review: Review, now: datetime, **told: Any) -> None:
    """Finish the job with what it has: behind its last step a worker has nothing left to do but that."""
    _go_on(job, review, Step.objects.filter(version_id=job.version_id).count(), now, **told)


def _fail(job: Job, review: Review, now: datetime) -> None:
    _fail_with(job, review, now, "Rejected", f"{review.decided_by} rejected it: {review.comment}")


def _fail_with(job: Job, review: Review, now: datetime, name: str, message: str) -> None:
    Job.objects.filter(pk=job.pk).update(
        state=State.FAILED.value, wake_at=None, finished_at=now, error_class=name, error_message=message
    )
    data = {"step": review.step_key, "error": name, "message": message[:500], "reason": "a reviewer said no"}
    _log(job, EventKind.FAILED, State.FAILED, review.decided_by, now, data)


def _hand_over(job: Job, review: Review, now: datetime) -> None:
    """Make a job of the other workflow with the same payload, and finish this one."""
    rejection = {
        "job": str(job.uid),
        "step": review.step_key,
        "reason": review.comment,
        "by": review.decided_by,
        "proposal": review.proposal,
    }
    request = NewJob(
        workflow=review.reject_workflow,
        payload={**job.payload, "rejection": rejection},
        priority=job.priority,
        correlation_id=job.correlation_id,
        traceparent=job.traceparent,
        parent_id=job.pk,
        source=f"job:{job.uid}",
    )
    try:
        made = submit_job(tenant_id=job.tenant_id, request=request, now=now)
    except SubmissionError as error:
        refused = f"It was rejected, and could not be handed to the workflow '{review.reject_workflow}': {error}"
        _fail_with(job, review, now, "HandoverRefused", refused)
        return
    _log(job, EventKind.SPAWNED, None, review.decided_by, now, {"jobs": [str(made.uid)]})
    _stop(job, review, now, workflow=review.reject_workflow)


def _log(job: Job, kind: EventKind, state: State | None, actor: str, now: datetime, data: dict[str, Any]) -> None:
    Event.objects.create(
        job=job,
        at=now,
        kind=kind.value,
        state=state.value if state else "",
        attempt=job.attempts,
        actor=actor[:100],
        data=data,
    )


_REJECTED: dict[str, Callable[[Job, Review, datetime], None]] = {
    "stop": lambda job, review, now: _stop(job, review, now),
    "fail": _fail,
    "workflow": _hand_over,
}
