"""What webhook endpoints received, and telling the rules of it again."""

import base64
from typing import Any
from uuid import UUID

from django.db.models.functions import Length
from drf_spectacular.utils import OpenApiParameter, extend_schema
from pydantic import BaseModel, Field
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from automations.api.endpoints import ENDPOINT_ID, find_own_endpoint
from automations.api.paging import PAGING, page_of, read_paging
from automations.domain.states import DeliveryState
from automations.models import WebhookDelivery
from automations.services.receiving import replay_delivery
from jobs.api.answers import instant
from jobs.api.schema import query_parameter
from jobs.api.views import actor_of
from taskflow.lib.clock import utcnow
from taskflow.lib.openapi import refusals
from taskflow.lib.problems import Refused, invalid
from tenants.domain.roles import Scope

DELIVERY_ID = OpenApiParameter("delivery", UUID, OpenApiParameter.PATH, description="The id of a delivery.")
STATES = [state.value for state in DeliveryState]


class DeliveryAnswer(BaseModel):
    """What came in. `reason` says which rules were told, or why it was refused."""

    id: str
    delivery_id: str
    event: str
    state: str = Field(description="`received`, `fired` or `refused`.")
    reason: str
    size: int
    replays: int
    received_at: str


class DeliveryPageAnswer(BaseModel):
    """One page, newest first."""

    results: list[DeliveryAnswer]
    next: str | None
    next_cursor: str | None


class ReplayAnswer(BaseModel):
    """Somebody had it told again."""

    by: str
    at: str
    firings: int


class FiringOfDelivery(BaseModel):
    """A firing it made."""

    id: str
    rule: str
    state: str


class DeliveryStoryAnswer(DeliveryAnswer):
    """One delivery with all that is kept of it."""

    headers: dict[str, str]
    payload: Any
    body: str = Field(description="The raw bytes, as base64.")
    replayed: list[ReplayAnswer]
    firings: list[FiringOfDelivery]


class DeliveriesView(APIView):
    """What an endpoint received."""

    required_scopes = Scope.AUTOMATIONS_READ

    @extend_schema(
        operation_id="list_webhook_deliveries",
        summary="List what a webhook endpoint received",
        parameters=[ENDPOINT_ID, query_parameter("state", "Only these.", enum=STATES), *PAGING],
        responses={200: DeliveryPageAnswer} | refusals(400, 404),
    )
    def get(self, request: Request, uid: UUID) -> Response:
        endpoint, paging = find_own_endpoint(request, uid), read_paging(request, known=("state",))
        rows = WebhookDelivery.objects.filter(endpoint=endpoint).prefetch_related("replays").defer("payload", "body")
        rows = rows.annotate(size=Length("body"))
        if (state := request.query_params.get("state")) is not None:
            if state not in STATES:
                raise invalid([("state", f"Must be one of {', '.join(STATES)}.")])
            rows = rows.filter(state=state)
        return Response(page_of(request, rows, paging, delivery_answer))


class DeliveryView(APIView):
    """One delivery."""

    required_scopes = Scope.AUTOMATIONS_READ

    @extend_schema(
        operation_id="get_webhook_delivery",
        summary="Read a delivery as it came",
        parameters=[ENDPOINT_ID, DELIVERY_ID],
        responses={200: DeliveryStoryAnswer} | refusals(404),
    )
    def get(self, request: Request, uid: UUID, delivery: UUID) -> Response:
        return Response(story_answer(_find(request, uid, delivery)))


class ReplayView(APIView):
    """Telling the rules again."""

    required_scopes = Scope.AUTOMATIONS_WRITE

    @extend_schema(
        operation_id="replay_webhook_delivery",
        summary="Tell the rules of a delivery again",
        description="Each replay makes firings of its own, of the rules that listen now. The log says who did it.",
        parameters=[ENDPOINT_ID, DELIVERY_ID],
        request=None,
        responses={202: ReplayAnswer} | refusals(404, 409),
    )
    def post(self, request: Request, uid: UUID, delivery: UUID) -> Response:
        row = _find(request, uid, delivery)
        try:
            replay = replay_delivery(delivery=row, by=actor_of(request), now=utcnow())
        except ValueError as error:
            raise Refused(str(error), status=409, code="not-replayable") from error
        return Response({"by": replay.by, "at": instant(replay.at), "firings": replay.firings}, status=202)


def _find(request: Request, uid: UUID, delivery: UUID) -> WebhookDelivery:
    rows = WebhookDelivery.objects.filter(endpoint=find_own_endpoint(request, uid), uid=delivery)
    row: WebhookDelivery | None = (
        rows.annotate(size=Length("body")).select_related("endpoint").prefetch_related("replays").first()
    )
    if row is None:
        raise NotFound("There is no such delivery.")
    return row


def delivery_answer(row: Any) -> dict[str, Any]:
    """Return a delivery, annotated with its `size`, as lists show it."""
    return {
        "id": str(row.uid),
        "delivery_id": row.delivery_id,
        "event": row.event_type,
        "state": row.state,
        "reason": row.reason,
        "size": row.size,
        "replays": len(row.replays.all()),
        "received_at": instant(row.received_at),
    }


def story_answer(row: WebhookDelivery) -> dict[str, Any]:
    """Return a delivery with all that is kept of it."""
    firings = row.firings.order_by("-pk")[:200]
    return delivery_answer(row) | {
        "headers": row.headers,
        "payload": row.payload,
        "body": base64.b64encode(bytes(row.body)).decode(),
        "replayed": [{"by": each.by, "at": instant(each.at), "firings": each.firings} for each in row.replays.all()],
        "firings": [{"id": str(each.uid), "rule": each.rule_name, "state": each.state} for each in firings],
    }
