"""The page on which a person says how a list is read and which column is what."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jobs.admin.columns import as_text
from jobs.domain.intake.formats import DELIMITERS, Format
from jobs.models import ListImport
from jobs.services.intake import look_at
from jobs.templatetags.jobs_admin import clip
from workflows.domain.extraction.dates import DateOrder

#: The choice of a column that keeps its own name, although no field has it.
KEEP = "="
LONGEST_CELL = 60
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "iso-8859-15", "cp850", "mac-roman")
DELIMITER_NAMES = {",": "Comma", ";": "Semicolon", "\t": "Tab", "|": "Bar"}


@dataclass(slots=True)
class ColumnChoice:
    """A column: its place, name and first values, and the field it goes into ("" for none, KEEP for its own name)."""

    place: int
    name: str
    values: list[str]
    choice: str


@dataclass(slots=True)
class MappingPage:
    """What the page shows, and `chosen`: the mapping that the form says."""

    columns: list[ColumnChoice]
    fields: list[tuple[str, str, bool]]
    chosen: dict[str, str]
    faults: list[str]
    key_column: str = ""
    problems: list[str] = field(default_factory=list)
    encodings: tuple[str, ...] = ENCODINGS
    delimiters: tuple[tuple[str, str], ...] = tuple(DELIMITER_NAMES.items())
    orders: tuple[tuple[str, str], ...] = (
        (DateOrder.DAY_FIRST.value, "3 April"),
        (DateOrder.MONTH_FIRST.value, "4 March"),
    )


def read_choices(posted: Mapping[str, Any], form: Format) -> Format:
    """Return the format as the page's form says; `form` where it says nothing, or what is not known."""
    if not posted:
        return form
    encoding, delimiter, order = (str(posted.get(name, "")) for name in ("encoding", "delimiter", "order"))
    return Format(
        form.kind,
        encoding if encoding in ENCODINGS else form.encoding,
        delimiter if delimiter in DELIMITERS else form.delimiter,
        "header" in posted,
        DateOrder(order) if order in {each.value for each in DateOrder} else form.order,
    )


def mapping_page(found: ListImport, form: Format, posted: Mapping[str, Any] | None) -> MappingPage:
    """Return the page for a list read by `form`, with what was posted, else with what is guessed. Raises BadFile."""
    preview = look_at(found, form=form)
    keys = {one.key for one in preview.fields}
    columns = []
    for place, name in enumerate(preview.columns):
        guessed = preview.mapping.get(name, "")
        choice = guessed if guessed in keys or not guessed else KEEP
        if posted is not None:
            choice = str(posted.get(f"column-{place}", ""))
        values = [clip(as_text(row.values.get(name)), LONGEST_CELL) for row in preview.rows if not row.fault]
        columns.append(ColumnChoice(place, name, values, choice))
    chosen = {
        column.name: column.name if column.choice == KEEP else column.choice for column in columns if column.choice
    }
    return MappingPage(
        columns=columns,
        fields=[(one.key, one.shown_label, one.required) for one in preview.fields],
        chosen=chosen,
        faults=[f"Row {row.number}: {row.fault}" for row in preview.rows if row.fault],
        key_column="" if posted is None else str(posted.get("key_column", "")),
    )
