"""A diff of two versions in words, ready for the page."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from workflows.domain.diffing import Change, Diff, StepDiff
from workflows.domain.wordwise import Piece
from workflows.domain.yamlfile import dump_yaml
from workflows.kinds.registry import KINDS
from workflows.kinds.titles import field_titles, step_titles, workflow_titles

TONES = {"added": "good", "removed": "bad", "switched off": "bad", "switched on": "good", "changed": "run"}
#: Texts at least this long, and those of several lines, get a box of their own.
LONG = 60
MOST_TEXT = 20_000


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One difference: what it is about, and what was and is there. `words` tell the two texts apart."""

    title: str
    how: str
    before: str
    after: str
    words: tuple[Piece, ...]
    items: bool
    long: bool


@dataclass(frozen=True, slots=True)
class StepRow:
    """What became of a step. `detail` is what a step does that came or went."""

    number: int | None
    name: str
    key: str
    kind: str
    marks: list[tuple[str, str]]
    changes: list[ChangeRow]
    detail: str
    idle: bool


@dataclass(frozen=True, slots=True)
class DiffView:
    """A whole diff: groups of differences outside the steps, and the steps. `summary` says it in a line."""

    workflow: list[ChangeRow]
    fields: list[ChangeRow]
    steps: list[StepRow]
    summary: str
    changes_a_run: bool


def view_of(diff: Diff) -> DiffView:
    """Return a diff in words."""
    return DiffView(
        [_row(workflow_titles(change.path), change) for change in diff.workflow],
        [_row(_field_title(change), change) for change in diff.fields],
        [_step(step) for step in diff.steps],
        summary_of(diff),
        diff.changes_a_run,
    )


def summary_of(diff: Diff) -> str:
    """Say in a line how much differs: "2 steps changed, 1 added; 1 field changed"."""
    if diff.is_empty:
        return "No differences"
    steps = [step.marks[0] for step in diff.steps if step.marks]
    counts = [f"{steps.count(mark)} {mark}" for mark in dict.fromkeys(steps)]
    parts = [f"steps: {', '.join(counts)}"] if counts else []
    parts += [f"fields: {_counted(len(diff.fields))}"] if diff.fields else []
    parts += [f"the whole: {_counted(len(diff.workflow))}"] if diff.workflow else []
    text = "; ".join(parts)
    return text[:1].upper() + text[1:]


def _counted(count: int) -> str:
    return f"{count} change{'' if count == 1 else 's'}"


def _field_title(change: Change) -> list[str]:
    return field_titles(change.path) if change.path else ["Order of the fields"]


def _step(step: StepDiff) -> StepRow:
    kind = KINDS.get(step.kind)
    there = step.before_position if step.after_position is None else step.after_position
    came_or_went = {"added", "removed"} & set(step.marks)
    return StepRow(
        number=None if there is None else there + 1,
        name=step.name,
        key=step.key,
        kind=kind.title if kind else step.kind,
        marks=[(mark, TONES.get(mark, "wait")) for mark in step.marks],
        changes=[_row(step_titles(step.kind, change.path), change) for change in step.changes],
        detail=_yaml(step.config) if came_or_went and step.config else "",
        idle=step.idle,
    )


def _row(titles: Iterable[str], change: Change) -> ChangeRow:
    words = change.pieces
    before, after = shown(change.before), shown(change.after)
    if change.how == "reordered":
        before, after = " → ".join(change.before), " → ".join(change.after)
    return ChangeRow(
        title=" · ".join(titles) or "Value",
        how=change.how,
        before=before,
        after=after,
        words=words,
        items=isinstance(change.before, list),
        long=any(len(text) > LONG or "\n" in text for text in (before, after)),
    )


def shown(value: Any) -> str:
    """Write a value for people: yes and no, lists with commas, records as YAML."""
    if value is None or value in ("", []):
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value[:MOST_TEXT]
    if isinstance(value, (int, float)):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, list) and not any(isinstance(item, (dict, list)) for item in value):
        return ", ".join(map(shown, value))
    return _yaml(value)


def _yaml(value: Any) -> str:
    return dump_yaml(value).strip()[:MOST_TEXT]
