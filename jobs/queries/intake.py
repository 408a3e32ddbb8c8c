"""What became of an uploaded list."""

import csv
import io
from collections.abc import Iterator
from uuid import UUID

from jobs.domain.intake.report import neutral
from jobs.models import ImportProblem, ListImport

BATCH = 1_000


def find_import(tenant_id: int, uid: UUID) -> ListImport | None:
    """Return the tenant's import of this id, with its workflow."""
    found: ListImport | None = (
        ListImport.objects.for_tenant(tenant_id).filter(uid=uid).select_related("workflow", "tenant").first()
    )
    return found


def problems_csv(list_import: ListImport) -> Iterator[str]:
    """Yield the rows that became no job as CSV: number and reason, then the list's own columns; no cell a formula."""
    columns = _columns(list_import)
    yield _line(["Row", "Problem", *columns])
    last = 0
    while True:
        batch = list(list_import.problems.filter(pk__gt=last).order_by("pk")[:BATCH])
        if not batch:
            return
        yield "".join(
            _line([problem.row, problem.message, *(problem.values.get(column) for column in columns)])
            for problem in batch
        )
        last = batch[-1].pk


def _columns(list_import: ListImport) -> list[str]:
    """Return the columns the first of the rows have, in their order."""
    first = ImportProblem.objects.filter(list_import=list_import).order_by("pk")[:BATCH]
    names: dict[str, None] = {}
    for values in first.values_list("values", flat=True):
        names |= dict.fromkeys(values)
    return list(names)


def _line(cells: list[object]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow([neutral(cell) for cell in cells])
    return text.getvalue()
