"""How the REST API speaks: strict JSON in, exact JSON out."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from io import BytesIO
from typing import IO, Any

from django.conf import settings
from django.http import UnreadablePostError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from taskflow.lib.fields import dump_json
from taskflow.lib.problems import PROBLEM_JSON, Refused
from taskflow.lib.strictjson import BadJSON, parse_json


class StrictJSONParser(BaseParser):
    """Reads a JSON body of at most MAX_BODY_BYTES."""

    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        try:
            raw = stream.read(settings.MAX_BODY_BYTES + 1)
        except UnreadablePostError as error:
            raise Refused("The body ended before it was complete.", code="not-json") from error
        if len(raw) > settings.MAX_BODY_BYTES:
            raise Refused(too_large(), status=413, code="too-large")
        try:
            return parse_json(raw)
        except BadJSON as error:
            raise Refused(error.reason, code="not-json", errors=[(error.field, error.reason)]) from error


class JSONRenderer(BaseRenderer):
    """Writes JSON with every number as it is."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        return b"" if data is None else dump_json(data).encode()


class OneFormat(DefaultContentNegotiation):
    """Answers in the one format a view has, whatever `Accept` says: RFC 9110 allows it, and it helps more than a 406."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        first = next(iter(renderers))
        return first, str(first.media_type)


def too_large() -> str:
    """Return the sentence for a body over the limit."""
    return f"The body is larger than {settings.MAX_BODY_BYTES} bytes."


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
        "detail": too_large(),
        "instance": environ.get("PATH_INFO", ""),
    }
    body = dump_json(document).encode(errors="backslashreplace")
    start_response(
        "413 Request Entity Too Large",
        [("Content-Type", PROBLEM_JSON), ("Content-Length", str(len(body))), ("Connection", "close")],
    )
    return [body]
