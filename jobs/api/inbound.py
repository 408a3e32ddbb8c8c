"""The door for mail that a provider receives for us: one message a request, in the forms that providers send."""

import base64
import binascii
from collections.abc import Mapping
from typing import IO, Any, cast

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.http import QueryDict, UnreadablePostError
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from pydantic import BaseModel, Field
from rest_framework.exceptions import NotFound
from rest_framework.parsers import BaseParser
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs.models import InboundMessage, Mailbox
from jobs.services.mail import find_mailbox, take_message
from taskflow.lib.chunked import TOO_LARGE
from taskflow.lib.clock import utcnow
from taskflow.lib.openapi import refusals
from taskflow.lib.problems import Refused, invalid
from taskflow.lib.strictjson import BadJSON, parse_json
from taskflow.lib.telemetry import bind
from taskflow.lib.throttling import count_request

#: The names under which providers put the whole message into a form or JSON object.
RAW_NAMES = ("raw", "email", "body-mime", "RawEmail", "raw_email", "rawEmail", "message", "content")
#: And those under which they put the return path.
ENVELOPE_NAMES = ("envelope_from", "sender", "return_path")
FORM = {"type": "object", "properties": {"raw": {"type": "string"}, "envelope_from": {"type": "string"}}}


class InboundAnswer(BaseModel):
    """What became of the message. `job` is the id of the job it became, or had become before."""

    outcome: str = Field(description="`accepted`, `duplicate`, `ignored` or `refused`.")
    reason: str
    job: str | None


class WholeBody(BaseParser):
    """Takes a body of any type as its bytes, up to MAX_UPLOAD_BYTES."""

    media_type = "*/*"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        try:
            raw = stream.read(settings.MAX_UPLOAD_BYTES + 1)
        except UnreadablePostError as error:
            raise Refused("The body ended before it was complete.", code="invalid-request") from error
        if len(raw) > settings.MAX_UPLOAD_BYTES:
            raise Refused(TOO_LARGE.format(settings.MAX_UPLOAD_BYTES), status=413, code="too-large")
        return raw


class MailForm(WholeBody):
    """Takes a form, as a mapping of names to their first values."""

    media_type = "multipart/form-data"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        request: Request = (parser_context or {})["request"]
        if int(request.META.get("CONTENT_LENGTH") or 0) > settings.MAX_UPLOAD_BYTES:
            raise Refused(TOO_LARGE.format(settings.MAX_UPLOAD_BYTES), status=413, code="too-large")
        meta = request.META | {"CONTENT_TYPE": media_type}
        try:
            parser = MultiPartParser(meta, cast(Any, stream), request._request.upload_handlers, "latin-1")
            fields, files = parser.parse()
        except (RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent) as error:
            raise Refused("The form has too many or too large parts.", status=413, code="too-large") from error
        except (MultiPartParserError, UnreadablePostError, UnicodeError, LookupError) as error:
            raise Refused(f"The form cannot be read: {error}", code="invalid-request") from error
        found = {name: str(fields[name]).encode("latin-1", "replace") for name in fields}
        for name, sent in files.lists():
            found[name] = sent[0].read(settings.MAX_UPLOAD_BYTES)
            for file in sent:
                file.close()
        return found


class InboundMailView(APIView):
    """A mailbox's webhook. Its address is the key: whoever knows it may send mail in."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = ()
    parser_classes = (MailForm, WholeBody)

    @extend_schema(
        operation_id="receive_mail",
        summary="Take in one e-mail message",
        description=(
            "The key in the address is a mailbox's own; no API key is needed. The body is the message itself "
            "(`message/rfc822`), or a form or JSON object that holds it as `raw` (also known: `email`, `body-mime`, "
            "`RawEmail`), as it is or in base64. What is recognised as no work to do is answered with 200 too."
        ),
        parameters=[OpenApiParameter("key", str, OpenApiParameter.PATH, description="The key of a mailbox.")],
        request={
            "message/rfc822": OpenApiTypes.BINARY,
            "application/json": FORM,
            "multipart/form-data": FORM,
            "application/x-www-form-urlencoded": FORM,
        },
        responses={200: InboundAnswer, 201: InboundAnswer} | refusals(400, 404, 413),
        auth=[],
    )
    def post(self, request: Request, key: str) -> Response:
        mailbox = find_mailbox(key)
        if mailbox is None:
            raise NotFound("There is no such mailbox.")
        _throttle(mailbox)
        bind(tenant=mailbox.tenant.slug, mailbox=str(mailbox.uid))
        raw, envelope = read_message(request.data, request.content_type or "")
        row = take_message(mailbox=mailbox, raw=raw, via="webhook", now=utcnow(), envelope=envelope)
        return Response(_answer(row), status=201 if row.outcome == "accepted" else 200)


def _throttle(mailbox: Mailbox) -> None:
    limit: int = settings.API_REQUESTS_PER_MINUTE
    if limit > 0 and count_request(f"mailbox-{mailbox.pk}", step=max(limit // 1000, 1)) > limit:
        raise Refused("Too many messages in this minute.", status=429, code="too-many")


def _answer(row: InboundMessage) -> dict[str, Any]:
    return {"outcome": row.outcome, "reason": row.reason, "job": None if row.job is None else str(row.job.uid)}


def read_message(sent: Any, content_type: str) -> tuple[bytes, str | None]:
    """Return the message in a body, and its return path if the body tells one. Raises Refused where there is none."""
    kind = content_type.partition(";")[0].strip().lower()
    values = sent if isinstance(sent, Mapping) else _values(bytes(sent or b""), kind)
    raw = values if isinstance(values, bytes) else next((_raw(values[n]) for n in RAW_NAMES if values.get(n)), b"")
    if not raw.strip():
        raise invalid([("raw", "Send a message: the body itself, or the field `raw` of a form or JSON object.")])
    envelope = None if isinstance(values, bytes) else next((values[n] for n in ENVELOPE_NAMES if n in values), None)
    return raw, envelope.decode("utf-8", "replace") if isinstance(envelope, bytes) else envelope


def _values(body: bytes, kind: str) -> Mapping[str, Any] | bytes:
    if kind == "application/json":
        try:
            found = parse_json(body)
        except BadJSON as error:
            raise Refused(error.reason, code="not-json", errors=[(error.field, error.reason)]) from error
        if not isinstance(found, dict):
            raise Refused("The body must be a JSON object.", code="invalid-request")
        return {name: value.encode("utf-8") for name, value in found.items() if isinstance(value, str)}
    if kind == "application/x-www-form-urlencoded":
        try:
            form = QueryDict(body, encoding="latin-1")
        except (TooManyFieldsSent, RequestDataTooBig, UnicodeError) as error:
            raise Refused("The form cannot be read.", code="invalid-request") from error
        return {name: str(form[name]).encode("latin-1", "replace") for name in form}
    return body


def _raw(value: bytes) -> bytes:
    """Return a message that may have come in base64: no message lacks a colon in its headers, and base64 has none."""
    if b":" in value[:10_000]:
        return value
    try:
        return base64.b64decode(b"".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        return value
