"""The form of a review: one input a field, filled with the proposal; what was typed comes back as edits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobs.admin.columns import as_text
from jobs.models import Review
from jobs.templatetags.jobs_admin import plain
from workflows.domain.fields import FieldType, InputField, read_fields

LONG_TEXT = 80
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
    )


def _widget(field: InputField, value: Any) -> str:
    if field.type is FieldType.OBJECT or isinstance(value, dict):
        return ""
    if field.type is FieldType.LIST or isinstance(value, list):
        simple = value is None or (isinstance(value, list) and all(isinstance(item, str) for item in value))
        return "lines" if simple else ""
    if field.type in (FieldType.BOOLEAN, FieldType.CHOICE):
        return field.type.value
    if field.type in NUMBERS:
        return "number"
    return "long" if isinstance(value, str) and (len(value) > LONG_TEXT or "\n" in value) else "text"


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
