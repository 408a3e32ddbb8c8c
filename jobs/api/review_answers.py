"""What the review endpoints answer, and its shape for the OpenAPI document."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from jobs.api.answers import instant
from jobs.domain.reviews import Decision, ReviewState
from jobs.models import Review
from jobs.queries.labels import workflow_slug
from workflows.domain.fields import read_fields


class ReviewFieldAnswer(BaseModel):
    """A field that may be edited."""

    key: str
    label: str
    type: str
    required: bool
    choices: list[str]


class ReviewAnswer(BaseModel):
    """A question a job asks a person, and what was decided."""

    id: str
    state: ReviewState
    job: str
    workflow: str
    step: str
    run: int = Field(description="Counts the manual retries of the job.")
    title: str
    reason: str = Field(description="Why it is asked, where the step's rule says so.")
    proposal: dict[str, Any] = Field(description="The step's output as it was.")
    shown: dict[str, Any] = Field(description="What to judge it by.")
    fields: list[ReviewFieldAnswer]
    options: list[Decision]
    role: str
    assignee: str
    claimed_by: str | None
    claimed_until: datetime | None
    due_at: datetime | None
    overdue: bool
    escalated_at: datetime | None
    on_reject: Literal["stop", "fail", "workflow"]
    decision: Decision | None
    output: dict[str, Any] | None = Field(description="The step's output as it was decided.")
    comment: str
    decided_by: str | None
    decided_at: datetime | None
    applies_at: datetime | None = Field(description="Until when the decision can be undone.")
    seconds: float | None = Field(description="From opening to deciding, by whoever decided.")
    created_at: datetime


class ReviewPageAnswer(BaseModel):
    """A page of reviews, newest first. `next` is the address of the next page; null on the last one."""

    results: list[ReviewAnswer]
    next: str | None
    next_cursor: str | None


def review_answer(review: Review, *, now: datetime) -> dict[str, Any]:
    """Return a review as the API shows it."""
    claimed = review.state == ReviewState.OPEN and review.claimed_until is not None and review.claimed_until > now
    return {
        "id": str(review.uid),
        "state": review.state,
        "job": str(review.job.uid),
        "workflow": workflow_slug(review.workflow_id),
        "step": review.step_key,
        "run": review.run_number,
        "title": review.title,
        "reason": review.reason,
        "proposal": review.proposal,
        "shown": review.shown,
        "fields": [
            {
                "key": field.key,
                "label": field.shown_label,
                "type": field.type.value,
                "required": field.required,
                "choices": list(field.choices),
            }
            for field in read_fields(review.fields)
        ],
        "options": review.options,
        "role": review.role,
        "assignee": review.assignee,
        "claimed_by": review.claimed_by if claimed else None,
        "claimed_until": instant(review.claimed_until) if claimed else None,
        "due_at": instant(review.due_at),
        "overdue": review.is_overdue(now),
        "escalated_at": instant(review.escalated_at),
        "on_reject": review.on_reject,
        "decision": review.decision or None,
        "output": review.output,
        "comment": review.comment,
        "decided_by": review.decided_by or None,
        "decided_at": instant(review.decided_at),
        "applies_at": instant(review.wake_at) if review.is_pending else None,
        "seconds": review.seconds,
        "created_at": instant(review.created_at),
    }
