"""The webhook endpoints of a tenant. Addresses and secrets are shown once, and never again."""

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from pydantic import BaseModel, Field
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from automations.models import WebhookEndpoint
from automations.services.endpoints import (
    CURRENT,
    PREVIOUS,
    EndpointInvalid,
    Issued,
    create_endpoint,
    delete_endpoint,
    remove_previous_secret,
    renew_address,
    rotate_secret,
    update_endpoint,
)
from jobs.api.answers import instant
from taskflow.lib.bodies import Body, read_body
from taskflow.lib.clock import utcnow
from taskflow.lib.openapi import refusals
from taskflow.lib.problems import Refused, invalid
from tenants.api import key_of
from tenants.domain.roles import Scope

ENDPOINT_ID = OpenApiParameter("uid", UUID, OpenApiParameter.PATH, description="The id of a webhook endpoint.")
Tolerance = Annotated[int, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]
Secret = Annotated[str, Field(max_length=200)]
LONGEST_OVERLAP = 90 * 86_400


class EndpointBody(Body):
    """An endpoint to create."""

    name: str
    scheme: str = Field("standard", description="standard, github, stripe, slack or plain; it cannot be changed.")
    secret: Secret | None = Field(
        None, description="The sender's. Without one we make it; Stripe and Slack make theirs, to be set by rotate."
    )
    config: dict[str, Any] = Field(
        default_factory=dict,
        description="For plain: `proof` (signature or token), `header`, `id_header`, `event_header`.",
    )
    tolerance: Tolerance = Field(300, description="Seconds by which a signed timestamp may be off.")
    enabled: Flag = True


class EndpointPatch(Body):
    """What to change; what is not given stays."""

    name: str | None = None
    config: dict[str, Any] | None = None
    tolerance: Tolerance | None = None
    enabled: Flag | None = None


class RotateBody(Body):
    """Another secret."""

    secret: Secret | None = Field(None, description="The sender's. Without one we make it.")
    keep_previous_seconds: Annotated[int, Field(strict=True, ge=0, le=LONGEST_OVERLAP)] | None = Field(
        None, description="How long the one before holds too; until it is removed if not given."
    )


class RefusalAnswer(BaseModel):
    """How often requests were refused for one cause."""

    cause: str
    count: int
    reason: str = Field(description="In the words of the last one.")
    first_at: str
    last_at: str


class EndpointAnswer(BaseModel):
    """An endpoint, without its address and secrets."""

    id: str
    name: str
    scheme: str
    config: dict[str, Any]
    tolerance: int
    enabled: bool
    address: str = Field(description="The beginning of the address; the whole is told once.")
    secrets: dict[str, str] = Field(description="`current` and `previous`, with when each was set.")
    previous_until: str | None
    refusals: list[RefusalAnswer]
    created_at: str
    updated_at: str


class IssuedAnswer(EndpointAnswer):
    """An endpoint with what is told once."""

    url: str | None = Field(description="Where the sender posts to; null where it did not change.")
    secret: str | None = Field(description="Null where it did not change, or the sender makes it.")


class EndpointListAnswer(BaseModel):
    """The endpoints, by name."""

    results: list[EndpointAnswer]


class EndpointsView(APIView):
    """The endpoints of a tenant."""

    required_scopes = {"GET": Scope.AUTOMATIONS_READ, "POST": Scope.AUTOMATIONS_WRITE}

    @extend_schema(
        operation_id="list_webhook_endpoints",
        summary="List webhook endpoints",
        responses={200: EndpointListAnswer} | refusals(),
    )
    def get(self, request: Request) -> Response:
        rows = WebhookEndpoint.objects.for_tenant(key_of(request).tenant_id).prefetch_related("refusals")
        return Response({"results": [endpoint_answer(row) for row in rows]})

    @extend_schema(
        operation_id="create_webhook_endpoint",
        summary="Create a webhook endpoint",
        description="The answer holds its `url` and `secret`; neither is told again.",
        request=EndpointBody,
        responses={201: IssuedAnswer} | refusals(400),
    )
    def post(self, request: Request) -> Response:
        body = read_body(EndpointBody, request.data)
        given = body.model_dump(exclude={"secret"}) | {"secret": body.secret or ""}
        try:
            issued = create_endpoint(tenant=key_of(request).tenant, now=utcnow(), **given)
        except EndpointInvalid as error:
            raise invalid(error.problems) from error
        where = {"Location": reverse("webhook-endpoint", args=[issued.endpoint.uid])}
        return Response(issued_answer(request, issued), status=201, headers=where)


