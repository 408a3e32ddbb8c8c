"""From a step's question to the review that will be stored; runs on a step thread and touches no row."""

from datetime import timedelta

from jobs.domain import transitions
from jobs.domain.reviews import NewReview
from jobs.domain.transitions import Transition
from taskflow.lib.clock import utcnow
from taskflow.lib.ids import new_uid
from workflows.domain.reviewing import Question

LONGEST_TITLE = 500
LONGEST_REASON = 1000


def new_review(
    question: Question, *, step_key: str, position: int, resume_at: int, proposal_json: str, shown_json: str
) -> NewReview:
    """Return the review that asks `question` about the step at `position`."""
    terms = question.assignment
    return NewReview(
        uid=new_uid(),
        position=position,
        step_key=step_key,
        resume_at=resume_at,
        title=_one_line(question.title)[:LONGEST_TITLE],
        reason=_one_line(question.reason)[:LONGEST_REASON],
        proposal_json=proposal_json,
        fields=[field.model_dump(mode="json", exclude_defaults=True) for field in question.fields],
        shown_json=shown_json,
        stamp=question.stamp,
        role=terms.assign_to_role,
        assignee=terms.assign_to,
        due_at=None if terms.due_in is None else utcnow() + timedelta(seconds=terms.due_in),
        escalate_role=terms.escalate_to or "",
        on_reject=terms.on_reject,
        reject_workflow=terms.reject_workflow or "",
    )


def waiting_for(review: NewReview) -> Transition:
    """Return the transition of a job that asks `review`."""
    due = review.due_at.isoformat() if review.due_at else None
    told = {"review": str(review.uid), "step": review.step_key, "role": review.role, "due": due}
    return transitions.waiting(reason=review.title, until=None, **told)


def waiting_for_children(count: int, *, step: str) -> Transition:
    """Return the transition of a job that waits until its sub-jobs are final."""
    jobs = "its sub-job is" if count == 1 else f"its {count} sub-jobs are"
    return transitions.waiting(reason=f"it goes on when {jobs} final", until=None, step=step, children=count)


def _one_line(text: str) -> str:
    return " ".join(text.split())
