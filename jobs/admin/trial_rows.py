"""The rows of a test run's page: what went in, what both versions gave, and what differs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobs.admin.columns import as_text
from jobs.admin.trial_parts import as_json, in_short
from jobs.domain.comparing import Status, explains
from jobs.domain.would import would_words
from jobs.models import TrialItem
from jobs.queries.trials import source_job_uid
from jobs.services.judging import compare_again
from workflows.domain.fields import InputField

LONGEST_CELL = 400
TONES = {
    Status.SAME: ("", "check", "Same"),
    Status.CHANGED: ("running", "edit", "Changed"),
    Status.FIXED: ("succeeded", "build", "Fixed"),
    Status.BROKEN: ("failed", "heart_broken", "Broken"),
    Status.ERROR: ("failed", "error", "Error"),
    Status.NEW: ("", "fiber_new", "New"),
}


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One field of a row: what each side says; `tone` colours what the draft says."""

    label: str
    live: str
    draft: str
    expected: str
    status: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class StepRow:
    """How one step went in both versions."""

    name: str
    kind: str
    live: Mapping[str, Any] | None
    draft: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class ItemRow:
    """One row of the page."""

    item: TrialItem
    title: str
    tone: str
    icon: str
    word: str
    input: str
    input_json: str
    job: str
    fields: list[FieldRow]
    rest: list[FieldRow]
    notes: list[FieldRow]
    live_error: str
    draft_error: str
    would: list[tuple[str, str]]
    asks: list[tuple[str, str]]
    steps: list[StepRow]
    reused: bool
    wrong: str


def item_row(item: TrialItem, fields: Sequence[InputField]) -> ItemRow:
    """Return how an item that was run is shown."""
    live, draft = item.live or {}, item.draft or {}
    told = {field["key"]: field for field in item.fields or ()}
    shown = _field_rows(item, told, fields)
    # Where nothing is live yet, there is nothing to compare with: what the draft gives is what is to be seen.
    alone = {key for _, key in shown if key not in told and not item.live and not explains(key)}
    tone, icon, word = TONES[Status(item.status)]
    uid = source_job_uid(item.origin)
    return ItemRow(
        item=item,
        title=item.name or f"Row {item.position + 1}",
        tone=tone,
        icon=icon,
        word=word,
        input=in_short(item.input, fields),
        input_json=as_json(item.input),
        job="" if uid is None else str(uid),
        fields=[row for row, key in shown if key in alone or _matters(told.get(key))],
        rest=[row for row, key in shown if key not in told and key not in alone],
        notes=[row for row, key in shown if key in told and not _matters(told[key])],
        live_error=live.get("error", ""),
        draft_error=draft.get("error", ""),
        would=_both(_woulds(live), _woulds(draft)),
        asks=_both(live.get("asks", []), draft.get("asks", [])),
        steps=_steps(live, draft),
        reused=any(step.get("reused") for step in draft.get("steps", ())),
        wrong=_wrong(item),
    )


def _matters(told: Mapping[str, Any] | None) -> bool:
    return told is not None and told["counts"]


def _field_rows(
    item: TrialItem, told: Mapping[str, Mapping[str, Any]], fields: Sequence[InputField]
) -> list[tuple[FieldRow, str]]:
    labels = {field.key: field.shown_label for field in fields}
    live, draft = (item.live or {}).get("record", {}), (item.draft or {}).get("record", {})
    expected = item.expected or {}
    keys = [key for key in dict.fromkeys([*told, *draft, *live]) if not key.startswith("would_")]
    rows = []
    for key in keys:
        status = told[key]["status"] if key in told else "same"
        tone = {"changed": "changed", "fixed": "good", "broken": "bad"}.get(status, "") if key in told else ""
        row = FieldRow(
            label=labels.get(key, key),
            live=_cell(live, key) if item.live is not None else "",
            draft=_cell(draft, key),
            expected=_cell(expected, key) if key in expected else "",
            status=status,
            tone="" if explains(key) else tone,
        )
        rows.append((row, key))
    return rows


def _cell(record: Mapping[str, Any], key: str) -> str:
    return as_text(record.get(key))[:LONGEST_CELL]


def _woulds(side: Mapping[str, Any]) -> list[str]:
    return [words for step in side.get("steps", ()) if (words := would_words(step.get("would")))]


def _both(live: Sequence[str], draft: Sequence[str]) -> list[tuple[str, str]]:
    """Return what is said of the versions as (of which, what): once where both say it."""
    if list(live) == list(draft):
        return [("both", words) for words in draft]
    return [*(("live", words) for words in live), *(("draft", words) for words in draft)]


def _steps(live: Mapping[str, Any], draft: Mapping[str, Any]) -> list[StepRow]:
    before = {step["key"]: step for step in live.get("steps", ())}
    after = {step["key"]: step for step in draft.get("steps", ())}
    return [
        StepRow(
            (after.get(key) or before[key])["name"],
            (after.get(key) or before[key])["kind"],
            before.get(key),
            after.get(key),
        )
        for key in dict.fromkeys([*after, *before])
    ]


def _wrong(item: TrialItem) -> str:
    """Say so where nothing changed, and both versions give something else than is expected."""
    if item.expected is None or item.status not in (Status.SAME, Status.CHANGED) or item.draft is None:
        return ""
    return "" if compare_again(item).right else "Neither version gives what is expected."
