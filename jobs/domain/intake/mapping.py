"""Which column goes into which field, and what a row's values are as that field's type."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from taskflow.lib.strictjson import BadJSON, parse_json
from workflows.domain.extraction.dates import DateOrder, find_dates
from workflows.domain.fields import FieldType, InputField, Role

#: From a column's name to the key of a payload; a column that is not in it is left out.
ColumnMap = Mapping[str, str]
TRUE = frozenset({"true", "yes", "y", "1", "x", "on", "ja", "oui", "si", "sí"})
FALSE = frozenset({"false", "no", "n", "0", "off", "nein", "non"})
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:[,.'\u00a0 ]\d{3})+")


def inputs_of(fields: Sequence[InputField]) -> list[InputField]:
    """Return the fields that come in with a payload."""
    return [field for field in fields if field.role is Role.INPUT]


def guess_mapping(
    columns: Sequence[str], fields: Sequence[InputField], *, remembered: ColumnMap | None = None, keep: bool = False
) -> dict[str, str]:
    """Return where each column probably goes: as it did last time, else to the field of that key or label.

    Where the workflow names no fields, or `keep` is set, the other columns keep their own names as keys. A list of one
    column goes into the only field, whatever it is called.
    """
    known = inputs_of(fields)
    names = {_plain(name): field.key for field in known for name in (field.key, field.shown_label)}
    found: dict[str, str] = {}
    for column in columns:
        key = (remembered or {}).get(column) or names.get(_plain(column))
        if key and key not in found.values():
            found[column] = key
    if len(columns) == len(known) == 1:
        return found or {columns[0]: known[0].key}
    if keep or not known:
        found = {column: found.get(column) or column for column in columns}
    return found


def check_mapping(mapping: ColumnMap, columns: Sequence[str], fields: Sequence[InputField]) -> list[tuple[str, str]]:
    """Return what is wrong with a mapping, as (column or field, reason)."""
    problems = [(column, "There is no such column.") for column in mapping if column not in columns]
    keys = list(mapping.values())
    problems += [(key, "Two columns go into it.") for key in dict.fromkeys(keys) if keys.count(key) > 1]
    if not keys:
        problems.append(("", "No column goes into any field."))
    missing = [field for field in inputs_of(fields) if field.required and field.key not in keys]
    return problems + [(field.key, f"{field.shown_label} is required: say which column it is in.") for field in missing]


def make_payload(
    values: Mapping[str, Any], mapping: ColumnMap, fields: Mapping[str, InputField], order: DateOrder
) -> dict[str, Any]:
    """Return a row as a payload. A value that is not of its field's type stays as it is: the check will say so."""
    payload: dict[str, Any] = {}
    for column, key in mapping.items():
        if column not in values:
            continue
        field = fields.get(key)
        value = values[column] if field is None else convert(values[column], field, order)
        if value is not None:
            payload[key] = value
    return payload


def convert(value: Any, field: InputField, order: DateOrder) -> Any:
    """Return `value` as the field's type; None for an empty cell of any type but text; unchanged if it is none."""
    if field.type is FieldType.TEXT:
        return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value
    if not isinstance(value, str):
        return value
    text = value.strip()
    if not text:
        return None
    if field.type in (FieldType.INTEGER, FieldType.NUMBER):
        return _number(text, whole=field.type is FieldType.INTEGER)
    if field.type is FieldType.BOOLEAN:
        return True if text.lower() in TRUE else False if text.lower() in FALSE else text
    if field.type is FieldType.DATE:
        return _date(text, order)
    if field.type is FieldType.CHOICE:
        return next((choice for choice in field.choices if choice.lower() == text.lower()), text)
    if field.type in (FieldType.LIST, FieldType.OBJECT):
        return _nested(text, field.type)
    return text


def _number(text: str, *, whole: bool) -> Any:
    """Read 1234.5, 1,234.50, 1.234,50 and 1'234; a mark before three figures at the end parts thousands."""
    plain = text.replace("\u00a0", " ").rstrip("%").strip()
    if re.fullmatch(r"[-+]?\d+", plain):
        return int(plain) if len(plain) < 4_000 else text
    if _THOUSANDS.fullmatch(plain) and len(set(re.findall(r"[,.' ]", plain))) == 1 and not _decimal_point(plain):
        return int(re.sub(r"[,.' ]", "", plain))
    mark = max(plain.rfind(","), plain.rfind("."))
    head, tail = (plain[:mark], plain[mark + 1 :]) if mark >= 0 else (plain, "")
    head = re.sub(r"(?<=\d)[,.' ](?=\d{3}(?!\d))", "", head)
    try:
        number = float(f"{head or '0'}.{tail or '0'}" if mark >= 0 else plain)
    except ValueError:
        return text
    finite = number - number == 0
    return int(number) if whole and finite and number.is_integer() else number if finite else text


def _decimal_point(text: str) -> bool:
    """A single point before three figures is a decimal point: 1.234 is more often a figure than a thousand."""
    return text.count(".") == 1 and not re.search(r"[,' ]", text)


def _date(text: str, order: DateOrder) -> str:
    found = next(find_dates([text], order), None)
    if found is not None and found.printed == text.split("T")[0].split(" 00:00")[0]:
        return found.value.isoformat()
    return text


def _nested(text: str, kind: FieldType) -> Any:
    if text[0] in "[{":
        try:
            return parse_json(text.encode("utf-8", "replace"))
        except BadJSON:
            return text
    if kind is FieldType.OBJECT:
        return text
    return [part.strip() for part in text.split(";" if ";" in text else ",") if part.strip()]


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower()
