"""The builder as it is shown: what is live, the draft's steps in a list, and one part of it open to be edited."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib.messages import get_messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from tenants.admin.current import allowed, zone_of
from tenants.admin.frame import render_page
from tenants.domain.roles import Permission
from tenants.models import Tenant
from workflows.admin.builder_panels import panel_context
from workflows.admin.builder_state import Panel, Shown, look_at, step_rows
from workflows.admin.places import place_in_words
from workflows.admin.presence import HEARTBEAT
from workflows.domain.definition import Problem
from workflows.domain.drafts import DraftContent
from workflows.models import DraftChange, Workflow, WorkflowVersion
from workflows.queries import content_of, list_draft_changes

PANELS = ("overview", "settings", "fields", "add", "import")


@dataclass(frozen=True, slots=True)
class ShownProblem:
    """A problem with a link to its place: the number of its step (0 for none) or the part of the workflow."""

    step: int
    part: str
    words: str
    message: str


def panel_asked(request: HttpRequest) -> Panel:
    """Return the part that the address names."""
    step = request.GET.get("step", "")
    if step:
        return Panel("step", step)
    name = request.GET.get("panel", "")
    return Panel(name if name in PANELS else "overview")


def render_builder(request: HttpRequest, tenant: Tenant, workflow: Workflow, panel: Panel) -> HttpResponse:
    """Render the builder with one part open; only itself where htmx asks for it."""
    shown = look_at(workflow)
    may_edit = allowed(request, Permission.EDIT_WORKFLOWS, tenant.pk)
    may_manage = allowed(request, Permission.MANAGE_TENANT, tenant.pk)
    context = _frame(shown) | {"may_edit": may_edit, "may_manage": may_manage, "panel": panel, "heartbeat": HEARTBEAT}
    context |= panel_context(shown, panel)
    partly = is_partial(request)
    # A person without scripts sees the frame's messages; htmx takes only this part of the page.
    context["notes"] = list(get_messages(request)) if partly else []
    if partly:
        with timezone.override(zone_of(tenant)):
            response = render(request, "taskflow/parts/builder.html", context)
        address = _address(workflow, panel)
        response["HX-Push-Url"] = "false" if request.headers.get("HX-Current-URL", "").endswith(address) else address
    else:
        response = render_page(request, "builder", title=workflow.name, zone=zone_of(tenant), **context)
        if panel.failed:
            response.status_code = 409 if panel.conflict is not None else 400
    response["Vary"] = "HX-Request"
    response["Cache-Control"] = "no-store"
    return response


def is_partial(request: HttpRequest) -> bool:
    """Say whether htmx asks, which puts the answer in the place of the old builder."""
    return "HX-Request" in request.headers and "HX-History-Restore-Request" not in request.headers


def _address(workflow: Workflow, panel: Panel) -> str:
    query = {"step": panel.step} if panel.name == "step" else {"panel": panel.name}
    page = reverse("builder", args=[workflow.slug])
    return page if panel.name == "overview" else f"{page}?{urlencode(query)}"


def _frame(shown: Shown) -> dict[str, Any]:
    workflow, draft = shown.workflow, shown.draft
    changes = list_draft_changes(workflow)
    return {
        "workflow": workflow,
        "paragraphs": [" ".join(part.split()) for part in workflow.description.split("\n\n") if part.strip()],
        "live": workflow.live_version,
        "draft": draft,
        "revision": shown.revision,
        "changes": changes,
        "same": _same_as_live(shown),
        "undoable": _undoable(draft, changes),
        "rows": step_rows(shown),
        "fields": shown.content.fields,
        "mistakes": [_shown_problem(one, shown.content) for one in shown.findings.mistakes],
        "warnings": [_shown_problem(one, shown.content) for one in shown.findings.warnings],
        "fields_wrong": sum(one.place.startswith("fields.") for one in shown.findings.mistakes),
    }


def _shown_problem(problem: Problem, content: DraftContent) -> ShownProblem:
    part, *rest = problem.place.split(".")
    if part == "steps" and rest:
        index = int(rest[0])
        words = place_in_words(content.steps[index].kind, ".".join(rest[1:])) if rest[1:] else ""
        return ShownProblem(index + 1, part, words, problem.message)
    return ShownProblem(0, part, ".".join(rest), problem.message)


def _same_as_live(shown: Shown) -> bool:
    live = shown.workflow.live_version
    if live is None or shown.draft is None:
        return live is not None
    published, draft = content_of(live), shown.content
    steps = tuple(step for step in draft.steps if step.enabled)
    same = (published.fields, published.timeout, published.steps) == (draft.fields, draft.timeout, steps)
    return same and published.retry_policy == draft.retry_policy


def _undoable(draft: WorkflowVersion | None, changes: Sequence[DraftChange]) -> DraftChange | None:
    last = changes[0] if changes else None
    fits = last is not None and draft is not None and last.revision == draft.revision and last.undo is not None
    return last if fits else None
