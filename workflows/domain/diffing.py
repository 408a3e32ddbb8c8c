"""What differs between two definitions of a workflow, told as people think of it: by steps, rows and words."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import chain
from typing import Any, Literal

from workflows.domain.definition import Definition
from workflows.domain.wordwise import Piece, pieces

How = Literal["added", "removed", "changed", "reordered"]
Path = tuple[str, ...]
#: By what a row of a list is known, whatever its place; the first that every row has, and no two the same.
ROW_KEYS = ("key", "name", "label", "field", "to", "path", "when", "value", "role", "channel")
#: Samples belong to the workflow and not to its versions; a slug never changes.
NOT_VERSIONED = frozenset({"slug", "samples", "steps", "fields"})
OF_A_STEP = frozenset({"key", "name", "enabled"})


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `path` leads to it by names; a row of a list stands in it by what it is known by.

    `pieces` tell two texts apart word by word, and two lists of plain values item by item.
    """

    path: Path
    how: How
    before: Any = None
    after: Any = None
    pieces: tuple[Piece, ...] = ()


@dataclass(frozen=True, slots=True)
class StepDiff:
    """What became of a step. `marks` are of: added, removed, moved, renamed, switched off, switched on, changed.

    Positions count from 0; None where the step is not there.
    """

    key: str
    name: str
    kind: str
    marks: tuple[str, ...]
    before_position: int | None
    after_position: int | None
    changes: tuple[Change, ...]
    config: Mapping[str, Any]

    @property
    def idle(self) -> bool:
        """Whether it is a step that a draft keeps switched off, of which a version knows nothing."""
        return self.before_position is None and "switched off" in self.marks


