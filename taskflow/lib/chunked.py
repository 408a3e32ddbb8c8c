"""Bodies that come in chunks, with no Content-Length."""

from collections.abc import Callable, Iterable, Sequence
from io import BytesIO
from typing import Any

from django.conf import settings

from taskflow.lib.fields import dump_json

TOO_LARGE = "The body is larger than {} bytes."
Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]


def accept_chunked(application: Application) -> Application:
    """Let bodies without a Content-Length in, up to MAX_BODY_BYTES; Django alone takes them for empty ones."""

    def wrapped(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("wsgi.input_terminated") and "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
            raw = environ["wsgi.input"].read(settings.MAX_BODY_BYTES + 1)
            if len(raw) > settings.MAX_BODY_BYTES:
                return _refuse(environ, start_response)
            environ["wsgi.input"] = BytesIO(raw)
            environ["CONTENT_LENGTH"] = str(len(raw))
        return application(environ, start_response)

    return wrapped


def _refuse(environ: Environ, start_response: StartResponse) -> Sequence[bytes]:
    document = {
        "type": "urn:taskflow:problem:too-large",
        "title": "Request Entity Too Large",
        "status": 413,
        "detail": TOO_LARGE.format(settings.MAX_BODY_BYTES),
        "instance": environ.get("PATH_INFO", ""),
    }
    body = dump_json(document).encode(errors="backslashreplace")
    start_response(
        "413 Request Entity Too Large",
        [("Content-Type", "application/problem+json"), ("Content-Length", str(len(body))), ("Connection", "close")],
    )
    return [body]
