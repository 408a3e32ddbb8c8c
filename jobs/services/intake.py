"""Lists that people upload: taking one in, looking at it, and starting, pausing and ending what makes jobs of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Q

from jobs.domain.intake.formats import BadFile, Format, detect
from jobs.domain.intake.mapping import check_mapping, guess_mapping, inputs_of
from jobs.domain.intake.tables import Row, open_table
from jobs.models import ImportState, ListImport
from taskflow.lib import wake
from taskflow.lib.ids import new_uid
from workflows.domain.fields import InputField, read_fields
from workflows.models import Workflow

if TYPE_CHECKING:
    from django.contrib.auth.models import User

TASK = "jobs.work_list_import"
#: An import nobody has worked on for this long is taken up by the tick.
STALE = timedelta(seconds=15)
#: An upload that nobody started is thrown away after this.
KEEP_NEW = timedelta(days=1)
SHOWN = 8
OVER = (ImportState.DONE, ImportState.CANCELLED, ImportState.FAILED)


class MappingError(ValueError):
    """The columns do not fit the workflow's fields. `problems` lists (column or field, reason)."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{field}: {reason}" if field else reason for field, reason in problems))


@dataclass(frozen=True, slots=True)
class Preview:
    """The beginning of a list: its columns, its first rows, and where each column probably goes."""

    columns: tuple[str, ...]
    rows: list[Row]
    mapping: dict[str, str]
    fields: tuple[InputField, ...]


def receive_list(
    *,
    workflow: Workflow,
    file: IO[bytes],
    filename: str,
    size: int,
    actor: str,
    now: datetime,
    user: "User | None" = None,
) -> ListImport:
    """Store an uploaded list and find out how to read it. Nothing is imported yet. Raises BadFile."""
    if size > settings.MAX_LIST_BYTES:
        raise BadFile(f"The file has {size:,} bytes; {settings.MAX_LIST_BYTES:,} at most are read. Split it.")
    form = detect(file, most_unpacked=settings.MAX_LIST_UNPACKED_BYTES)
    open_table(file, form)
    file.seek(0)
    uid = new_uid()
    stored_as = default_storage.save(f"lists/{uid}", File(file))
    return ListImport.objects.create(
        uid=uid,
        tenant_id=workflow.tenant_id,
        workflow=workflow,
        stored_as=stored_as,
        filename=filename[-200:] or "list",
        size=size,
        form=form.to_json(),
        actor=actor[:100],
        created_by=user,
        created_at=now,
    )


def fields_of(workflow: Workflow) -> tuple[InputField, ...]:
    """Return the input fields of a workflow's live version; none where it is not published."""
    version = workflow.live_version
    return () if version is None else tuple(inputs_of(read_fields(version.fields)))


def look_at(list_import: ListImport, *, form: Format | None = None) -> Preview:
    """Return the beginning of an uploaded list, read by `form` if given. Raises BadFile."""
    with open_upload(list_import) as file:
        table = open_table(file, form or Format.from_json(list_import.form))
        rows = list(islice(table.rows, SHOWN))
    fields = fields_of(list_import.workflow)
    remembered = last_mapping(list_import.workflow)
    keep = list_import.form["kind"] == "jsonl"
    mapping = guess_mapping(table.columns, fields, remembered=remembered, keep=keep)
    return Preview(table.columns, rows, mapping, fields)


def last_mapping(workflow: Workflow) -> dict[str, str]:
    """Return where the columns of the workflow's last list went."""
    last = ListImport.objects.filter(workflow=workflow).exclude(state=ImportState.NEW).order_by("-pk").first()
    return dict(last.mapping) if last is not None else {}


def open_upload(list_import: ListImport) -> IO[bytes]:
    """Open the stored file. Raises BadFile where it is gone."""
    try:
        opened: IO[bytes] = default_storage.open(list_import.stored_as, "rb")
    except (OSError, ValueError) as error:
        raise BadFile("The uploaded file is gone. Upload it again.") from error
    return opened


