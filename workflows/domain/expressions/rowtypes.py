"""What a condition in rows is made of: tests of fields ("total / is more than / 100")."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Scalar = str | int | float | bool
_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*", re.ASCII)
#: Words that the language reads as its own, so that no key may be called so.
RESERVED = frozenset({"in", "true", "false", "null"})
_WHOLE = 2**63


class Relation(StrEnum):
    """What a row asks of its field."""

    IS = "is"
    IS_NOT = "is_not"
    CONTAINS = "contains"
    CONTAINS_NOT = "contains_not"
    STARTS = "starts"
    ENDS = "ends"
    ONE_OF = "one_of"
    NOT_ONE_OF = "not_one_of"
    INCLUDES = "includes"
    MORE = "more"
    AT_LEAST = "at_least"
    LESS = "less"
    AT_MOST = "at_most"
    EMPTY = "empty"
    NOT_EMPTY = "not_empty"
    NULL = "null"
    NOT_NULL = "not_null"
    TRUE = "true"
    FALSE = "false"


#: Tests with no value beside them, and those with several.
BARE = frozenset({Relation.EMPTY, Relation.NOT_EMPTY, Relation.NULL, Relation.NOT_NULL, Relation.TRUE, Relation.FALSE})
LISTS = frozenset({Relation.ONE_OF, Relation.NOT_ONE_OF})
ORDER = {Relation.MORE: ">", Relation.AT_LEAST: ">=", Relation.LESS: "<", Relation.AT_MOST: "<="}
#: Tests whose value may be another field.
OF_FIELDS = frozenset({Relation.IS, Relation.IS_NOT, *ORDER})
TEXTS = {Relation.CONTAINS: "contains", Relation.STARTS: "startsWith", Relation.ENDS: "endsWith"}
NEGATED = {
    Relation.CONTAINS_NOT: Relation.CONTAINS,
    Relation.NOT_ONE_OF: Relation.ONE_OF,
    Relation.EMPTY: Relation.NOT_EMPTY,
}


WORDS = {
    Relation.IS: "is",
    Relation.IS_NOT: "is not",
    Relation.CONTAINS: "contains",
    Relation.CONTAINS_NOT: "does not contain",
    Relation.STARTS: "starts with",
    Relation.ENDS: "ends with",
    Relation.ONE_OF: "is one of",
    Relation.NOT_ONE_OF: "is not one of",
    Relation.INCLUDES: "includes",
    Relation.MORE: "is more than",
    Relation.AT_LEAST: "is at least",
    Relation.LESS: "is less than",
    Relation.AT_MOST: "is at most",
    Relation.EMPTY: "is empty",
    Relation.NOT_EMPTY: "is not empty",
    Relation.NULL: "has no value",
    Relation.NOT_NULL: "has a value",
    Relation.TRUE: "is true",
    Relation.FALSE: "is false",
}


@dataclass(frozen=True, slots=True)
class OtherField:
    """A field that another is compared with."""

    field: str


@dataclass(frozen=True, slots=True)
class Row:
    """One test of one field. With `reads` texts are read as numbers first, as in "1,234.50", also another field's."""

    field: str
    test: Relation
    value: Scalar | tuple[Scalar, ...] | OtherField | None = None
    reads: bool = False

    def __post_init__(self) -> None:
        problem = _problem(self)
        if problem:
            raise ValueError(problem)


@dataclass(frozen=True, slots=True)
class Rows:
    """Tests of which all must hold, or any. None at all always hold."""

    rows: tuple[Row, ...] = ()
    join: Literal["all", "any"] = "all"

    def __post_init__(self) -> None:
        if len(self.rows) < 2:
            object.__setattr__(self, "join", "all")


def _problem(row: Row) -> str:
    other = row.value.field if isinstance(row.value, OtherField) else None
    for field in (row.field,) if other is None else (row.field, other):
        if not _PATH.fullmatch(field) or RESERVED.intersection(field.split(".")):
            return f"'{field}' is not the name of a field"
    return _problem_of_values(row) or ("" if _fits(row) else f"'{row.test}' does not go with {row.value!r}")


def _problem_of_values(row: Row) -> str:
    for value in row.value if isinstance(row.value, tuple) else (row.value,):
        if isinstance(value, OtherField):
            continue
        if isinstance(value, str):
            value.encode()  # half a character cannot stand in an expression
        elif value is not None and not (math.isfinite(value) and (isinstance(value, float) or abs(value) < _WHOLE)):
            return f"{value} is no number to compare with"
    return ""


def _fits(row: Row) -> bool:
    if row.reads and row.test not in ORDER:
        return False
    if isinstance(row.value, OtherField):
        return row.test in OF_FIELDS
    if row.test in LISTS:
        return isinstance(row.value, tuple) and bool(row.value)
    if row.test in BARE:
        return row.value is None
    if row.test in TEXTS or row.test is Relation.CONTAINS_NOT:
        return isinstance(row.value, str) and row.value == row.value.lower()
    if row.test in ORDER:
        return _fits_order(row)
    return isinstance(row.value, str | int | float) and not isinstance(row.value, bool)


def _fits_order(row: Row) -> bool:
    if isinstance(row.value, bool):
        return False
    return isinstance(row.value, int | float) or (isinstance(row.value, str) and not row.reads)


def in_words(rows: Rows, labels: Mapping[str, str]) -> str:
    """Return what the rows say, for people; `labels` are what they call the fields."""
    said = [_in_words(row, labels) for row in rows.rows]
    return (" and " if rows.join == "all" else " or ").join(said) or "always"


def _in_words(row: Row, labels: Mapping[str, str]) -> str:
    label = labels.get(row.field, row.field)
    if isinstance(row.value, OtherField):
        words = {Relation.IS: "is the same as", Relation.IS_NOT: "is not the same as"}.get(row.test, WORDS[row.test])
        return f"{label} {words} {labels.get(row.value.field, row.value.field)}"
    values = row.value if isinstance(row.value, tuple) else () if row.value is None else (row.value,)
    return " ".join(filter(None, (label, WORDS[row.test], ", ".join(map(str, values)))))
