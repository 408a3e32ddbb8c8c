"""Handing out the files of jobs: as attachments, never as something a browser would run."""

from django.core.files.storage import default_storage
from django.http import FileResponse, Http404

from jobs.models import File, JobExport

#: Types that a browser may know; every other is handed out as bytes.
PLAIN_TYPES = ("application/pdf", "image/png", "image/jpeg", "image/gif", "text/plain", "text/csv")

EXPORT_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def download(file: File) -> FileResponse:
    """Return the file as a download. Raises Http404 where the storage has lost it."""
    try:
        opened = default_storage.open(file.key)
    except FileNotFoundError:
        raise Http404(f"The file {file.uid} is not in the storage any more.") from None
    kind = file.content_type if file.content_type in PLAIN_TYPES else "application/octet-stream"
    return _attached(FileResponse(opened, as_attachment=True, filename=file.name, content_type=kind))


def download_export(export: JobExport) -> FileResponse:
    """Return an export's file as a download. Raises Http404 where there is none, yet or any more."""
    try:
        if export.state != JobExport.State.DONE:
            raise FileNotFoundError
        opened = default_storage.open(export.stored_as)
    except FileNotFoundError:
        raise Http404(f"The export {export.uid} has no file.") from None
    kind = EXPORT_TYPES[export.format]
    return _attached(FileResponse(opened, as_attachment=True, filename=export.filename, content_type=kind))


def _attached(response: FileResponse) -> FileResponse:
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-store"
    return response