def start_import(
    *,
    list_import: ListImport,
    now: datetime,
    mapping: Mapping[str, str] | None = None,
    key_column: str = "",
    form: Format | None = None,
) -> ListImport:
    """Begin to make jobs of a list that was looked at; without a mapping, by the one that is guessed.

    Raises MappingError, BadFile, and NotNew where it was started before.
    """
    form = form or Format.from_json(list_import.form)
    preview = look_at(list_import, form=form)
    chosen = dict(mapping if mapping is not None else preview.mapping)
    problems = check_mapping(chosen, preview.columns, preview.fields)
    if key_column and key_column not in preview.columns:
        problems.append((key_column, "There is no such column."))
    if list_import.workflow.live_version_id is None or not list_import.workflow.active:
        problems.append(("workflow", "The workflow is not published, or switched off."))
    if problems:
        raise MappingError(problems)
    started = ListImport.objects.filter(pk=list_import.pk, state=ImportState.NEW).update(
        state=ImportState.RUNNING, mapping=chosen, key_column=key_column, form=form.to_json(), started_at=now
    )
    if not started:
        raise NotNew("This list was started before.")
    transaction.on_commit(lambda: hint(list_import.pk))
    list_import.refresh_from_db()
    return list_import


class NotNew(Exception):
    """The import was started before."""


def with_choices(form: Format, *, header: bool | None = None, **changes: Any) -> Format:
    """Return `form` with what a person chose instead."""
    given = {name: value for name, value in ({"header": header} | changes).items() if value is not None}
    return replace(form, **given)


def hint(import_id: int) -> None:
    """Tell a worker that the import has work; a hint that is lost is made up for by `continue_stale`."""
    wake.send(TASK, pool="default", import_id=import_id)


def pause_import(*, list_import: ListImport) -> bool:
    """Stop after the present chunk, to go on later. False where it does not run."""
    changed = ListImport.objects.filter(pk=list_import.pk, state=ImportState.RUNNING).update(state=ImportState.PAUSED)
    return bool(changed)


def resume_import(*, list_import: ListImport) -> bool:
    """Go on with an import that was paused. False where it was not."""
    paused = ListImport.objects.filter(pk=list_import.pk, state=ImportState.PAUSED)
    changed = paused.update(state=ImportState.RUNNING, worked_at=None, error_message="")
    transaction.on_commit(lambda: hint(list_import.pk))
    return bool(changed)


def cancel_import(*, list_import: ListImport, actor: str, now: datetime) -> bool:
    """End an import after its present chunk; what is made stays. False where it was over already."""
    rows = ListImport.objects.filter(pk=list_import.pk).exclude(state__in=OVER)
    changed = rows.update(state=ImportState.CANCELLED, finished_at=now, error_message=f"Cancelled by {actor}.")
    if changed:
        drop_upload(list_import)
    return bool(changed)


def drop_upload(list_import: ListImport) -> None:
    """Throw the stored file away once the transaction is through."""
    transaction.on_commit(lambda: default_storage.delete(list_import.stored_as))


def continue_stale(now: datetime) -> int:
    """Send a hint for every import that runs and nobody works on; returns how many there were."""
    idle = Q(worked_at__lt=now - STALE) | Q(worked_at=None, started_at__lt=now - STALE)
    stale = list(ListImport.objects.filter(idle, state=ImportState.RUNNING).values_list("pk", flat=True)[:100])
    for import_id in stale:
        hint(import_id)
    return len(stale)


def prune_uploads(*, now: datetime) -> int:
    """Forget uploads that nobody started; returns how many."""
    old = list(ListImport.objects.filter(state=ImportState.NEW, created_at__lt=now - KEEP_NEW)[:100])
    for list_import in old:
        default_storage.delete(list_import.stored_as)
        list_import.delete()
    return len(old)
