"""The columns a workflow's job list shows: the fields its PM chose, from payload and result."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from jobs.models import Job
from jobs.templatetags.jobs_admin import clip, plain
from workflows.domain.fields import FieldType, InputField, Role, read_fields
from workflows.domain.files import referred
from workflows.models import WorkflowVersion

LONGEST_CELL = 80
PREVIEW = "…"
NUMERIC = (FieldType.INTEGER, FieldType.NUMBER)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its heading, where its value comes from, and whether it holds numbers."""

    label: str
    source: str
    key: str
    numeric: bool = False

    def value(self, job: Job) -> Any:
        """Return the value of this column for `job`; None where it has none."""
        record = job.payload if self.source == "payload" else job.result
        if self.key == PREVIEW:
            return record
        return record.get(self.key) if isinstance(record, dict) else None


@dataclass(frozen=True, slots=True)
class Cell:
    """A value as text: cut to fit, with the whole (within reason) for the tooltip."""

    text: str
    title: str
    label: str
    numeric: bool


def columns_of(version: WorkflowVersion | None) -> list[Column]:
    """Return the columns of a version's job list; its payload in brief where no field was chosen for the list."""
    fields = read_fields(version.fields) if version is not None else ()
    chosen = [_column(field) for field in fields if field.in_list]
    return chosen or [Column("Payload", "payload", PREVIEW)]


def cells_of(columns: Iterable[Column], job: Job) -> list[Cell]:
    """Return what the columns show for `job`."""
    return [clipped(as_text(column.value(job)), column.label, numeric=column.numeric) for column in columns]


def as_text(value: Any) -> str:
    """Write a value of any kind on one line."""
    if value is None or value == "":
        return "–"
    if isinstance(value, dict) and referred(value) and isinstance(value.get("name"), str):
        value = value["name"]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return plain(" ".join(text.split())) or "–"


def clipped(text: str, label: str, *, numeric: bool) -> Cell:
    """Return a cell with as much of a text as fits."""
    cut = f"{text[:LONGEST_CELL]}…" if len(text) > LONGEST_CELL else text
    return Cell(cut, clip(text, 500) if cut != text else "", label, numeric)


def _column(field: InputField) -> Column:
    source = "payload" if field.role is Role.INPUT else "result"
    return Column(field.shown_label, source, field.key, field.type in NUMERIC)
