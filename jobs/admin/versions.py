"""The versions of a workflow: what each was, how its jobs fared, which of them new jobs run."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path

from jobs.admin.diff_wording import view_of
from jobs.admin.versions_act import act_view
from jobs.admin.versions_common import GateView, gate_view, get_workflow, undoable
from jobs.admin.versions_jobs import jobs_view
from jobs.admin.versions_publish import publish_view
from jobs.queries.versions import MOST_JOBS, Figures, Outcomes, count_not_begun, figures_of, outcomes_of
from taskflow.lib.clock import utcnow
from tenants.admin.current import allowed, needs, zone_of
from tenants.admin.frame import render_page
from tenants.domain.roles import Permission
from tenants.models import Tenant
from workflows.models import Release, Workflow, WorkflowVersion
from workflows.queries import DRAFT, find_version
from workflows.services.comparing import diff_versions
from workflows.services.releases import SHARES

PAGE = 20
MOST_LINES = 10
COUNT_LIMIT = 1_001


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One line of the list."""

    version: WorkflowVersion
    live: bool
    next: bool
    gate: GateView
    outcomes: Outcomes


@needs(Permission.VIEW_WORKFLOWS)
def versions_view(_page: Any, request: HttpRequest, tenant: Tenant, slug: str) -> HttpResponse:
    """Show the versions of a workflow, newest first, a release that goes on, and what was chosen lately."""
    workflow = get_workflow(tenant, slug)
    before = request.GET.get("before", "")
    published = workflow.versions.exclude(number=None).select_related("published_by").order_by("-number")
    if before.isdigit():
        published = published.filter(number__lt=int(before[:9]))
    versions = list(published[: PAGE + 1])
    draft = WorkflowVersion.objects.filter(draft_of=workflow).select_related("edited_by").first()
    live = workflow.live_version
    now = utcnow()
    return render_page(
        request,
        "versions",
        title=f"{workflow.name}: versions",
        zone=zone_of(tenant),
        workflow=workflow,
        draft=draft,
        draft_diff=view_of(diff_versions(live, draft)) if draft is not None else None,
        rows=[_row(workflow, version) for version in versions[:PAGE]],
        older=versions[PAGE - 1].number if len(versions) > PAGE else None,
        release=_release(workflow),
        lines=list(_lines(workflow)),
        undo=undoable(workflow, now=now),
        waiting=0 if live is None else count_not_begun(workflow, but=live, limit=COUNT_LIMIT),
        limit=COUNT_LIMIT,
        most_jobs=MOST_JOBS,
        may_edit=allowed(request, Permission.EDIT_WORKFLOWS, tenant.pk),
        may_act=allowed(request, Permission.ACT_ON_JOBS, tenant.pk),
    )


@needs(Permission.VIEW_WORKFLOWS)
def diff_view(_page: Any, request: HttpRequest, tenant: Tenant, slug: str) -> HttpResponse:
    """Show what differs between two versions, or a version and the draft."""
    workflow = get_workflow(tenant, slug)
    live = workflow.live_version
    before = _named(workflow, request.GET.get("from") or (str(live.number) if live else DRAFT))
    after = _named(workflow, request.GET.get("to") or DRAFT)
    numbers = workflow.versions.exclude(number=None).order_by("-number").values_list("number", flat=True)
    return render_page(
        request,
        "version_diff",
        title=f"{workflow.name}: differences",
        zone=zone_of(tenant),
        workflow=workflow,
        before=before,
        after=after,
        numbers=list(numbers[:200]),
        diff=view_of(diff_versions(before, after)),
    )


def _named(workflow: Workflow, name: str) -> WorkflowVersion:
    found = find_version(workflow, name)
    if found is None:
        raise Http404(f"{workflow.name} has no version '{name[:20]}'.")
    return found


def _row(workflow: Workflow, version: WorkflowVersion) -> VersionRow:
    return VersionRow(
        version,
        live=version.pk == workflow.live_version_id,
        next=version.pk == workflow.next_version_id,
        gate=gate_view(version),
        outcomes=outcomes_of(version.pk),
    )


@dataclass(frozen=True, slots=True)
class ReleaseView:
    """A release to a share of new jobs: both versions with how their jobs fared, and the shares it may be raised to."""

    sides: list[tuple[WorkflowVersion, int, Figures]]
    raises: list[int]


def _release(workflow: Workflow) -> ReleaseView | None:
    live, coming = workflow.live_version, workflow.next_version
    if live is None or coming is None:
        return None
    share = workflow.next_share
    sides = [(live, 100 - share, figures_of(live)), (coming, share, figures_of(coming))]
    return ReleaseView(sides, [more for more in SHARES if more > share])


def _lines(workflow: Workflow) -> list[Release]:
    return list(workflow.releases.select_related("version", "was_live", "by").order_by("-pk")[:MOST_LINES])


VIEWS: tuple[tuple[str, Any, str], ...] = (
    ("versions/", versions_view, "versions"),
    ("versions/diff/", diff_view, "version_diff"),
    ("versions/act/", act_view, "version_act"),
    ("versions/jobs/", jobs_view, "version_jobs"),
    ("publish/", publish_view, "publish"),
)
urlpatterns = [
    path(f"<slug:slug>/{route}", admin.site.admin_view(partial(view, None)), name=name) for route, view, name in VIEWS
]