@dataclass(frozen=True, slots=True)
class Diff:
    """Everything that differs: of the workflow as a whole, of its fields, and of its steps in their order."""

    workflow: tuple[Change, ...] = ()
    fields: tuple[Change, ...] = ()
    steps: tuple[StepDiff, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether the two say the same."""
        return not (self.workflow or self.fields or self.steps)

    @property
    def changes_a_run(self) -> bool:
        """Whether a job could notice: steps that are switched off on both sides do not count."""
        return bool(self.workflow or self.fields or any(not step.idle for step in self.steps))


def diff(before: Definition, after: Definition) -> Diff:
    """Return what differs between two definitions, but for their samples, which belong to no version."""
    return diff_data(before.model_dump(mode="json"), after.model_dump(mode="json"))


def diff_data(before: Mapping[str, Any], after: Mapping[str, Any]) -> Diff:
    """Return what differs between two workflows as plain data in the form of a file, whether or not they could run."""
    old, new = (_without(NOT_VERSIONED, side) for side in (before, after))
    return Diff(
        tuple(compare(old, new)),
        tuple(compare(list(before.get("fields") or ()), list(after.get("fields") or ()))),
        tuple(_steps(list(before.get("steps") or ()), list(after.get("steps") or ()))),
    )


def _without(keys: frozenset[str], record: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key not in keys}


def compare(before: Any, after: Any, path: Path = ()) -> Iterator[Change]:
    """Yield the differences between two values of plain data, as deep as they can be told."""
    if _same(before, after):
        return
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _compare_records(before, after, path)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _compare_lists(before, after, path)
    else:
        told = pieces(before, after) if isinstance(before, str) and isinstance(after, str) else ()
        yield Change(path, "changed", before, after, told)


def _same(before: Any, after: Any) -> bool:
    """Say whether two values are the same, of the same kind: 1 is not true, 1.0 is 1, and null as good as absent."""
    return _text(before) == _text(after)


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, dict):
        told = sorted((key for key, inner in value.items() if inner is not None), key=str)
        return "{" + ",".join(f"{json.dumps(str(key))}:{_text(value[key])}" for key in told) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(_text, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _compare_records(before: dict[str, Any], after: dict[str, Any], path: Path) -> Iterator[Change]:
    for key in dict.fromkeys(chain(before, after)):
        inner = (*path, str(key))
        old, new = before.get(key), after.get(key)
        if _same(old, new):
            continue
        if old is None:
            yield Change(inner, "added", None, new)
        elif new is None:
            yield Change(inner, "removed", old, None)
        else:
            yield from compare(old, new, inner)


def _compare_lists(before: list[Any], after: list[Any], path: Path) -> Iterator[Change]:
    if not any(isinstance(item, dict) for item in chain(before, after)):
        yield Change(path, "changed", before, after, pieces(before, after))
        return
    key = _row_key(before, after)
    if key is None:
        yield from _compare_rows_by_place(before, after, path)
        return
    olds, news = ({str(row[key]): row for row in rows} for rows in (before, after))
    for name in dict.fromkeys(chain(olds, news)):
        yield from _compare_row(olds.get(name), news.get(name), (*path, name))
    common = [[name for name in side if name in olds and name in news] for side in (olds, news)]
    if common[0] != common[1]:
        yield Change(path, "reordered", common[0], common[1])


def _compare_row(before: Any, after: Any, path: Path) -> Iterator[Change]:
    if before is None:
        yield Change(path, "added", None, after)
    elif after is None:
        yield Change(path, "removed", before, None)
    else:
        yield from compare(before, after, path)


def _row_key(before: Sequence[Any], after: Sequence[Any]) -> str | None:
    for key in ROW_KEYS:
        if all(_are_known_by(key, rows) for rows in (before, after)):
            return key
    return None


def _are_known_by(key: str, rows: Sequence[Any]) -> bool:
    names = [row.get(key) if isinstance(row, dict) else None for row in rows]
    return all(isinstance(name, str) and name for name in names) and len(set(names)) == len(names)


def _compare_rows_by_place(before: list[Any], after: list[Any], path: Path) -> Iterator[Change]:
    """Compare rows that nothing names: those that stayed keep their places, what stands between them is compared."""
    matcher = SequenceMatcher(None, [*map(_text, before)], [*map(_text, after)], autojunk=False)
    for tag, i, j, k, m in matcher.get_opcodes():
        if tag == "equal":
            continue
        olds, news = before[i:j], after[k:m]
        shared = min(len(olds), len(news))
        for offset in range(shared):
            yield from _compare_row(olds[offset], news[offset], (*path, str(k + offset + 1)))
        for offset, row in enumerate(olds[shared:], start=i + shared + 1):
            yield Change((*path, str(offset)), "removed", row, None)
        for offset, row in enumerate(news[shared:], start=k + shared + 1):
            yield Change((*path, str(offset)), "added", None, row)


Placed = tuple[int, Mapping[str, Any]]


def _steps(before: list[Any], after: list[Any]) -> Iterator[StepDiff]:
    """Yield what became of the steps: those that are there in their order, each removed one where it stood."""
    pairs = _pairs(before, after)
    old_of = {new: old for old, new in pairs}
    moved = _moved(pairs)
    gone = [place for place in range(len(before)) if place not in {old for old, _ in pairs}]
    for place, step in enumerate(after):
        while gone and gone[0] <= min([old_of.get(later, len(before)) for later in range(place, len(after))]):
            yield _step_diff((gone[0], before[gone.pop(0)]), None, moved=False)
        old = old_of.get(place)
        found = _step_diff(None if old is None else (old, before[old]), (place, step), moved=place in moved)
        if found.marks:
            yield found
    for place in gone:
        yield _step_diff((place, before[place]), None, moved=False)


def _pairs(before: list[Any], after: list[Any]) -> list[tuple[int, int]]:
    """Return which step is which: by key, and where a key was changed, by doing the same."""
    places = {step.get("key"): place for place, step in enumerate(before)}
    found = {places[step.get("key")]: new for new, step in enumerate(after) if step.get("key") in places}
    for new, step in enumerate(after):
        if new in found.values():
            continue
        alike = (old for old, other in enumerate(before) if old not in found and _does(other) == _does(step))
        if (old := next(alike, None)) is not None:
            found[old] = new
    return sorted((old, new) for old, new in found.items())


def _does(step: Mapping[str, Any]) -> str:
    return _text([step.get("kind"), step.get("config")])


def _moved(pairs: list[tuple[int, int]]) -> set[int]:
    """Return the new places of the steps that must have been moved: as few as explain the new order."""
    news = [new for _, new in pairs]
    runs: list[list[int]] = []
    for index, new in enumerate(news):
        runs.append([*_longest([run for run in runs[:index] if run[-1] < new]), new])
    return set(news) - set(_longest(runs))


def _longest(runs: list[list[int]]) -> list[int]:
    return max(runs, key=lambda run: len(run), default=[])


def _step_diff(before: Placed | None, after: Placed | None, *, moved: bool) -> StepDiff:
    old, new = before[1] if before else {}, after[1] if after else {}
    shown = new or old
    changes: tuple[Change, ...] = ()
    if before and after:
        changes = (*_renaming(old, new), *compare(_without(OF_A_STEP, old), _without(OF_A_STEP, new)))
    return StepDiff(
        key=str(shown.get("key", "")),
        name=str(shown.get("name") or shown.get("key", "")),
        kind=str(shown.get("kind", "")),
        marks=tuple(_marks(old, new, changes, moved=moved)),
        before_position=before[0] if before else None,
        after_position=after[0] if after else None,
        changes=changes,
        config=shown.get("config") or {},
    )


def _renaming(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    for key in ("key", "name"):
        yield from compare(old.get(key) or "", new.get(key) or "", (key,))


def _marks(old: Mapping[str, Any], new: Mapping[str, Any], changes: Sequence[Change], *, moved: bool) -> Iterator[str]:
    if not old:
        yield "added"
    if not new:
        yield "removed"
    if moved:
        yield "moved"
    if any(change.path[0] in OF_A_STEP for change in changes):
        yield "renamed"
    was, now = (side.get("enabled", True) for side in (old, new))
    if new and not now and (was or not old):
        yield "switched off"
    if old and new and now and not was:
        yield "switched on"
    if any(change.path[0] not in OF_A_STEP for change in changes):
        yield "changed"
