"""Handing out the files of jobs: as attachments, never as something a browser would run."""

from django.core.files.storage import default_storage
from django.http import FileResponse, Http404

from jobs.models import File

#: Types that a browser may know; every other is handed out as bytes.
PLAIN_TYPES = ("application/pdf", "image/png", "image/jpeg", "image/gif", "text/plain", "text/csv")


def download(file: File) -> FileResponse:
    """Return the file as a download. Raises Http404 where the storage has lost it."""
    try:
        opened = default_storage.open(file.key)
    except FileNotFoundError:
        raise Http404(f"The file {file.uid} is not in the storage any more.") from None
    kind = file.content_type if file.content_type in PLAIN_TYPES else "application/octet-stream"
    response = FileResponse(opened, as_attachment=True, filename=file.name, content_type=kind)
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-store"
    return response
