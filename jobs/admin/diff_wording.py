"""A diff of two versions in words, ready for the page."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from workflows.domain.diffing import Change, Diff, Path, StepDiff
from workflows.domain.wordwise import Piece
from workflows.kinds.registry import KINDS
from workflows.kinds.titles import field_titles, step_titles, workflow_titles
from workflows.models import Workflow, WorkflowVersion

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
        [_row(workflow_titles, change) for change in diff.workflow],
        [_row(field_titles, change) for change in diff.fields],
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


def _step(step: StepDiff) -> StepRow:
    kind = KINDS.get(step.kind)
    there = step.before_position if step.after_position is None else step.after_position
    came_or_went = {"added", "removed"} & set(step.marks)
    titles = partial(step_titles, step.kind)
    return StepRow(
        number=None if there is None else there + 1,
        name=step.name,
        key=step.key,
        kind=kind.title if kind else step.kind,
        marks=[(mark, TONES.get(mark, "wait")) for mark in step.marks],
        changes=[_row(titles, change) for change in step.changes],
        detail=told(dict(step.config), ("config",), titles) if came_or_went and step.config else "",
        idle=step.idle,
    )


Titles = Callable[[Path], list[str]]


def _row(titles: Titles, change: Change) -> ChangeRow:
    before, after, how = change.before, change.after, change.how
    if how in ("added", "removed") and isinstance(after if how == "added" else before, bool):
        # What is a yes or no is never absent: it was as it is by default.
        before, after, how = (not after, after, "changed") if how == "added" else (before, not before, "changed")
    texts = [told(value, change.path, titles) for value in (before, after)]
    if how == "reordered":
        texts = [" → ".join(change.before), " → ".join(change.after)]
    return ChangeRow(
        title=" · ".join(titles(change.path)) if change.path else "Order",
        how=how,
        before=texts[0],
        after=texts[1],
        words=change.pieces,
        items=isinstance(change.before, list),
        long=any(len(text) > LONG or "\n" in text for text in texts),
    )


def told(value: Any, path: Path, titles: Titles) -> str:
    """Write a value for people: yes and no, lists with commas, what has parts as lines under their titles."""
    if _is_plain(value):
        return _plain(value)[:MOST_TEXT]
    return "\n".join(_lines(value, path, titles))[:MOST_TEXT]


def _lines(value: Any, path: Path, titles: Titles) -> Iterator[str]:
    """Yield the lines of a record or of a list with records in it; what is further in stands further to the right."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(value, dict):
            inner_path = (*path, str(key))
            head = f"{(titles(inner_path) or [str(key)])[-1]}: "
        else:
            inner_path, head = path, "• "
        if _is_plain(inner):
            yield head + _plain(inner)
            continue
        lines = list(_lines(inner, inner_path, titles))
        first = lines.pop(0) if head == "• " and lines else ""
        yield (head + first).rstrip()
        yield from (f"  {line}" for line in lines)


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return not any(isinstance(item, (dict, list)) for item in value)
    return not isinstance(value, dict) or not value


def _plain(value: Any) -> str:
    if value is None or value in ("", [], {}):
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def place_in_words(workflow: Workflow, draft: WorkflowVersion, place: str) -> str:
    """Say for people where a mistake is: "Step 'Sort', Template" for "steps.2.config.template"."""
    parts = place.split(".")
    if len(parts) < 2 or not parts[1].isdigit():
        return " · ".join(workflow_titles(parts)) if place else ""
    index, rest = int(parts[1]), tuple(parts[2:])
    if parts[0] == "steps" and (step := draft.steps.order_by("position")[index : index + 1].first()):
        return " · ".join([f"Step '{step.name or step.key}'", *(step_titles(step.kind, rest) if rest else ())])
    if parts[0] == "samples" and (sample := workflow.samples.order_by("pk")[index : index + 1].first()):
        return " · ".join([f"Sample '{sample.name or index + 1}'", *rest[1:]])
    if parts[0] == "fields" and index < len(draft.fields):
        return " · ".join(["Field", *field_titles((str(draft.fields[index].get("key", index + 1)), *rest))])
    return place
