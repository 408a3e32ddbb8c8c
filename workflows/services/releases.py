"""Which version new jobs run: the live one, the next one for a share of them, and the way back to an older one."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from taskflow.lib.db import in_transaction
from workflows.domain.drafts import DraftContent
from workflows.models import Release, Step, Workflow, WorkflowVersion
from workflows.queries import content_of
from workflows.services.draft_edits import Edit, Edited, edit_draft

if TYPE_CHECKING:
    from django.contrib.auth.models import User

EVERYBODY = 100
SHARES = (5, 25, 50, EVERYBODY)


class NoSuchVersion(ValueError):
    """The workflow has no published version of this number."""


class NothingReleased(ValueError):
    """No release goes on, or not the one that is meant."""


class CannotUndo(ValueError):
    """Something else was chosen since."""


def point(
    workflow: Workflow,
    kind: Release.Kind,
    version: WorkflowVersion,
    share: int,
    *,
    now: datetime,
    user: "User | None" = None,
    actor: str = "",
    reason: str = "",
) -> Release:
    """Let `share` percent of new jobs run `version`, and log it. The caller holds the workflow's row."""
    was = (workflow.live_version, workflow.next_version, workflow.next_share)
    if share >= EVERYBODY or workflow.live_version is None:
        workflow.live_version, workflow.next_version, workflow.next_share = version, None, 0
        share = EVERYBODY
    else:
        workflow.next_version, workflow.next_share = version, share
    return _store(workflow, kind, version, share, was, now=now, user=user, actor=actor, reason=reason)


Was = tuple[WorkflowVersion | None, WorkflowVersion | None, int]


def _store(
    workflow: Workflow,
    kind: Release.Kind,
    version: WorkflowVersion | None,
    share: int,
    was: Was,
    *,
    now: datetime,
    user: "User | None",
    actor: str = "",
    reason: str = "",
) -> Release:
    workflow.save(update_fields=["live_version", "next_version", "next_share"])
    live, coming, was_share = was
    return Release.objects.create(
        workflow=workflow,
        kind=kind,
        version=version,
        share=share,
        was_live=live,
        was_next=coming,
        was_share=was_share,
        at=now,
        by=user,
        actor=actor[:100],
        reason=reason[:500],
    )


def set_share(*, workflow: Workflow, share: int, now: datetime, user: "User | None" = None, actor: str = "") -> Release:
    """Let `share` percent of new jobs run the version that is being released; 100 makes it the live one.

    Raises NothingReleased, and ValueError for no such share.
    """
    if share not in SHARES:
        raise ValueError(f"A release goes to {', '.join(map(str, SHARES))} percent of new jobs, not to {share}.")

    def work(row: Workflow) -> Release:
        if row.next_version is None:
            raise NothingReleased("No version is being released to a share of the jobs.")
        return point(row, Release.Kind.SHARED, row.next_version, share, now=now, user=user, actor=actor)

    return _locked(workflow, work)


def end_release(*, workflow: Workflow, now: datetime, user: "User | None" = None, actor: str = "") -> Release:
    """Let all new jobs run the live version again. Raises NothingReleased."""

    def work(row: Workflow) -> Release:
        if row.next_version is None:
            raise NothingReleased("No version is being released to a share of the jobs.")
        was = (row.live_version, row.next_version, row.next_share)
        row.next_version, row.next_share = None, 0
        return _store(row, Release.Kind.ENDED, row.live_version, EVERYBODY, was, now=now, user=user, actor=actor)

    return _locked(workflow, work)


def roll_back(
    *,
    workflow: Workflow,
    number: int,
    now: datetime,
    user: "User | None" = None,
    actor: str = "",
    reason: str = "",
) -> Release:
    """Let all new jobs run the published version `number`; a release that goes on ends. Raises NoSuchVersion."""

    def work(row: Workflow) -> Release:
        version = get_version(row, number)
        kind = Release.Kind.ROLLED_BACK
        return point(row, kind, version, EVERYBODY, now=now, user=user, actor=actor, reason=reason)

    return _locked(workflow, work)


def undo_release(*, workflow: Workflow, release_id: int, now: datetime, user: "User | None" = None) -> Release:
    """Go back to what new jobs ran before the line `release_id`, if it is the last. Raises CannotUndo."""

    def work(row: Workflow) -> Release:
        last = row.releases.select_related("was_live", "was_next").last()
        if last is None or last.pk != release_id:
            raise CannotUndo("Something else was chosen since; look at what new jobs run now.")
        if last.kind == Release.Kind.UNDONE or last.was_live is None:
            raise CannotUndo("There is nothing to go back to.")
        was = (row.live_version, row.next_version, row.next_share)
        row.live_version, row.next_version, row.next_share = last.was_live, last.was_next, last.was_share
        share = last.was_share or EVERYBODY
        return _store(row, Release.Kind.UNDONE, last.was_next or last.was_live, share, was, now=now, user=user)

    return _locked(workflow, work)


def restore_draft(*, workflow: Workflow, number: int, now: datetime, user: "User | None" = None) -> Edited:
    """Make the draft say what the published version `number` says; the edit can be undone. Raises NoSuchVersion."""
    content = content_of(get_version(workflow, number))

    def make(_content: DraftContent, _workflow: Workflow) -> Edit:
        return Edit(content, f"Took over version {number}")

    return edit_draft(workflow=workflow, make=make, revision=0, by=user, now=now)


def get_version(workflow: Workflow, number: int) -> WorkflowVersion:
    """Return the published version of this number. Raises NoSuchVersion."""
    version = workflow.versions.filter(number=number).first()
    if version is None:
        raise NoSuchVersion(f"'{workflow.slug}' has no version {number}.")
    return version


def copy_step(step: Step, version: WorkflowVersion, position: int) -> Step:
    """Return a step that says the same, for another version; it is not stored yet."""
    return Step(
        version=version,
        position=position,
        key=step.key,
        name=step.name,
        kind=step.kind,
        config=step.config,
        on_error=step.on_error,
        timeout=step.timeout,
        retry=step.retry,
        review=step.review,
    )


def _locked(workflow: Workflow, work: Callable[[Workflow], Release]) -> Release:
    release = in_transaction(lambda: work(Workflow.objects.select_for_update().get(pk=workflow.pk)))
    workflow.refresh_from_db(fields=["live_version", "next_version", "next_share"])
    return release
