"""The form of a review: one input a field, filled with the proposal; what was typed comes back as edits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobs.admin.columns import as_text
from jobs.models import Review
from jobs.templatetags.jobs_admin import plain
from workflows.domain.fields import FieldType, InputField, read_fields

LONG_TEXT = 80
#: A list of objects is a table if it is no larger than this.
MOST_ROWS, MOST_COLUMNS = 200, 12
NUMBERS = (FieldType.INTEGER, FieldType.NUMBER)
PREFIX = "field-"


@dataclass(frozen=True, slots=True)
class Entry:
    """One field of the form. `text` is what its input holds, `widget` which input it has; empty: it is only shown."""

    field: InputField
    name: str
    widget: str
    text: str
    shown: str
    before: str
    changed: bool
    error: str = ""
    table: "Table | None" = None


@dataclass(frozen=True, slots=True)
class Table:
    """A list of objects: its columns, its rows as inputs (name, text) with one empty row more, and as texts to read."""

    columns: list[str]
    inputs: list[list[tuple[str, str]]]
    shown: list[list[str]]


def entries_of(
    review: Review, given: Mapping[str, str] | None = None, errors: Mapping[str, str] | None = None
) -> list[Entry]:
    """Return the fields that may be edited, with what was typed and what is wrong with it, if somebody tried."""
    decided = review.output if review.decision == "edit" and isinstance(review.output, dict) else review.proposal
    return [_entry(review, field, decided, given or {}, errors or {}) for field in read_fields(review.fields)]


def _entry(
    review: Review, field: InputField, decided: Mapping[str, Any], given: Mapping[str, str], errors: Mapping[str, str]
) -> Entry:
    before, value = review.proposal.get(field.key), decided.get(field.key)
    name = PREFIX + field.key
    return Entry(
        field=field,
        name=name,
        widget=_widget(field, before),
        text=given.get(name, input_text(before)),
        shown=as_text(value),
        before=as_text(before),
        changed=before != value,
        error=errors.get(field.key, ""),
        table=_table(name, before, value, given) if _is_table(before) else None,
    )


def _widget(field: InputField, value: Any) -> str:
    if field.type is FieldType.OBJECT or isinstance(value, dict):
        return ""
    if _is_table(value):
        return "table"
    if field.type is FieldType.LIST or isinstance(value, list):
        simple = value is None or (isinstance(value, list) and all(isinstance(item, str) for item in value))
        return "lines" if simple else ""
    if field.type in (FieldType.BOOLEAN, FieldType.CHOICE):
        return field.type.value
    if field.type in NUMBERS:
        return "number"
    return "long" if isinstance(value, str) and (len(value) > LONG_TEXT or "\n" in value) else "text"


def _is_table(value: Any) -> bool:
    """Say whether a value is a list of flat objects that fits a table."""
    if not isinstance(value, list) or not 0 < len(value) <= MOST_ROWS:
        return False
    flat = all(
        isinstance(row, dict) and not any(isinstance(cell, (dict, list)) for cell in row.values()) for row in value
    )
    return flat and len(_columns(value)) <= MOST_COLUMNS


def _columns(rows: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(key for row in rows for key in row))


def _table(name: str, before: list[dict[str, Any]], value: Any, given: Mapping[str, str]) -> Table:
    columns = _columns(before)
    inputs = [
        [
            (cell := f"{name}.{number}.{place}", given.get(cell, input_text(row.get(column))))
            for place, column in enumerate(columns)
        ]
        for number, row in enumerate([*before, {}])
    ]
    rows = value if _is_table(value) else []
    return Table(columns, inputs, [[as_text(row.get(column)) for column in columns] for row in rows])


def _read_table(name: str, before: list[dict[str, Any]], given: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the rows as they were typed; one that was emptied is gone, and cells keep the type of their column."""
    columns, rows = _columns(before), []
    for number, row in enumerate([*before, {}]):
        cells = [given.get(f"{name}.{number}.{place}", "").strip() for place, _ in enumerate(columns)]
        if not any(cells):
            continue
        kept = {
            column: text for column, text in zip(columns, cells, strict=True) if text != input_text(row.get(column))
        }
        rows.append(row | {column: _cell(before, column, text) for column, text in kept.items()})
    return rows


def _cell(before: list[dict[str, Any]], column: str, text: str) -> Any:
    if not text:
        return None
    values = [row[column] for row in before if row.get(column) is not None]
    if values and all(isinstance(value, bool) for value in values):
        return {"true": True, "false": False}.get(text.lower(), text)
    numeric = values and all(isinstance(value, (int, float)) for value in values)
    return _number(text) if numeric else text


def input_text(value: Any) -> str:
    """Return a value as its input holds it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "\n".join(map(str, value))
    return plain(str(value))


def read_edits(review: Review, given: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields whose input was changed, with their new values; what is no value of its type stays text."""
    edits = {}
    for field in read_fields(review.fields):
        text, before = given.get(PREFIX + field.key), review.proposal.get(field.key)
        if _is_table(before):
            if (
                f"{PREFIX}{field.key}.0.0" in given
                and (rows := _read_table(PREFIX + field.key, before, given)) != before
            ):
                edits[field.key] = rows
            continue
        if text is None or not _widget(field, before):
            continue
        text = text.replace("\r\n", "\n").strip()
        if text != input_text(before).replace("\r\n", "\n").strip():
            edits[field.key] = _value(field, text)
    return edits


def _value(field: InputField, text: str) -> Any:
    if field.type is FieldType.LIST:
        return [line.strip() for line in text.splitlines() if line.strip()]
    if not text:
        return None
    if field.type in NUMBERS:
        return _number(text)
    if field.type is FieldType.BOOLEAN:
        return {"true": True, "false": False}.get(text, text)
    return text


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text.replace(" ", ""))
        except ValueError:
            continue
    return text
