"""Telling that something happened, with an API key."""

import re
from typing import Annotated, Any

from drf_spectacular.utils import extend_schema
from pydantic import BaseModel, Field
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from automations.domain.triggers import NAME
from automations.services.events import tell_event
from jobs.api.bodies import check_size
from jobs.api.views import actor_of, tenant_id_of
from taskflow.lib.bodies import Body, read_body
from taskflow.lib.clock import utcnow
from taskflow.lib.openapi import refusals
from taskflow.lib.problems import invalid
from tenants.domain.roles import Scope

LONGEST_ID = 200
_ID = re.compile(r"[!-~](?:[ -~]*[!-~])?")


class EventBody(Body):
    """Something that happened."""

    name: Annotated[str, Field(max_length=100)] = Field(
        description="What rules listen to: a letter, then letters, digits, dots, colons, hyphens, underscores."
    )
    payload: dict[str, Any] = Field(default_factory=dict)
    id: Annotated[str, Field(max_length=LONGEST_ID)] | None = Field(
        None, description="Your own id of it, printable ASCII: the same again is told once."
    )


class EventAnswer(BaseModel):
    """That it is stored. A repetition gets the answer of the first, with 200."""

    id: str
    name: str


class EventsView(APIView):
    """The events of a tenant."""

    required_scopes = Scope.EVENTS_WRITE

    @extend_schema(
        operation_id="tell_event",
        summary="Tell that something happened",
        description="202: stored; the rules that listen to its name work on it afterwards. 200: it was told before.",
        request=EventBody,
        responses={200: EventAnswer, 202: EventAnswer} | refusals(400, 413),
    )
    def post(self, request: Request) -> Response:
        body = read_body(EventBody, request.data)
        faults = check_size(body.payload, sent=int(request.META.get("CONTENT_LENGTH") or 0))
        if not re.fullmatch(NAME, body.name):
            faults.append(("name", "Must be a letter, then letters, digits, dots, colons, hyphens and underscores."))
        if body.id is not None and not _ID.fullmatch(body.id):
            faults.append(("id", "Must be printable ASCII, no blank at either end."))
        if faults:
            raise invalid(faults)
        row, new, _listening = tell_event(
            tenant_id=tenant_id_of(request),
            name=body.name,
            payload=body.payload,
            key=body.id or "",
            source=actor_of(request),
            now=utcnow(),
        )
        return Response({"id": str(row.uid), "name": row.name}, status=202 if new else 200)
