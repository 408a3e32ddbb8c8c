"""The rows of a list, one after the other: nothing of it is held but the row that is read."""

import csv
import io
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import islice
from typing import IO, Any

from jobs.domain.intake.formats import BadFile, Format, Kind
from taskflow.lib.strictjson import BadJSON, parse_json

MOST_COLUMNS = 1_000
LONGEST_CELL = 1_000_000
LONGEST_LINE = 2_000_000
#: How many lines of JSON are looked at for the names of columns.
LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class Row:
    """A row: its number in the file as a person counts, its values by column, and why it cannot be read, if so."""

    number: int
    values: dict[str, Any]
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A list that is open: its columns, and its rows."""

    columns: tuple[str, ...]
    rows: Iterator[Row]


def open_table(file: IO[bytes], form: Format) -> Table:
    """Return the columns and rows of `file`, which must be able to seek. Raises BadFile."""
    file.seek(0)
    if form.kind is Kind.JSONL:
        return Table(_json_columns(file, form), _json_rows(file, form))
    cells = _workbook(file) if form.kind is Kind.XLSX else _csv(file, form)
    try:
        first = next(cells, None)
    except UnicodeError as error:
        raise BadFile(f"The first row cannot be read: {error}.") from error
    if first is None:
        raise BadFile("The file has no rows.")
    if isinstance(first[1], str):
        raise BadFile(first[1])
    names = _names(first[1]) if form.header else tuple(f"Column {place}" for place in range(1, len(first[1]) + 1))
    if len(names) > MOST_COLUMNS:
        raise BadFile(f"The list has {len(names)} columns; {MOST_COLUMNS} at most are read.")
    return Table(names, _rows(names, cells if form.header else _before(first, cells)))


#: A row's number and its cells, or why it cannot be read.
Cells = Iterator[tuple[int, list[Any] | str]]


def _before(first: tuple[int, list[Any] | str], rest: Cells) -> Cells:
    yield first
    yield from rest


def _rows(names: tuple[str, ...], cells: Cells) -> Iterator[Row]:
    for number, found in cells:
        if isinstance(found, str):
            yield Row(number, {}, found)
            continue
        while len(found) > len(names) and found[-1] in ("", None):
            found.pop()
        values = dict(zip(names, found, strict=False))
        fault = f"It has {len(found)} cells, and the list {len(names)} columns." if len(found) > len(names) else ""
        yield Row(number, values, fault)


def _names(cells: Sequence[Any]) -> tuple[str, ...]:
    """Return a name for each column: what the heading says, made different where it says the same twice."""
    names: list[str] = []
    while cells and cells[-1] in ("", None):
        cells = cells[:-1]
    for place, cell in enumerate(cells, start=1):
        base = name = " ".join(str(plain_cell(cell)).split())[:200] or f"Column {place}"
        number = 1
        while name in names:
            number += 1
            name = f"{base} {number}"
        names.append(name)
    return tuple(names)


def _csv(file: IO[bytes], form: Format) -> Cells:
    # Python's own limit is one for the process, and lower than what a cell may hold here.
    csv.field_size_limit(LONGEST_CELL)
    text = io.TextIOWrapper(io.BufferedReader(_Unclosed(file)), encoding=form.encoding, errors="replace", newline="")
    reader = csv.reader(text, delimiter=form.delimiter)
    begin = 1
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            reason = f"A cell is longer than {LONGEST_CELL:,} characters: a quotation mark may not be closed."
            yield begin, reason
        else:
            if any(map(str.strip, row)) and not (begin == 1 and len(row) <= 2 and row[0].lower().startswith("sep=")):
                yield begin, list(row)
        begin = reader.line_num + 1


class _Unclosed(io.RawIOBase):
    """A file that stays open when the text around it is thrown away."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _workbook(file: IO[bytes]) -> Cells:
    from openpyxl import load_workbook

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
        sheet = next(sheet for sheet in book.worksheets if sheet.sheet_state == "visible")
    # Whatever the library stumbles over in a damaged workbook, the person learns that it is damaged.
    except Exception as error:
        raise BadFile("The workbook is damaged, or has no sheet with cells.") from error
    sheet.reset_dimensions()
    return _sheet_rows(sheet)


def _sheet_rows(sheet: Any) -> Cells:
    try:
        for number, cells in enumerate(sheet.iter_rows(values_only=True), start=1):
            values = [plain_cell(cell) for cell in cells[: MOST_COLUMNS + 1]]
            if any(value not in ("", None) for value in values):
                yield number, values
    except Exception as error:
        raise BadFile("The workbook is damaged: its rows cannot be read to the end.") from error


def plain_cell(cell: Any) -> Any:
    """Return a workbook's value as JSON has it: dates as ISO 8601, whole numbers whole, nothing as an empty text."""
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else cell.isoformat(timespec="seconds")
    if isinstance(cell, (date, time)):
        return cell.isoformat()
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return int(cell)
    return cell if isinstance(cell, (str, int, float, bool)) else str(cell)


def _json_columns(file: IO[bytes], form: Format) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for row in islice(_json_rows(file, form), LOOKED_AT):
        names |= dict.fromkeys(row.values)
    file.seek(0)
    if not names:
        raise BadFile("None of the first lines is a JSON object.")
    return tuple(names)[:MOST_COLUMNS]


def _json_rows(file: IO[bytes], form: Format) -> Iterator[Row]:
    text = io.TextIOWrapper(
        io.BufferedReader(_Unclosed(file)), encoding=form.encoding, errors="surrogateescape", newline="\n"
    )
    number = 0
    while line := text.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE and not line.endswith("\n"):
            while (rest := text.readline(LONGEST_LINE)) and not rest.endswith("\n"):
                pass
            yield Row(number, {}, f"The line is longer than {LONGEST_LINE:,} characters.")
        elif line.strip():
            yield _json_row(number, line)


def _json_row(number: int, line: str) -> Row:
    try:
        value = parse_json(line.strip().encode("utf-8", "surrogateescape"))
    except BadJSON as error:
        return Row(number, {}, error.reason)
    if not isinstance(value, dict):
        return Row(number, {}, "The line holds no JSON object.")
    return Row(number, value)
