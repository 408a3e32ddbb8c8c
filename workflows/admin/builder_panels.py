"""The parts of the builder that are open one at a time: a step, the fields, the settings, the kinds to add."""

from typing import Any

from django.http import QueryDict
from pydantic import BaseModel

from workflows.admin.builder_context import editor_context
from workflows.admin.builder_input import read_fields, read_loosely, read_settings
from workflows.admin.builder_state import Panel, Shown, step_rows
from workflows.admin.config_form import ConfigForm, EditorContext, PydanticForm
from workflows.admin.palette import ICONS, card_of, list_groups
from workflows.domain.definition import Problem
from workflows.domain.drafts import DraftStep, fingerprint, make_key
from workflows.domain.fields import FieldType, InputField, Role
from workflows.domain.retry import RetryPolicy
from workflows.domain.reviewing import ReviewRule
from workflows.kinds.registry import KINDS
from workflows.kinds.reviewing import NEVER_REVIEWED
from workflows.models import Workflow
from workflows.services.asking import lacks_language_model
from workflows.services.drafting import settings_part
from workflows.services.wording import changed_titles

#: What a review rule begins with when somebody is about to switch it on.
NO_REVIEW = {"confidence_below": 0.8}


def panel_context(shown: Shown, panel: Panel) -> dict[str, Any]:
    """Return what the template of the open part needs."""
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
        "lacks_model": lacks_language_model(step.kind, typed.config, shown.workflow.tenant_id),
        "chooses_finder": step.kind in KINDS and "by" in KINDS[step.kind].Config.model_fields,
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
