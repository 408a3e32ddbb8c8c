"""The connection endpoints. Secrets go in and never come out."""

from datetime import UTC, datetime
from typing import Annotated, Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from pydantic import AfterValidator, BaseModel, Field
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from taskflow.lib.bodies import Body, plain_text, read_body
from taskflow.lib.clock import utcnow
from taskflow.lib.openapi import refusals
from taskflow.lib.problems import Refused, invalid
from tenants.api import key_of
from tenants.domain.roles import Scope
from tenants.models import Connection
from tenants.services.connections import (
    LIMITS,
    ConnectionInUse,
    ConnectionInvalid,
    create_connection,
    delete_connection,
    update_connection,
)
from tenants.services.probe import try_connection

SLUG = OpenApiParameter("slug", str, OpenApiParameter.PATH, description="The slug of a connection.")
Count = Annotated[int, Field(strict=True, ge=1, le=1_000_000_000)]
Name = Annotated[str, Field(max_length=200), AfterValidator(plain_text)]
Budget = Annotated[float, Field(ge=0, lt=10_000_000_000, allow_inf_nan=False)]
#: The fields that a PATCH may set to null, which takes the limit away.
NULLABLE = frozenset(LIMITS)


class ConnectionBody(Body):
    """A connection to create."""

    slug: Annotated[str, Field(max_length=63)] = Field(description="How steps name it; it cannot be changed.")
    kind: Annotated[str, Field(max_length=20)] = Field(
        description="openai, anthropic, gemini, ollama, http, webhook, mail, slack or teams; it cannot be changed."
    )
    name: Name | None = Field(None, description="What people call it; the slug if not given.")
    config: dict[str, Any] = Field(default_factory=dict, description="What the kind has to know, such as `base_url`.")
    secrets: dict[str, str] = Field(default_factory=dict, description="Never given out again.")
    enabled: Annotated[bool, Field(strict=True)] = True
    concurrent: Count | None = Field(None, description="Calls at once, over all workers.")
    requests_per_minute: Count | None = None
    tokens_per_minute: Count | None = None
    monthly_budget: Budget | None = Field(None, description="US dollars.")


class ConnectionPatch(Body):
    """What to change; what is not given stays."""

    name: Name | None = None
    config: dict[str, Any] | None = Field(None, description="Its keys are replaced one by one.")
    secrets: dict[str, str | None] = Field(default_factory=dict, description="Null removes one.")
    enabled: Annotated[bool, Field(strict=True)] | None = None
    concurrent: Count | None = Field(None, description="Null takes the limit away.")
    requests_per_minute: Count | None = None
    tokens_per_minute: Count | None = None
    monthly_budget: Budget | None = None


class SecretAnswer(BaseModel):
    """That there is a secret, and since when."""

    set_at: str


class ConnectionTestAnswer(BaseModel):
    """What reaching the other side showed."""

    ok: bool
    message: str
    at: str


class ConnectionAnswer(BaseModel):
    """A connection without its secrets."""

    id: str
    slug: str
    name: str
    kind: str
    config: dict[str, Any]
    secrets: dict[str, SecretAnswer]
    enabled: bool
    concurrent: int | None
    requests_per_minute: int | None
    tokens_per_minute: int | None
    monthly_budget: float | None
    last_test: ConnectionTestAnswer | None
    created_at: str
    updated_at: str


class ConnectionListAnswer(BaseModel):
    """The connections, by slug."""

    results: list[ConnectionAnswer]


class ConnectionsView(APIView):
    """The connections of a tenant."""

    required_scopes = {"GET": Scope.CONNECTIONS_READ, "POST": Scope.CONNECTIONS_WRITE}

    @extend_schema(
        operation_id="list_connections",
        summary="List connections",
        responses={200: ConnectionListAnswer} | refusals(),
    )
    def get(self, request: Request) -> Response:
        rows = Connection.objects.for_tenant(key_of(request).tenant_id).order_by("slug")
        return Response({"results": [answer_of(row) for row in rows]})

    @extend_schema(
        operation_id="create_connection",
        summary="Create a connection",
        request=ConnectionBody,
        responses={201: ConnectionAnswer} | refusals(400),
    )
    def post(self, request: Request) -> Response:
        body = read_body(ConnectionBody, request.data)
        given = body.model_dump(exclude={"name"}) | ({} if body.name is None else {"name": body.name})
        try:
            row = create_connection(tenant=key_of(request).tenant, now=utcnow(), **given)
        except ConnectionInvalid as error:
            raise invalid(error.problems) from error
        address = f"/api/v1/connections/{row.slug}"
        return Response(answer_of(row), status=201, headers={"Location": address})


