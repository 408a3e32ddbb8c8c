"""Writing an export in a worker process: parts in the storage first, the file of them at the end.

Whatever dies, the next process goes on behind the last part that was recorded. No more than a part is in memory.
"""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import IO, Any
from zoneinfo import ZoneInfo

from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db.models import Q
from openpyxl import Workbook

from jobs.domain.export_rows import BOM, SHEET_ROWS, csv_lines, headings, json_lines, row_of, sheet_rows
from jobs.domain.job_filter import JobFilter
from jobs.domain.view_spec import ViewSpec
from jobs.models import Job, JobExport
from jobs.queries.catalogue import labels_of
from jobs.queries.records import load_records
from jobs.queries.value_pages import Finder, NotIndexed, Place, Sort
from jobs.services.exports import add_part, beat, end_export, release_export, take_export
from taskflow.lib.clock import utcnow
from taskflow.lib.ids import new_uid

SLICE_SECONDS = 10.0
PART_ROWS, PART_BYTES, PART_SECONDS = 5_000, 8 * 1024 * 1024, 4.0
#: Jobs whose payloads and results are in memory at once.
READ_AT_ONCE = 200


class Lost(Exception):
    """Another process works on the export, or it was cancelled."""


class Plan:
    """What an export writes: which jobs, in which order, and of each what."""

    def __init__(self, export: JobExport) -> None:
        spec = ViewSpec.model_validate(export.spec)
        labels = labels_of(export.workflow)
        self.paths = [column.path for column in spec.columns]
        self.zone = ZoneInfo(export.tenant.time_zone)
        shown = [column.label or labels.get(column.path) or column.shown_label for column in spec.columns]
        self.all_paths, self.labels = headings(self.paths, shown)
        sort = Sort(spec.sort_path, spec.sort.startswith("-")) if spec.sort else None
        self.finder = Finder(export.tenant_id, JobFilter.from_json(export.wanted), Q(), sort=sort)
        self.finder.high = min(self.finder.high, export.end_id + 1)

    def rows(self, places: list[Place]) -> Iterator[list[Any]]:
        """Yield the rows of jobs."""
        ids = [place.job_id for place in places]
        uids = dict(Job.objects.filter(pk__in=ids).values_list("pk", "uid"))
        records = load_records(ids, self.paths)
        for pk in ids:
            if pk in records:
                yield row_of(str(uids[pk]), records[pk], self.paths, self.zone)


def run_export(export_id: int, *, slice_seconds: float = SLICE_SECONDS) -> None:
    """Work on an export for about `slice_seconds`, then hand it on; the file is put together in one go."""
    export = take_export(export_id=export_id, now=utcnow())
    if export is None:
        return
    try:
        plan = Plan(export)
        end = time.monotonic() + slice_seconds
        while _write_part(export, plan):
            if time.monotonic() > end:
                release_export(export=export)
                return
        _put_together(export, plan)
    except NotIndexed as error:
        end_export(export=export, now=utcnow(), problem=f"It cannot go on: {error}")
    except Lost:
        return


def _write_part(export: JobExport, plan: Plan) -> bool:
    """Store the next rows as a part; returns whether there may be more. Raises Lost."""
    place = None if export.cursor is None else Place(job_id=export.cursor[1], value=export.cursor[0])
    text: list[str] = []
    size, end, more = 0, time.monotonic() + PART_SECONDS, True
    places = plan.finder.find(place, onwards=True, size=PART_ROWS)
    for start in range(0, len(places), READ_AT_ONCE):
        batch = places[start : start + READ_AT_ONCE]
        for row in plan.rows(batch):
            text.append(json.dumps(row, ensure_ascii=False, separators=(",", ":")))
            size += len(text[-1])
        place = batch[-1]
        if size > PART_BYTES or time.monotonic() > end:
            break
    else:
        more = len(places) == PART_ROWS
    if place is None or not places:
        return False
    key = default_storage.save(f"exports/{export.uid}/{new_uid()}.part", ContentFile("\n".join(text).encode()))
    if not add_part(export=export, key=key, rows=len(text), place=place, now=utcnow()):
        default_storage.delete(key)
        raise Lost
    return more


def _put_together(export: JobExport, plan: Plan) -> None:
    """Make the file of the parts and end the export with it. Raises Lost."""
    with tempfile.TemporaryFile() as file:
        _WRITERS[export.format](export, plan, file)
        size = file.tell()
        file.seek(0)
        key = default_storage.save(f"exports/{export.uid}/{export.uid}.{export.format}", File(file))
    if not end_export(export=export, now=utcnow(), key=key, size=size):
        default_storage.delete(key)
        raise Lost


def _parts(export: JobExport) -> Iterator[list[list[Any]]]:
    """Yield the rows of each part, saying in between that somebody is at it."""
    for key in export.parts:
        with default_storage.open(key, "rb") as part:
            text = part.read().decode()
        yield [json.loads(line) for line in text.split("\n") if line]
        if not beat(export=export, now=utcnow()):
            raise Lost


def _write_csv(export: JobExport, plan: Plan, file: IO[bytes]) -> None:
    file.write((BOM + csv_lines([plan.labels], [""] * len(plan.labels))).encode())
    for rows in _parts(export):
        file.write(csv_lines(rows, plan.all_paths).encode("utf-8", "replace"))


def _write_json(export: JobExport, plan: Plan, file: IO[bytes]) -> None:
    for rows in _parts(export):
        file.write(json_lines(rows, plan.all_paths).encode("utf-8", "replace"))


def _write_workbook(export: JobExport, plan: Plan, file: IO[bytes]) -> None:
    book = Workbook(write_only=True)
    sheet: Any = None
    left = 0
    (heading,) = sheet_rows([plan.labels], [""] * len(plan.labels))
    for rows in _parts(export):
        for row in sheet_rows(rows, plan.all_paths):
            if not left:
                sheet, left = book.create_sheet(), SHEET_ROWS
                sheet.append(heading)
            sheet.append(row)
            left -= 1
    if sheet is None:
        book.create_sheet().append(heading)
    book.save(file)


_WRITERS: dict[str, Callable[[JobExport, Plan, IO[bytes]], None]] = {
    "csv": _write_csv,
    "jsonl": _write_json,
    "xlsx": _write_workbook,
}
