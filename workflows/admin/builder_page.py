"""The builder as it is shown: what is live, the draft's steps in a list, and one part of it open to be edited."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.contrib.messages import get_messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from pydantic import BaseModel

from tenants.admin.current import allowed, zone_of
from tenants.admin.frame import render_page
from tenants.domain.roles import Permission
from tenants.models import Tenant
from workflows.admin.builder_context import editor_context
from workflows.admin.builder_input import read_fields, read_loosely, read_settings
from workflows.admin.config_form import ConfigForm, EditorContext, PydanticForm
from workflows.admin.palette import ICONS, KindCard, card_of, list_groups
from workflows.admin.places import place_in_words
from workflows.admin.presence import HEARTBEAT
from workflows.domain.definition import Problem
from workflows.domain.drafts import FIRST, DraftContent, DraftStep, fingerprint, make_key
from workflows.domain.fields import FieldType, InputField, Role
from workflows.domain.retry import RetryPolicy
from workflows.domain.reviewing import ReviewRule
from workflows.kinds.registry import KINDS
from workflows.kinds.reviewing import NEVER_REVIEWED
from workflows.models import DraftChange, Workflow, WorkflowVersion
from workflows.queries import content_of, get_draft, get_draft_content, list_draft_changes
from workflows.services.draft_edits import Conflict
from workflows.services.drafting import settings_part
from workflows.services.findings import Findings, find_problems
from workflows.services.wording import changed_titles

PANELS = ("overview", "settings", "fields", "add", "import")
#: Starting values of a retry policy and a review rule that somebody is about to switch on.
NO_REVIEW = {"confidence_below": 0.8}
STRUCTURAL = ("key", "name", "timeout", "on_error")


@dataclass(frozen=True, slots=True)
class StepRow:
    """A step in the list. `up` and `down` are the keys to put it behind, None at the end of the list."""

    step: DraftStep
    number: int
    card: KindCard
    opened: str
    mistakes: int
    warnings: int
    up: str | None
    down: str | None


@dataclass(frozen=True, slots=True)
class ShownProblem:
    """A problem with a link to its place: the number of its step (0 for none) or the part of the workflow."""

    step: int
    part: str
    words: str
    message: str


@dataclass(frozen=True, slots=True)
class Panel:
    """Which part is open, and, where saving it failed, what was typed and why."""

    name: str = "overview"
    step: str = ""
    posted: QueryDict | None = None
    errors: dict[str, str] = field(default_factory=dict)
    conflict: Conflict | None = None
    problems: tuple[Problem, ...] = ()

    @property
    def failed(self) -> bool:
        return self.conflict is not None or bool(self.errors) or bool(self.problems)


@dataclass(frozen=True, slots=True)
class Shown:
    """The draft as it is in the database now, and what was found in it."""

    workflow: Workflow
    draft: WorkflowVersion | None
    content: DraftContent
    findings: Findings

    @property
    def revision(self) -> int:
        return 0 if self.draft is None else self.draft.revision


def look_at(workflow: Workflow) -> Shown:
    """Return the draft of a workflow with what is wrong in it."""
    draft = get_draft(workflow)
    content = get_draft_content(workflow, draft)
    return Shown(workflow, draft, content, find_problems(workflow, content))


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
    context = _frame(shown) | {"may_edit": may_edit, "panel": panel, "heartbeat": HEARTBEAT}
    context |= _panel_context(shown, panel, may_edit)
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


def step_rows(shown: Shown) -> list[StepRow]:
    """Return the draft's steps as the list shows them."""
    mistakes = shown.findings.by_step(shown.findings.mistakes)
    warnings = shown.findings.by_step(shown.findings.warnings)
    keys = shown.content.keys
    return [
        StepRow(
            step=step,
            number=index + 1,
            card=card_of(step.kind),
            opened=fingerprint(step),
            mistakes=mistakes[index],
            warnings=warnings[index],
            up=None if index == 0 else FIRST if index == 1 else keys[index - 2],
            down=keys[index + 1] if index + 1 < len(keys) else None,
        )
        for index, step in enumerate(shown.content.steps)
    ]


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


def _panel_context(shown: Shown, panel: Panel, may_edit: bool) -> dict[str, Any]:
    if panel.name == "step":
        return _step_context(shown, panel)
    if panel.name == "fields":
        return _fields_context(shown, panel)
    if panel.name == "settings":
        return _settings_context(shown, panel)
    if panel.name == "add":
        return {"groups": list_groups()}
    return {}


