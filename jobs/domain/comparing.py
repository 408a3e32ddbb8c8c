"""What a draft changes: its output for one input beside the live version's, and beside what should come of it.

The same, within tolerance, are:
- numbers that differ by less than a millionth, and a number and the text that writes it (12.5 and "12.50");
- texts that differ in space only: at the ends, doubled, or as line breaks. Upper and lower case do differ;
- nothing, null, an empty text, an empty list and an empty object;
- lists with the same elements in the same order, and objects with the same values under the same keys.

Keys that only explain (reason, confidence, ...) are shown but never counted: models word them anew each time.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from workflows.domain.outcomes import Record

#: By how much numbers may differ, relative to the larger one.
TOLERANCE = 1e-6
_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d{1,3})?", re.ASCII)
_EXPLAINS = re.compile(r"(?:.*_)?(?:reason|reasons|reasoning|rationale|explanation|confidence|confidence_by)")


class Status(StrEnum):
    """What came of one item, and of one field. NEW: there is neither a live version nor an expectation."""

    SAME = "same"
    CHANGED = "changed"
    FIXED = "fixed"
    BROKEN = "broken"
    ERROR = "error"
    NEW = "new"


@dataclass(frozen=True, slots=True)
class Side:
    """What one version gave for an input: its record, or the error that ended it."""

    record: Record = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True, slots=True)
class FieldComparison:
    """One key of the outputs. `counts` is false where it only explains; `known` says that something is expected."""

    status: Status
    live: Any
    draft: Any
    expected: Any = None
    known: bool = False
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a draft does to one item. `right` says whether it gives what is expected; None where nothing is.

    `live_right` says the same of the live version.
    """

    status: Status
    fields: dict[str, FieldComparison]
    right: bool | None = None
    live_right: bool | None = None


def explains(key: str) -> bool:
    """Say whether a key only explains others, so that its value is no part of the result."""
    return _EXPLAINS.fullmatch(key) is not None


def is_empty(value: Any) -> bool:
    """Say whether a value is as good as none."""
    return value is None or (isinstance(value, (str, list, dict)) and (not value or not str(value).strip()))


def same(one: Any, other: Any) -> bool:
    """Say whether two values are the same within tolerance."""
    if is_empty(one) or is_empty(other):
        return is_empty(one) and is_empty(other)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return all(same(one.get(key), other.get(key)) for key in {*one, *other} if not explains(key))
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    numbers = _number(one), _number(other)
    if None not in numbers and not (isinstance(one, str) and isinstance(other, str)):
        return _close(*numbers)
    if isinstance(one, str) and isinstance(other, str):
        return " ".join(one.split()) == " ".join(other.split())
    return bool(one == other)


def _number(value: Any) -> Any:
    """Return the number that a value is or writes; None where it is none."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    return float(value) if isinstance(value, str) and _NUMBER.fullmatch(value.strip()) else None


def _close(one: Any, other: Any) -> bool:
    if isinstance(one, int) and isinstance(other, int):
        return one == other
    try:
        return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=1e-9) or one == other
    except OverflowError:
        return bool(one == other)


def compare(live: Side | None, draft: Side, expected: Record | None) -> Comparison:
    """Compare what a draft gives with the live version (None: there is none) and with what is expected (None: unknown).

    Of what is expected only its own keys count. An item is broken where any field is that the live version had right,
    else fixed where any is that it had wrong. Without a live version it is broken where the draft is wrong. A draft
    that fails counts as giving nothing.
    """
    fields = {key: _field(key, live, draft, expected) for key in _keys(live, draft, expected)}
    right, live_right = _right(draft, expected), None if live is None else _right(live, expected)
    return Comparison(_status(live, draft, fields, right, live_right), fields, right, live_right)


def _keys(live: Side | None, draft: Side, expected: Record | None) -> Iterator[str]:
    """Return every key once: first those that are expected."""
    yield from dict.fromkeys([*(expected or {}), *draft.record, *(live.record if live else {})])


def _field(key: str, live: Side | None, draft: Side, expected: Record | None) -> FieldComparison:
    before, after = None if live is None else live.record.get(key), draft.record.get(key)
    known = expected is not None and key in expected
    wanted = expected.get(key) if expected else None
    status = _field_status(live, before, after, wanted, known)
    return FieldComparison(status, before, after, wanted, known, counts=not explains(key))


def _field_status(live: Side | None, before: Any, after: Any, wanted: Any, known: bool) -> Status:
    if live is None:
        if not known:
            return Status.NEW
        return Status.SAME if same(after, wanted) else Status.BROKEN
    if known:
        was, now = not live.error and same(before, wanted), same(after, wanted)
        if was != now:
            return Status.FIXED if now else Status.BROKEN
    return Status.SAME if same(before, after) else Status.CHANGED


def _right(side: Side, expected: Record | None) -> bool | None:
    if expected is None:
        return None
    return not side.error and all(same(side.record.get(key), expected[key]) for key in expected if not explains(key))


def _status(
    live: Side | None,
    draft: Side,
    fields: Mapping[str, FieldComparison],
    right: bool | None,
    live_right: bool | None,
) -> Status:
    if draft.error:
        was_right = right is not None if live is None else live_right
        return Status.BROKEN if was_right else Status.ERROR
    counted = {each.status for each in fields.values() if each.counts}
    if live is not None and live.error:
        return Status.FIXED if right else Status.CHANGED
    order = (Status.BROKEN, Status.FIXED, Status.CHANGED, Status.NEW)
    if live is None and right is not None:
        return Status.SAME if right else Status.BROKEN
    return next((status for status in order if status in counted), Status.NEW if live is None else Status.SAME)
