"""The door for webhooks: an address that is its own key, and a sender who proves to hold the secret."""

from django.conf import settings
from django.http import UnreadablePostError
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from pydantic import BaseModel, Field
from rest_framework.exceptions import NotFound, Throttled
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from automations.domain.signatures import SignatureRefused
from automations.domain.states import DeliveryState
from automations.models import WebhookDelivery, WebhookEndpoint
from automations.services.endpoints import find_endpoint
from automations.services.receiving import NoSecret, Sent, Trouble, note_refusal, prove, receive
from taskflow.lib.chunked import TOO_LARGE
from taskflow.lib.clock import utcnow
from taskflow.lib.openapi import refusals
from taskflow.lib.problems import Refused
from taskflow.lib.telemetry import bind, emit
from taskflow.lib.throttling import KeyThrottle, count_request

BODY = {"type": "object", "additionalProperties": True}


class DeliveryReceipt(BaseModel):
    """That it is stored. A repetition gets the receipt of the first, with 200."""

    id: str
    delivery_id: str = Field(description="The sender's own id of it, else the SHA-256 of timestamp and body.")
    event: str


class WebhookView(APIView):
    """An endpoint's address. What is proved is stored at once; rules work on it afterwards."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = ()

    @extend_schema(
        operation_id="receive_webhook",
        summary="Take in a webhook",
        description=(
            "The key in the address is an endpoint's own; no API key is needed, but a signature of the endpoint's "
            "scheme over the raw body. 202: stored. 200: it came before, or Slack tried the address (`challenge`)."
        ),
        parameters=[OpenApiParameter("key", str, OpenApiParameter.PATH, description="The key of an endpoint.")],
        request={"application/json": BODY, "application/x-www-form-urlencoded": BODY},
        responses={200: DeliveryReceipt, 202: DeliveryReceipt, (200, "text/plain"): OpenApiTypes.STR}
        | refusals(400, 404, 413),
        auth=[],
    )
    def post(self, request: Request, key: str) -> Response:
        endpoint = find_endpoint(key)
        if endpoint is None:
            emit("webhook.received", outcome="unknown address")
            bind(refused="no endpoint has this address")
            raise NotFound("There is no such webhook address.")
        bind(tenant=endpoint.tenant.slug, endpoint=str(endpoint.uid))
        if not (endpoint.enabled and endpoint.tenant.active):
            raise _refused(endpoint, Trouble.OFF, "This webhook address is switched off.", 403)
        sent = _read(request, endpoint)
        try:
            prove(endpoint, sent, now=utcnow())
        except SignatureRefused as error:
            raise _refused(endpoint, error.cause, str(error), 401) from error
        except NoSecret as error:
            raise _refused(endpoint, Trouble.NO_SECRET, str(error), 403) from error
        _throttle(endpoint)
        receipt = receive(endpoint, sent, now=utcnow())
        if receipt.delivery is None:
            emit("webhook.received", outcome="challenge")
            return Response({"challenge": receipt.challenge})
        return _answer(receipt.delivery, new=receipt.new)


def _answer(delivery: WebhookDelivery, *, new: bool) -> Response:
    bind(delivery=str(delivery.uid))
    readable = delivery.state != DeliveryState.REFUSED
    emit("webhook.received", outcome=("stored" if readable else "not readable") if new else "repeated")
    if not readable:
        raise Refused(delivery.reason, code="not-json", id=str(delivery.uid))
    told = {"id": str(delivery.uid), "delivery_id": delivery.delivery_id, "event": delivery.event_type}
    return Response(told, status=202 if new else 200)


def _read(request: Request, endpoint: WebhookEndpoint) -> Sent:
    """Return the request with its raw body; what is too large is refused before it is read."""
    limit: int = settings.MAX_WEBHOOK_BYTES
    announced = int(request.META.get("CONTENT_LENGTH") or 0)
    if announced > limit:
        raise _refused(endpoint, Trouble.TOO_LARGE, TOO_LARGE.format(limit), 413)
    try:
        body = request._request.read(limit + 1)
    except UnreadablePostError:
        body = b""
    if len(body) < announced:
        raise _refused(endpoint, Trouble.INCOMPLETE, "The body ended before it was complete.", 400)
    return Sent(dict(request.headers), body, request.META.get("CONTENT_TYPE", ""))


def _throttle(endpoint: WebhookEndpoint) -> None:
    """Count what was proved only: a flood of others must not keep the sender out."""
    limit: int = settings.API_REQUESTS_PER_MINUTE
    if limit > 0 and count_request(f"endpoint-{endpoint.pk}", step=max(limit // 1000, 1)) > limit:
        note_refusal(endpoint, cause=Trouble.TOO_MANY, reason="Too many deliveries in a minute.", now=utcnow())
        raise Throttled(KeyThrottle().wait())


def _refused(endpoint: WebhookEndpoint, cause: str, reason: str, status: int) -> Refused:
    """Return the refusal, noted where the endpoint's owner sees it."""
    bind(refused=f"{cause}: {reason}")
    note_refusal(endpoint, cause=cause, reason=reason, now=utcnow())
    code = "too-large" if status == 413 else "webhook-refused"
    return Refused(reason, status=status, code=code, cause=str(cause))
