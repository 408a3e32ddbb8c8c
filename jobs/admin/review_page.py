"""What the page of one review shows: the input beside the proposed output, who is at it, and where to go next."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse

from jobs.admin.columns import as_text
from jobs.admin.review_form import Entry, entries_of
from jobs.domain.marking import Piece, marked
from jobs.domain.reviews import Reviewer, ReviewState
from jobs.models import Review, StepRun
from jobs.queries.reviews import count_up_to, inbox
from tenants.admin.access import access_of
from tenants.admin.current import actor_of
from tenants.domain.roles import Role
from workflows.domain.fields import read_fields
from workflows.domain.reviewing import VERDICT
from workflows.models import Workflow

LONG_TEXT = 80
MOST_TEXTS = 3
LONGEST_TEXT = 50_000


@dataclass(frozen=True, slots=True)
class InboxFilter:
    """What the inbox is narrowed to, as the address has it."""

    workflow: Workflow | None = None
    mine: bool = False

    def query(self, **changes: str) -> str:
        """Return the query string of this filter, with changes."""
        given = {"workflow": self.workflow.slug if self.workflow else "", "mine": "1" if self.mine else ""} | changes
        return urlencode({name: value for name, value in given.items() if value})

    def address(self, **changes: str) -> str:
        """Return the address of the inbox with this filter."""
        query = self.query(**changes)
        return reverse("admin:jobs_review_inbox") + (f"?{query}" if query else "")


@dataclass(frozen=True, slots=True)
class Document:
    """A long text of the input, in pieces, with the values of the output marked in it."""

    label: str
    pieces: list[Piece]
    cut: int


@dataclass(slots=True)
class Sheet:
    """One review as the page shows it."""

    review: Review
    entries: list[Entry]
    others: list[tuple[str, str]]
    facts: list[tuple[str, str]] = field(default_factory=list)
    documents: list[Document] = field(default_factory=list)
    editing: bool = False
    rejecting: bool = False


def reviewer_of(request: HttpRequest, tenant_id: int) -> Reviewer | None:
    """Return the person as a reviewer of the tenant; None for somebody without a role there."""
    access = access_of(request)
    role = Role.OWNER if access.superuser else access.roles.get(tenant_id)
    return None if role is None else Reviewer(actor_of(request), role)


def sheet_of(review: Review, given: Mapping[str, str] | None = None, errors: Mapping[str, str] | None = None) -> Sheet:
    """Return the review with its input: facts in a list, long texts with the proposed values marked."""
    entries = entries_of(review, given, errors)
    known = {entry.field.key for entry in entries}
    others = [
        (_label(key), as_text(value))
        for key, value in review.proposal.items()
        if key not in known and key not in VERDICT
    ]
    sheet = Sheet(review, entries, others)
    values = {entry.field.shown_label: review.proposal.get(entry.field.key) for entry in entries}
    values |= {_label(key): value for key, value in review.proposal.items() if key not in known and key not in VERDICT}
    values |= {_label(key): value for key, value in review.shown.items() if _label(key) not in values}
    _add_input(sheet, values)
    return sheet


def _add_input(sheet: Sheet, values: Mapping[str, Any]) -> None:
    """Add what the question shows, what came in, and the texts that steps before made of it."""
    review, labels = sheet.review, {}
    for known in read_fields(review.job.version.fields):
        labels[known.key] = known.shown_label
    seen: set[str] = set()
    for key, value in {**review.shown, **review.job.payload}.items():
        name = key.removeprefix("payload.")
        _add(sheet, labels.get(name, _label(name)), value, values, seen)
    runs = StepRun.objects.filter(job_id=review.job_id, position__lt=review.position).order_by("-position")
    for run in runs[:20]:
        for key, value in (run.output or {}).items():
            if _is_long(value):
                _add(sheet, _label(key), value, values, seen)


def _add(sheet: Sheet, label: str, value: Any, values: Mapping[str, Any], seen: set[str]) -> None:
    text = value if isinstance(value, str) else as_text(value)
    if label in seen or text in seen:
        return
    seen |= {label, text}
    if not _is_long(value):
        sheet.facts.append((label, as_text(value)))
    elif len(sheet.documents) < MOST_TEXTS:
        cut = max(len(text) - LONGEST_TEXT, 0)
        finds = {name: found for name, found in values.items() if found != value}
        sheet.documents.append(Document(label, marked(text[:LONGEST_TEXT], finds), cut))


def _is_long(value: Any) -> bool:
    return isinstance(value, str) and (len(value) > LONG_TEXT or "\n" in value.strip())


def _label(key: str) -> str:
    return key.rpartition(".")[2].replace("_", " ").capitalize()


def live_context(
    tenant_id: int, who: Reviewer, wanted: InboxFilter, review: Review | None, *, now: datetime
) -> dict[str, Any]:
    """Return what changes while somebody looks: counts, who is at the review, and a decision that can be undone."""
    rows = inbox(tenant_id, who, workflow_id=wanted.workflow.pk if wanted.workflow else None, mine=wanted.mine)
    pending = Review.objects.for_tenant(tenant_id).filter(
        state=ReviewState.DECIDED.value, wake_at__gt=now, decided_by=who.name
    )
    last = pending.order_by("-decided_at").first()
    return {
        "count": count_up_to(rows),
        "overdue": count_up_to(rows.filter(due_at__lte=now)),
        "place": None if review is None else count_up_to(rows.filter(pk__lte=review.pk)),
        "taken_by": review.claimed_by if review and review.hold.claimed_by_another(who.name, now=now) else "",
        "undoable": last,
        "undo_seconds": 0 if last is None else max(int((last.wake_at - now).total_seconds()), 0),
    }


def neighbours(
    tenant_id: int, who: Reviewer, wanted: InboxFilter, review: Review
) -> tuple[Review | None, Review | None]:
    """Return the reviews before and after this one in the inbox."""
    rows = inbox(tenant_id, who, workflow_id=wanted.workflow.pk if wanted.workflow else None, mine=wanted.mine)
    return rows.filter(pk__lt=review.pk).reverse().first(), rows.filter(pk__gt=review.pk).first()