class ConnectionView(APIView):
    """One connection."""

    required_scopes = {
        "GET": Scope.CONNECTIONS_READ,
        "PATCH": Scope.CONNECTIONS_WRITE,
        "DELETE": Scope.CONNECTIONS_WRITE,
    }

    @extend_schema(
        operation_id="get_connection",
        summary="Read a connection",
        parameters=[SLUG],
        responses={200: ConnectionAnswer} | refusals(404),
    )
    def get(self, request: Request, slug: str) -> Response:
        return Response(answer_of(_find(request, slug)))

    @extend_schema(
        operation_id="update_connection",
        summary="Change a connection",
        description="When it leads to another host, its secrets must be given anew or removed.",
        parameters=[SLUG],
        request=ConnectionPatch,
        responses={200: ConnectionAnswer} | refusals(400, 404),
    )
    def patch(self, request: Request, slug: str) -> Response:
        row = _find(request, slug)
        body = read_body(ConnectionPatch, request.data)
        given = {name: getattr(body, name) for name in body.model_fields_set}
        given = {name: value for name, value in given.items() if value is not None or name in NULLABLE}
        if "config" in given:
            given["config"] = {**row.config, **given["config"]}
        try:
            return Response(answer_of(update_connection(connection=row, now=utcnow(), **given)))
        except ConnectionInvalid as error:
            raise invalid(error.problems) from error

    @extend_schema(
        operation_id="delete_connection",
        summary="Delete a connection",
        description="409 where a draft or a live version names it; `uses` says which steps.",
        parameters=[SLUG],
        responses={204: None} | refusals(404, 409),
    )
    def delete(self, request: Request, slug: str) -> Response:
        try:
            delete_connection(connection=_find(request, slug))
        except ConnectionInUse as error:
            raise Refused(str(error), status=409, code="in-use", uses=error.uses) from error
        return Response(status=204)


class TestView(APIView):
    """Trying a connection."""

    required_scopes = Scope.CONNECTIONS_WRITE

    @extend_schema(
        operation_id="test_connection",
        summary="Test a connection",
        description="Reaches the other side once, for at most ten seconds. Chats and webhooks get a test message.",
        parameters=[SLUG],
        request=None,
        responses={200: ConnectionTestAnswer} | refusals(404),
    )
    def post(self, request: Request, slug: str) -> Response:
        row = _find(request, slug)
        try_connection(row=row, now=utcnow())
        return Response(answer_of(row)["last_test"])


def _find(request: Request, slug: str) -> Connection:
    rows = Connection.objects.for_tenant(key_of(request).tenant_id)
    row: Connection | None = rows.filter(slug=slug).first()
    if row is None:
        raise NotFound(f"There is no connection '{slug}'.")
    return row


def answer_of(row: Connection) -> dict[str, Any]:
    """Return a connection as the API shows it."""
    test = row.last_test
    return {
        "id": str(row.uid),
        "slug": row.slug,
        "name": row.name,
        "kind": row.kind,
        "config": row.config,
        "secrets": {name: {"set_at": _instant(datetime.fromisoformat(at))} for name, at in row.secrets_set_at.items()},
        "enabled": row.enabled,
        "concurrent": row.concurrent,
        "requests_per_minute": row.requests_per_minute,
        "tokens_per_minute": row.tokens_per_minute,
        "monthly_budget": None if row.monthly_budget is None else float(row.monthly_budget),
        "last_test": test and {**test, "at": _instant(datetime.fromisoformat(test["at"]))},
        "created_at": _instant(row.created_at),
        "updated_at": _instant(row.updated_at),
    }


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
