"""Rows of an export: how values of jobs are written in CSV, Excel and JSON lines."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from jobs.domain.intake.report import neutral
from jobs.domain.values import JobRecord

#: What every export begins with.
FIXED_COLUMNS = (("id", "Id"), ("job.state", "State"))
TIMES = ("job.created", "job.finished", "review.at")
#: What a cell of a workbook holds, and the rows of one sheet under its heading.
LONGEST_CELL, SHEET_ROWS = 32_000, 1_000_000
_ILLEGAL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
BOM = "\ufeff"


def row_of(uid: str, record: JobRecord, paths: Sequence[str], zone: ZoneInfo) -> list[Any]:
    """Return a job as a list of JSON values: its id, its state, and what lies at the paths; times are in `zone`."""
    return [uid, record.job["state"], *(_storable(record.at(path), zone) for path in paths)]


def _storable(value: Any, zone: ZoneInfo) -> Any:
    return value.astimezone(zone).isoformat(timespec="seconds") if isinstance(value, datetime) else value


def headings(paths: Sequence[str], labels: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the paths and the headings of all columns of a file."""
    return [path for path, _ in FIXED_COLUMNS] + list(paths), [label for _, label in FIXED_COLUMNS] + list(labels)


def csv_lines(rows: Iterable[Sequence[Any]], paths: Sequence[str]) -> str:
    """Return rows as CSV; nothing in them is a formula."""
    text = io.StringIO()
    writer = csv.writer(text)
    for row in rows:
        writer.writerow([_csv_cell(value, path) for value, path in zip(row, paths, strict=True)])
    return text.getvalue()


def _csv_cell(value: Any, path: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return str(value)
    if path in TIMES:
        return _clock(str(value)).isoformat(sep=" ")
    return neutral(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def json_lines(rows: Iterable[Sequence[Any]], paths: Sequence[str]) -> str:
    """Return rows as JSON objects, a line each."""
    return "".join(
        json.dumps(dict(zip(paths, row, strict=True)), ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows
    )


def sheet_rows(rows: Iterable[Sequence[Any]], paths: Sequence[str]) -> Iterator[list[Any]]:
    """Yield rows as cells of a workbook: numbers and times as such, and no text that is a formula."""
    for row in rows:
        yield [_sheet_cell(value, path) for value, path in zip(row, paths, strict=True)]


def _sheet_cell(value: Any, path: str) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        # Excel knows doubles: a larger number would be another one there.
        return value if abs(value) < 10**15 else neutral(str(value))
    if path in TIMES:
        return _clock(str(value))
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return neutral(_ILLEGAL.sub("\ufffd", text)[:LONGEST_CELL])


def _clock(text: str) -> datetime:
    """Return what a clock on the wall says: spreadsheets know no time zones."""
    return datetime.fromisoformat(text).replace(tzinfo=None)
