"""Reading samples out of what a person pastes or uploads: lines, JSON, or a table.

A column or key is a field's key or its label. One of an output field says what is expected, as does `expected.KEY`; in
JSON `{"input": {...}, "expected": {...}}` says the same, as in workflow files. `name` names the sample.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import BytesIO
from typing import IO, Any

from jobs.domain.intake.formats import BadFile, Format, Kind, find_delimiter
from jobs.domain.intake.mapping import convert, inputs_of
from jobs.domain.intake.tables import open_table
from taskflow.lib.strictjson import BadJSON, parse_json
from workflows.domain.extraction.dates import DateOrder
from workflows.domain.fields import FieldType, InputField, Role
from workflows.domain.samples import NewSample

LINES, JSON, TABLE, GUESS = "lines", "json", "table", "guess"
#: Where a workflow names no fields, a line goes here.
FREE_TEXT = "text"
EXPECTED = re.compile(r"expected[._ ](.+)", re.IGNORECASE | re.DOTALL)
MOST_ROWS = 1_000
LONGEST_PASTE = 5_000_000


class BadSamples(ValueError):
    """What was pasted or uploaded cannot be read; `problems` say where and why."""

    def __init__(self, *problems: str) -> None:
        self.problems = list(problems)
        super().__init__(" ".join(problems))


def read_pasted(text: str, fields: Sequence[InputField], how: str = GUESS) -> list[NewSample]:
    """Return the samples in pasted text, read as `how` says. Raises BadSamples."""
    if not text.strip():
        raise BadSamples("There is nothing to read: paste some text.")
    if len(text) > LONGEST_PASTE:
        raise BadSamples(f"That is more than {LONGEST_PASTE:,} characters: upload it as a file.")
    how = guess_form(text, fields) if how == GUESS else how
    if how == JSON:
        return _few(_json(text, fields))
    if how == TABLE:
        form = Format(Kind.CSV, "utf-8", find_delimiter(text))
        return read_table(BytesIO(text.encode("utf-8", "replace")), form, fields)
    return _few(_lines(text, fields))


def guess_form(text: str, fields: Sequence[InputField]) -> str:
    """Return how a text is meant: JSON by its first sign, a table by a heading that names fields, else lines."""
    start = text.lstrip()
    if start[:1] in ("{", "["):
        return JSON
    first = start.splitlines()[0]
    cells = [_plain(cell.strip(' "')) for cell in first.split(find_delimiter(text))]
    names = {_plain(name) for field in fields for name in (field.key, field.shown_label)}
    known = [cell in names or EXPECTED.fullmatch(cell) is not None for cell in cells]
    heading = all(known) if len(cells) == 1 else sum(known) * 2 >= len(cells)
    return TABLE if heading and len(start.splitlines()) > 1 else LINES


def read_table(file: IO[bytes], form: Format, fields: Sequence[InputField]) -> list[NewSample]:
    """Return the samples of an open list, one a row. Raises BadSamples."""
    try:
        table = open_table(file, form)
        reader = _Reader(fields, form.order, keep=form.kind is Kind.JSONL)
        strange = [column for column in table.columns if reader.place_of(column) is None]
        if len(strange) == len(table.columns):
            names = ", ".join(field.key for field in fields) or "none"
            raise BadSamples(f"None of the columns ({', '.join(strange)[:300]}) is a field. The fields are: {names}.")
        return _few(_table_rows(table.rows, reader))
    except BadFile as error:
        raise BadSamples(str(error)) from error


def _table_rows(rows: Iterable[Any], reader: "_Reader") -> Iterator[NewSample]:
    for row in rows:
        if row.fault:
            raise BadSamples(f"Row {row.number}: {row.fault}")
        yield reader.read(row.values, f"Row {row.number}")


def _few(samples: Iterable[NewSample]) -> list[NewSample]:
    found = []
    for sample in samples:
        found.append(sample)
        if len(found) > MOST_ROWS:
            raise BadSamples(f"There are more than {MOST_ROWS:,} samples: leave some out.")
    return found


def _lines(text: str, fields: Sequence[InputField]) -> Iterator[NewSample]:
    key = main_field(fields)
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield NewSample({key: line.strip()}, place=f"Line {number}")


def main_field(fields: Sequence[InputField]) -> str:
    """Return the key of the field that a line of text goes into. Raises BadSamples where no field takes text."""
    inputs = inputs_of(fields)
    texts = [field for field in inputs if field.type is FieldType.TEXT]
    if inputs and not texts:
        raise BadSamples("No field of this workflow takes a text, so lines cannot be read: paste JSON or a table.")
    required = [field for field in texts if field.required]
    return (required or texts)[0].key if texts else FREE_TEXT


def _json(text: str, fields: Sequence[InputField]) -> Iterator[NewSample]:
    reader = _Reader(fields, DateOrder.DAY_FIRST, keep=True)
    for place, value in _json_values(text):
        if not isinstance(value, dict):
            raise BadSamples(f"{place} is no JSON object.")
        yield reader.read(value, place)


def _json_values(text: str) -> Iterator[tuple[str, Any]]:
    try:
        whole = parse_json(text.strip().encode("utf-8", "replace"))
    except BadJSON as error:
        lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
        if len(lines) < 2 or not all(
            line.lstrip().startswith("{") and line.rstrip().endswith("}") for _, line in lines
        ):
            raise BadSamples(f"This is no JSON: {error.reason}") from error
        yield from (_json_line(number, line) for number, line in lines)
        return
    items = whole if isinstance(whole, list) else [whole]
    yield from ((f"Item {number}", item) for number, item in enumerate(items, start=1))


def _json_line(number: int, line: str) -> tuple[str, Any]:
    try:
        return f"Line {number}", parse_json(line.strip().encode("utf-8", "replace"))
    except BadJSON as error:
        raise BadSamples(f"Line {number} is no JSON: {error.reason}") from error


class _Reader:
    """Turns a row's values by column, or an object's by key, into a sample."""

    def __init__(self, fields: Sequence[InputField], order: DateOrder, *, keep: bool) -> None:
        self._order, self._keep = order, keep or not inputs_of(fields)
        self._fields = {field.key: field for field in fields}
        self._keys: dict[str, str] = {}
        for field in fields:
            for name in (field.key, field.shown_label):
                self._keys.setdefault(_plain(name), field.key)

    def place_of(self, column: str) -> tuple[str, str] | None:
        """Return whether a column is input, expected or the name, and its key; None where it is left out."""
        key = self._keys.get(_plain(column))
        if key is not None:
            return ("expected" if self._fields[key].role is Role.OUTPUT else "input"), key
        named = EXPECTED.fullmatch(column.strip())
        if named is not None:
            return "expected", self._keys.get(_plain(named[1]), named[1].strip())
        if _plain(column) == "name":
            return "name", "name"
        return ("input", column) if self._keep else None

    def read(self, values: Mapping[str, Any], place: str) -> NewSample:
        if isinstance(values.get("input"), dict) and set(values) <= {"input", "expected", "name"}:
            return self._as_in_files(values, place)
        found: dict[str, dict[str, Any]] = {"input": {}, "expected": {}, "name": {}}
        for column, value in values.items():
            where = self.place_of(column)
            if where is None or (value == "" and where[0] != "input"):
                continue
            part, key = where
            field = self._fields.get(key)
            typed = value if field is None else convert(value, field, self._order)
            if typed is not None:
                found[part][key] = typed
        name = str(found["name"].get("name", ""))
        return NewSample(found["input"], found["expected"] or None, name=name, place=place)

    def _as_in_files(self, values: Mapping[str, Any], place: str) -> NewSample:
        expected = values.get("expected")
        if expected is not None and not isinstance(expected, dict):
            raise BadSamples(f"{place}: expected must be an object with the fields of the result.")
        return NewSample(dict(values["input"]), expected or None, name=str(values.get("name") or ""), place=place)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower() if not EXPECTED.fullmatch(name) else name.lower()
