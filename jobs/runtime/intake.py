"""Working through an uploaded list in a worker process."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import IO

from django.conf import settings

from jobs.domain.intake.formats import BadFile, Format, Kind
from jobs.domain.intake.tables import Row, open_table
from jobs.models import ImportState, ListImport
from jobs.services.intake import open_upload
from jobs.services.intake_rows import (
    CannotGoOn,
    Reader,
    ReadyRow,
    end_import,
    release_import,
    store_rows,
    take_import,
)
from taskflow.lib.clock import utcnow

SLICE_SECONDS = 10.0
#: A workbook is read slowly, and from its beginning each time it is handed on: its slices are longer.
WORKBOOK_SLICES = 6
#: What one transaction stores at most: rows, and bytes of payloads.
CHUNK, CHUNK_BYTES = 1_000, 4 * 1024 * 1024


def run_list_import(import_id: int, *, slice_seconds: float = SLICE_SECONDS) -> None:
    """Work on an import for about `slice_seconds`, then hand it on, so that no list holds a slot for itself."""
    held = take_import(import_id=import_id, now=utcnow())
    if held is None:
        return
    try:
        with open_upload(held) as file:
            slices = WORKBOOK_SLICES if held.form["kind"] == Kind.XLSX else 1
            _work(held, file, end=time.monotonic() + slice_seconds * slices)
    except BadFile as error:
        end_import(list_import=held, now=utcnow(), state=ImportState.FAILED, reason=str(error))
    except CannotGoOn as error:
        reason = f"{error} Go on when that is put right."
        end_import(list_import=held, now=utcnow(), state=ImportState.PAUSED, reason=reason)


def _work(held: ListImport, file: IO[bytes], *, end: float) -> None:
    form = Format.from_json(held.form)
    size = _size(file)
    left = settings.MAX_LIST_ROWS - held.seen
    rows = open_table(file, form).rows
    for chunk in _chunks(islice(rows, held.seen, held.seen + left), Reader(held)):
        done = 0 if form.kind is Kind.XLSX else min(999, int(1000 * file.tell() / size))
        if not store_rows(list_import=held, rows=chunk, permille=done, now=utcnow()):
            return
        if time.monotonic() > end:
            release_import(list_import=held)
            return
    if next(rows, None) is not None:
        reason = f"The list has more than {settings.MAX_LIST_ROWS:,} rows; the rest was not read. Split it."
        end_import(list_import=held, now=utcnow(), state=ImportState.FAILED, reason=reason)
    else:
        end_import(list_import=held, now=utcnow(), state=ImportState.DONE)


def _size(file: IO[bytes]) -> int:
    size = 1
    with suppress(OSError):
        size = max(file.seek(0, os.SEEK_END), 1)
    file.seek(0)
    return size


def _chunks(rows: Iterator[Row], reader: Reader) -> Iterator[list[ReadyRow]]:
    chunk: list[ReadyRow] = []
    size = 0
    for row in rows:
        ready = reader.ready(row)
        chunk.append(ready)
        size += ready.size
        if len(chunk) >= CHUNK or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
