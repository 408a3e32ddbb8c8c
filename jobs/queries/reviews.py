"""Finding reviews: a page of them by keyset, the next one in the inbox, and counts that stop early."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from jobs.domain.reviews import Reviewer, ReviewState
from jobs.models import Review
from tenants.domain.roles import Role, at_least
from workflows.models import Workflow

#: Counts stop here: "100+".
MOST_COUNTED = 100
OPEN = ReviewState.OPEN.value


@dataclass(frozen=True, slots=True)
class ReviewFilter:
    """What a list of reviews is narrowed to; all of it must hold. `mine` is a name: what is for it or held by it."""

    states: tuple[str, ...] = (OPEN,)
    workflow_id: int | None = None
    job_uid: UUID | None = None
    role: str = ""
    mine: str = ""
    overdue_at: datetime | None = None

    def condition(self) -> Q:
        """Return the condition besides the state."""
        wanted = Q()
        if self.workflow_id is not None:
            wanted &= Q(workflow_id=self.workflow_id)
        if self.job_uid is not None:
            wanted &= Q(job__uid=self.job_uid)
        if self.role:
            wanted &= Q(role=self.role)
        if self.mine:
            wanted &= Q(assignee=self.mine) | Q(claimed_by=self.mine) | Q(decided_by=self.mine)
        if self.overdue_at is not None:
            wanted &= Q(state=OPEN, due_at__lte=self.overdue_at)
        return wanted


def find_review(tenant_id: int, uid: UUID) -> Review | None:
    """Return the tenant's review with this uid, its job with it, or None."""
    found: Review | None = Review.objects.for_tenant(tenant_id).select_related("job").filter(uid=uid).first()
    return found


def list_reviews(tenant_id: int, wanted: ReviewFilter, *, before: int | None, size: int) -> list[Review]:
    """Return up to `size` reviews, newest first, those behind the row `before`.

    Each state is read from its own stretch of the index and merged: together the database would sort all of them.
    """
    found: list[Review] = []
    for state in wanted.states:
        rows = Review.objects.for_tenant(tenant_id).filter(wanted.condition(), state=state)
        if before is not None:
            rows = rows.filter(pk__lt=before)
        found += rows.select_related("job").order_by("-pk")[:size]
    return sorted(found, key=lambda review: -review.pk)[:size]


def inbox(tenant_id: int, who: Reviewer, *, workflow_id: int | None = None, mine: bool = False) -> QuerySet[Review]:
    """Return the open reviews that `who` may answer, oldest first."""
    rows: QuerySet[Review] = Review.objects.for_tenant(tenant_id).filter(state=OPEN)
    if workflow_id is not None:
        rows = rows.filter(workflow_id=workflow_id)
    if who.role is not Role.OWNER:
        roles = [role.value for role in Role if at_least(who.role, role)]
        rows = rows.filter(Q(assignee=who.name) | Q(assignee="", role__in=roles))
    if mine:
        rows = rows.filter(Q(assignee=who.name) | Q(claimed_by=who.name))
    return rows.order_by("pk")


def count_up_to(rows: QuerySet[Review], most: int = MOST_COUNTED) -> int:
    """Return how many rows there are, `most` if there are as many or more."""
    return len(rows.values_list("pk", flat=True)[:most])


def not_taken(rows: QuerySet[Review], who: Reviewer, now: datetime) -> QuerySet[Review]:
    """Leave out the reviews that somebody else is at."""
    return rows.exclude(~Q(claimed_by__in=["", who.name]), claimed_until__gt=now)


def workflows_with_reviews(tenant_id: int) -> Sequence[tuple[str, str]]:
    """Return slug and plural label of the workflows that have open reviews, by label; at most fifty."""
    rows = Review.objects.for_tenant(tenant_id).filter(state=OPEN)
    ids = rows.order_by().values_list("workflow_id", flat=True).distinct()[:50]
    found = Workflow.objects.filter(pk__in=list(ids)).order_by("label_plural")
    return list(found.values_list("slug", "label_plural"))
