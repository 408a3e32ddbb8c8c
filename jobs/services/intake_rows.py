"""Making jobs of the rows of a list: a chunk in a transaction, together with how far it is. No row twice."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.db import IntegrityError
from django.db.models import F, Q

from jobs.domain.intake.formats import Format
from jobs.domain.intake.mapping import make_payload
from jobs.domain.intake.tables import Row
from jobs.domain.submission import NewJob, SubmissionError
from jobs.models import ImportedRow, ImportProblem, ImportState, ListImport
from jobs.services.intake import STALE, drop_upload, fields_of, hint
from jobs.services.submit import submit_jobs
from taskflow.lib.db import in_transaction, insert_rows
from taskflow.lib.fields import dump_json
from taskflow.lib.telemetry import emit

#: Rows that did not become jobs are counted, and this many are kept to be looked at.
KEPT_PROBLEMS = 100_000
RETRIES = 3


class CannotGoOn(Exception):
    """No row of the list can become a job at present, whatever is in it; says why."""


@dataclass(frozen=True, slots=True)
class ReadyRow:
    """A row, the payload it is, and its key; or why it can be none."""

    row: Row
    payload: dict[str, Any]
    key: str
    size: int
    fault: str = ""


class Reader:
    """Makes payloads and keys of an import's rows, without a database."""

    def __init__(self, list_import: ListImport) -> None:
        self.mapping = dict(list_import.mapping)
        self.key_column = list_import.key_column
        self.order = Format.from_json(list_import.form).order
        self.fields = {field.key: field for field in fields_of(list_import.workflow)}

    def ready(self, row: Row) -> ReadyRow:
        """Return the row as it can be stored."""
        if row.fault:
            return ReadyRow(row, {}, "", 0, row.fault)
        payload = make_payload(row.values, self.mapping, self.fields, self.order)
        try:
            text = dump_json(payload)
            encoded = text.encode()
        except (ValueError, UnicodeEncodeError):
            return ReadyRow(row, {}, "", 0, "It holds a character or a number that cannot be stored.")
        if len(encoded) > settings.MAX_PAYLOAD_BYTES:
            return ReadyRow(row, {}, "", 0, f"It is larger than {settings.MAX_PAYLOAD_BYTES:,} bytes.")
        if not self.key_column:
            return ReadyRow(row, payload, _hash(f"row:{dump_json(dict(sorted(payload.items())))}"), len(encoded))
        value = row.values.get(self.key_column)
        key = "" if value is None else str(value).strip()
        if not key:
            return ReadyRow(row, {}, "", 0, f"It has no value in the key column '{self.key_column}'.")
        return ReadyRow(row, payload, _hash(f"key:{key}"), len(encoded))


def take_import(*, import_id: int, now: datetime) -> ListImport | None:
    """Make this process the one that works on the import; None when it does not run or another one is at it."""
    free = Q(worked_at=None) | Q(worked_at__lt=now - STALE)
    taken = ListImport.objects.filter(free, pk=import_id, state=ImportState.RUNNING).update(worked_at=now)
    if not taken:
        return None
    held: ListImport = ListImport.objects.select_related("workflow__live_version").get(pk=import_id)
    return held


def release_import(*, list_import: ListImport) -> None:
    """Let any process go on with the import at once."""
    held = ListImport.objects.filter(pk=list_import.pk, worked_at=list_import.worked_at, state=ImportState.RUNNING)
    held.update(worked_at=None)
    hint(list_import.pk)


def end_import(*, list_import: ListImport, now: datetime, state: ImportState, reason: str = "") -> bool:
    """End or pause an import that this process holds; False where it has lost it."""
    held = ListImport.objects.filter(pk=list_import.pk, worked_at=list_import.worked_at, state=ImportState.RUNNING)
    over = state is not ImportState.PAUSED
    ended = {"finished_at": now, "permille": 1000 if state is ImportState.DONE else F("permille")} if over else {}
    changed = held.update(state=state, error_message=reason, **ended)
    if changed and over:
        drop_upload(list_import)
    return bool(changed)