def _step_context(shown: Shown, panel: Panel) -> dict[str, Any]:
    stored = shown.content.find(panel.step)
    if stored is None and panel.posted is None:
        return {"gone": True}
    step = stored or _typed_anew(panel)
    if step is None:
        return {"gone": True}
    index = shown.content.keys.index(step.key) if stored else len(shown.content.steps)
    problems = shown.findings.at(f"steps.{index}") if stored else {}
    typed, errors = (step, {}) if panel.posted is None else read_loosely(panel.posted, step)
    context = editor_context(shown.workflow, shown.content, step.key)
    return {
        "gone": False,
        "stored": stored,
        "step": typed,
        "typed_key": typed.key if panel.posted is None else panel.posted.get("key", ""),
        "typed_timeout": typed.timeout if panel.posted is None else panel.posted.get("timeout", ""),
        "key_is_made": _key_is_made(shown, typed),
        "opened": fingerprint(stored) if stored else "",
        "card": card_of(step.kind),
        "row": next((row for row in step_rows(shown) if row.step.key == step.key), None),
        "errors": problems | errors | panel.errors,
        "above": problems.get("", ""),
        "config_form": _config_form(step, problems, context, panel.posted),
        "retry_form": _part_form(RetryPolicy, typed.retry or {}, "retry", problems, context, panel.posted),
        "review_form": None
        if step.kind in NEVER_REVIEWED
        else _part_form(
            ReviewRule,
            typed.review or NO_REVIEW,
            "review",
            problems,
            editor_context(shown.workflow, shown.content, step.key, of_review=True),
            panel.posted,
        ),
        "theirs": changed_titles(stored, typed) if stored and panel.conflict else [],
    }


def _typed_anew(panel: Panel) -> DraftStep | None:
    """Return the step that somebody deleted while it was being edited, so that what was typed is not lost."""
    kind = "" if panel.posted is None else panel.posted.get("kind", "")
    return DraftStep(panel.step, panel.step, kind) if kind in KINDS else None


def _key_is_made(shown: Shown, step: DraftStep) -> bool:
    """Say whether the key still follows the name: nobody chose it, and no version that is live knows it."""
    live = shown.workflow.live_version
    known = live is not None and live.steps.filter(key=step.key).exists()
    return not known and step.key.startswith(make_key(step.name, step.kind))


def _config_form(
    step: DraftStep, problems: dict[str, str], context: EditorContext, posted: QueryDict | None
) -> ConfigForm | None:
    if step.kind not in KINDS:
        return None
    return ConfigForm(step.kind, step.config, context=context, posted=posted, problems=_below(problems, "config"))


def _part_form(
    model: type[BaseModel],
    data: Any,
    prefix: str,
    problems: dict[str, str],
    context: EditorContext,
    posted: QueryDict | None,
) -> PydanticForm:
    found = _below(problems, prefix)
    plain = data if isinstance(data, dict) else {}
    switched_on = posted is not None and posted.get(f"{prefix}_on")
    return PydanticForm(
        model, plain, context=context, posted=posted if switched_on else None, problems=found, prefix=prefix
    )


def _below(problems: dict[str, str], prefix: str) -> list[Problem]:
    start = f"{prefix}."
    return [Problem(place.removeprefix(start), text) for place, text in problems.items() if place.startswith(start)]


def _fields_context(shown: Shown, panel: Panel) -> dict[str, Any]:
    fields = list(shown.content.fields) if panel.posted is None else read_fields(panel.posted)
    wrong = {one.place: one.message for one in (*shown.findings.mistakes, *panel.problems)}
    return {
        "field_rows": [_field_row(field, index, wrong) for index, field in enumerate(fields)],
        "blank": _field_row({"key": ""}, "__index__", {}),
        "types": list(FieldType),
        "roles": list(Role),
        "opened": fingerprint(list(shown.content.fields)),
        "errors": {place: text for place, text in wrong.items() if place == "fields"},
    }


def _field_row(field: Any, index: object, wrong: dict[str, str]) -> dict[str, Any]:
    defaults = {name: info.default for name, info in InputField.model_fields.items() if not info.is_required()}
    values = defaults | dict(field)
    values["choices"] = "\n".join(map(str, values["choices"] or ()))
    place = f"fields.{index}"
    problems = {key.removeprefix(f"{place}."): text for key, text in wrong.items() if key.startswith(place + ".")}
    return values | {"place": place, "problems": problems, "problem": wrong.get(place, "")}


def _settings_context(shown: Shown, panel: Panel) -> dict[str, Any]:
    part = settings_part(shown.content, shown.workflow)
    values: dict[str, Any] = dict(part)
    if panel.posted is not None:
        typed = read_settings(panel.posted)
        values = typed.values | {"timeout": panel.posted.get("timeout", ""), "retry_policy": typed.retry_policy}
    queues = Workflow.objects.filter(tenant=shown.workflow.tenant_id).values_list("queue", flat=True)
    return {
        "settings": values,
        "icons": ICONS,
        "opened": fingerprint(part),
        "queues": sorted({"default", *queues}),
        "errors": panel.errors,
        "retry_form": _part_form(
            RetryPolicy,
            values["retry_policy"] or {},
            "retry",
            panel.errors,
            EditorContext(),
            panel.posted,
        ),
    }
