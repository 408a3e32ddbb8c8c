"""The file of rows that became no job, as both doors give it."""

from django.http import StreamingHttpResponse

from jobs.models import ListImport
from jobs.queries.intake import problems_csv


def problems_answer(found: ListImport) -> StreamingHttpResponse:
    """Return the rows that became no job as a file; the mark in front tells a spreadsheet that it is UTF-8."""
    lines = ("\ufeff" * (number == 0) + line for number, line in enumerate(problems_csv(found)))
    name = f"wrong-rows-{found.uid}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingHttpResponse(
        (line.encode("utf-8", "replace") for line in lines), content_type="text/csv; charset=utf-8", headers=headers
    )