class EndpointView(APIView):
    """One endpoint."""

    required_scopes = {
        "GET": Scope.AUTOMATIONS_READ,
        "PATCH": Scope.AUTOMATIONS_WRITE,
        "DELETE": Scope.AUTOMATIONS_WRITE,
    }

    @extend_schema(
        operation_id="get_webhook_endpoint",
        summary="Read a webhook endpoint",
        parameters=[ENDPOINT_ID],
        responses={200: EndpointAnswer} | refusals(404),
    )
    def get(self, request: Request, uid: UUID) -> Response:
        return Response(endpoint_answer(find_own_endpoint(request, uid)))

    @extend_schema(
        operation_id="update_webhook_endpoint",
        summary="Change a webhook endpoint",
        parameters=[ENDPOINT_ID],
        request=EndpointPatch,
        responses={200: EndpointAnswer} | refusals(400, 404),
    )
    def patch(self, request: Request, uid: UUID) -> Response:
        row, body = find_own_endpoint(request, uid), read_body(EndpointPatch, request.data)
        given = {name: value for name, value in body.model_dump(exclude_unset=True).items() if value is not None}
        try:
            return Response(endpoint_answer(update_endpoint(endpoint=row, **given)))
        except EndpointInvalid as error:
            raise invalid(error.problems) from error

    @extend_schema(
        operation_id="delete_webhook_endpoint",
        summary="Delete a webhook endpoint with what it received",
        description="Firings stay; rules that listen to it are never set going again.",
        parameters=[ENDPOINT_ID],
        responses={204: None} | refusals(404),
    )
    def delete(self, request: Request, uid: UUID) -> Response:
        delete_endpoint(endpoint=find_own_endpoint(request, uid))
        return Response(status=204)


class RotateView(APIView):
    """Another secret."""

    required_scopes = Scope.AUTOMATIONS_WRITE

    @extend_schema(
        operation_id="rotate_webhook_secret",
        summary="Give a webhook endpoint another secret",
        description="The one before holds too until it is removed, or for `keep_previous_seconds`.",
        parameters=[ENDPOINT_ID],
        request=RotateBody,
        responses={200: IssuedAnswer} | refusals(400, 404),
    )
    def post(self, request: Request, uid: UUID) -> Response:
        row, body = find_own_endpoint(request, uid), read_body(RotateBody, request.data or {})
        overlap = None if body.keep_previous_seconds is None else timedelta(seconds=body.keep_previous_seconds)
        try:
            issued = rotate_secret(endpoint=row, now=utcnow(), secret=body.secret or "", overlap=overlap)
        except EndpointInvalid as error:
            raise invalid(error.problems) from error
        return Response(issued_answer(request, issued))


class PreviousSecretView(APIView):
    """The secret before the present one."""

    required_scopes = Scope.AUTOMATIONS_WRITE

    @extend_schema(
        operation_id="remove_previous_webhook_secret",
        summary="Remove the secret before the present one",
        parameters=[ENDPOINT_ID],
        responses={200: EndpointAnswer} | refusals(404, 409),
    )
    def delete(self, request: Request, uid: UUID) -> Response:
        row = find_own_endpoint(request, uid)
        if not remove_previous_secret(endpoint=row):
            raise Refused("There is no secret before the present one.", status=409, code="no-previous-secret")
        row.refresh_from_db()
        return Response(endpoint_answer(row))


class AddressView(APIView):
    """Another address."""

    required_scopes = Scope.AUTOMATIONS_WRITE

    @extend_schema(
        operation_id="renew_webhook_address",
        summary="Give a webhook endpoint another address",
        description="The one before leads nowhere at once.",
        parameters=[ENDPOINT_ID],
        request=None,
        responses={200: IssuedAnswer} | refusals(404),
    )
    def post(self, request: Request, uid: UUID) -> Response:
        return Response(issued_answer(request, renew_address(endpoint=find_own_endpoint(request, uid))))


def find_own_endpoint(request: Request, uid: UUID) -> WebhookEndpoint:
    """Return an endpoint of the key's tenant. Raises NotFound."""
    rows = WebhookEndpoint.objects.for_tenant(key_of(request).tenant_id)
    row: WebhookEndpoint | None = rows.filter(uid=uid).first()
    if row is None:
        raise NotFound("There is no such webhook endpoint.")
    return row


def issued_answer(request: Request, issued: Issued) -> dict[str, Any]:
    """Return an endpoint with what is told once."""
    url = request.build_absolute_uri(reverse("webhook", args=[issued.key])) if issued.key else None
    return endpoint_answer(issued.endpoint) | {"url": url, "secret": issued.secret or None}


def endpoint_answer(row: WebhookEndpoint) -> dict[str, Any]:
    """Return an endpoint as the API shows it."""
    times = row.secrets_set_at
    return {
        "id": str(row.uid),
        "name": row.name,
        "scheme": row.scheme,
        "config": row.config,
        "tolerance": row.tolerance,
        "enabled": row.enabled,
        "address": f"/api/v1/events/webhook/{row.prefix}…",
        "secrets": {name: times[name] for name in (CURRENT, PREVIOUS) if name in times},
        "previous_until": instant(row.previous_until),
        "refusals": [
            {
                "cause": each.cause,
                "count": each.count,
                "reason": each.reason,
                "first_at": instant(each.first_at),
                "last_at": instant(each.last_at),
            }
            for each in row.refusals.all()
        ],
        "created_at": instant(row.created_at),
        "updated_at": instant(row.updated_at),
    }
