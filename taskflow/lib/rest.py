"""How the REST API speaks: strict JSON in, exact JSON out."""

from collections.abc import Iterable, Mapping
from typing import IO, Any

from django.conf import settings
from django.http import UnreadablePostError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from taskflow.lib.chunked import TOO_LARGE
from taskflow.lib.fields import dump_json
from taskflow.lib.problems import Refused
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
            raise Refused(TOO_LARGE.format(settings.MAX_BODY_BYTES), status=413, code="too-large")
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
    """Answers in the one format a view has, whatever `Accept` says: RFC 9110 allows it, and it beats a 406."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        first = next(iter(renderers))
        return first, str(first.media_type)
