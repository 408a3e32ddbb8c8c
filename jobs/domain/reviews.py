"""The life of a review: a question a job asks a person, what may be decided, and what that makes of the job."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from tenants.domain.roles import Role, at_least

#: How long a claim keeps others out without a sign of life.
CLAIM = timedelta(minutes=2)
LONGEST_COMMENT = 5000


class ReviewState(StrEnum):
    """Where a review stands. A decided one may be undone until it is applied."""

    OPEN = "open"
    DECIDED = "decided"
    CANCELLED = "cancelled"


class Decision(StrEnum):
    """What a person said."""

    APPROVE = "approve"
    EDIT = "edit"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class NewReview:
    """A review to create with the job's transition to WAITING.

    `resume_at` is the position the job goes on at; `fields` are those that may be edited, in the form a version stores.
    Proposal and what is shown are JSON text, as they were made and measured where the step ran.
    """

    uid: UUID
    position: int
    step_key: str
    resume_at: int
    title: str
    reason: str
    proposal_json: str
    fields: list[dict[str, Any]]
    shown_json: str
    stamp: Mapping[str, Any]
    role: str
    assignee: str
    due_at: datetime | None
    escalate_role: str
    on_reject: str
    reject_workflow: str


class ReviewError(Exception):
    """A review cannot be done what was asked. The message is for the person who asked."""


class TakenError(ReviewError):
    """Somebody else is at this review."""


class DecidedError(ReviewError):
    """The review is not open any more."""


class NotUndoableError(ReviewError):
    """The decision took effect, or is somebody else's, or there is none."""


class NotYoursError(ReviewError):
    """The review is for somebody else."""


class EditError(ReviewError):
    """The decision does not fit; `problems` are (field, reason)."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{field}: {reason}" for field, reason in problems))


@dataclass(frozen=True, slots=True)
class Reviewer:
    """Who decides: under which name events record it, and with which role in the tenant."""

    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class Hold:
    """Who may answer a review, and who is at it until when."""

    role: str
    assignee: str = ""
    claimed_by: str = ""
    claimed_until: datetime | None = None

    def claimed_by_another(self, name: str, *, now: datetime) -> bool:
        """Say whether somebody else is at it."""
        return (
            bool(self.claimed_by)
            and self.claimed_by != name
            and self.claimed_until is not None
            and (self.claimed_until > now)
        )

    def refusal(self, who: Reviewer) -> str:
        """Return why `who` may not answer, or an empty text. An owner always may."""
        if who.role is Role.OWNER:
            return ""
        if self.assignee and self.assignee != who.name:
            return f"This review is for {self.assignee}."
        if not at_least(who.role, Role(self.role)):
            return f"This review is for the role {self.role} or a higher one."
        return ""


def output_after(
    decision: Decision, *, before: Mapping[str, Any], edits: Mapping[str, Any], stamp: Mapping[str, Any], comment: str
) -> dict[str, Any]:
    """Return the step's output as it was decided."""
    if decision is Decision.REJECT:
        return {"rejected": True, "reject_reason": comment}
    return {**before, **(edits if decision is Decision.EDIT else {}), **stamp}