def store_rows(*, list_import: ListImport, rows: Sequence[ReadyRow], permille: int, now: datetime) -> bool:
    """Make jobs of the next rows of an import that this process holds, and record how far it is.

    Returns False where it is not held any longer: then nothing is written. Raises CannotGoOn.
    """
    for attempt in range(RETRIES):
        try:
            held = in_transaction(lambda: _store(list_import, rows, permille, now))
        except IntegrityError:
            # Another import has just stored the same row; seen again, it is there already.
            if attempt == RETRIES - 1:
                raise
        else:
            if held:
                list_import.worked_at = now
            return held
    raise AssertionError("unreachable")


def _store(list_import: ListImport, rows: Sequence[ReadyRow], permille: int, now: datetime) -> bool:
    held = ListImport.objects.select_for_update().filter(
        pk=list_import.pk, state=ImportState.RUNNING, worked_at=list_import.worked_at
    )
    row = held.first()
    if row is None:
        return False
    fresh, already = _new_ones(row, rows)
    made, refused = _submit(row, list_import.workflow.slug, fresh, now)
    wrong = [(ready.row, ready.fault) for ready in rows if ready.fault] + refused
    insert_rows(ImportedRow, ("workflow_id", "key", "list_import_id"), [(row.workflow_id, key, row.pk) for key in made])
    _keep_problems(row, wrong)
    ListImport.objects.filter(pk=row.pk).update(
        seen=F("seen") + len(rows),
        made=F("made") + len(made),
        already=F("already") + already,
        wrong=F("wrong") + len(wrong),
        permille=permille,
        worked_at=now,
    )
    emit("import.chunk", tenant=row.tenant_id, rows=len(rows), made=len(made), already=already, wrong=len(wrong))
    return True


def _new_ones(list_import: ListImport, rows: Sequence[ReadyRow]) -> tuple[list[ReadyRow], int]:
    """Return the rows that made no job before, each once, and how many did."""
    good = [ready for ready in rows if not ready.fault]
    keys = {ready.key for ready in good}
    stored = ImportedRow.objects.filter(workflow_id=list_import.workflow_id, key__in=keys)
    seen = set(stored.values_list("key", flat=True))
    fresh = []
    for ready in good:
        if ready.key not in seen:
            seen.add(ready.key)
            fresh.append(ready)
    return fresh, len(good) - len(fresh)


def _submit(
    list_import: ListImport, workflow: str, rows: Sequence[ReadyRow], now: datetime
) -> tuple[list[str], list[tuple[Row, str]]]:
    """Store the jobs; returns the keys of the rows they were made of, and the rows that are refused with the reason."""
    source, together = f"import:{list_import.actor}"[:100], list_import.correlation_id
    requests = [NewJob(workflow=workflow, payload=one.payload, correlation_id=together, source=source) for one in rows]
    made, refused = [], []
    for ready, answer in zip(
        rows, submit_jobs(tenant_id=list_import.tenant_id, requests=requests, now=now), strict=True
    ):
        if not isinstance(answer, SubmissionError):
            made.append(ready.key)
        elif answer.field in ("workflow", "queue"):
            raise CannotGoOn(answer.message)
        else:
            reasons = (f"{field.removeprefix('payload.')} {message}" for field, message in answer.problems)
            refused.append((ready.row, "; ".join(reasons)))
    return made, refused


def _keep_problems(list_import: ListImport, wrong: Sequence[tuple[Row, str]]) -> None:
    room = max(KEPT_PROBLEMS - list_import.wrong, 0)
    rows = [
        (list_import.pk, row.number, dump_json(_storable(row.values)), reason[:5000])
        for row, reason in sorted(wrong, key=lambda one: one[0].number)[:room]
    ]
    insert_rows(ImportProblem, ("list_import_id", "row", "values", "message"), rows)


def _storable(values: dict[str, Any]) -> dict[str, Any]:
    """Return a row's values as any database keeps them."""
    return {
        column: value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
        for column, value in values.items()
    }


def _hash(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
