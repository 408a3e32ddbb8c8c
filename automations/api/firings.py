"""What rules did, running one now, and how all rules do."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from pydantic import BaseModel, Field
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from automations.api.paging import PAGING, page_of, read_paging
from automations.api.rule_shapes import FiringAnswer, FiringPageAnswer, FiringStoryAnswer, firing_answer
from automations.api.rules import RULE_ID, find_own_rule
from automations.domain.states import FiringState
from automations.models import AutomationRule, Firing
from automations.queries.rules import health_of, list_rules
from automations.services.telling import sentence_of
from automations.services.trying import retry_firing, run_now
from jobs.api.answers import instant
from jobs.api.schema import query_parameter
from jobs.api.views import actor_of, tenant_id_of
from taskflow.lib.bodies import Body, read_body
from taskflow.lib.clock import utcnow
from taskflow.lib.openapi import refusals
from taskflow.lib.problems import Refused, invalid
from tenants.api import key_of
from tenants.domain.roles import Scope

FIRING_ID = OpenApiParameter("firing", UUID, OpenApiParameter.PATH, description="The id of a firing.")
WHOLE = query_parameter("whole", "True for the rules of all tenants and the operator's; needs the scope `fleet`.", bool)
STATES = [state.value for state in FiringState]


class RunBody(Body):
    """What the rule is told to see."""

    payload: dict[str, Any] = Field(default_factory=dict)


class RunAnswer(BaseModel):
    """The firings that were made; they are worked on at once."""

    firings: list[FiringAnswer]


class RuleHealthAnswer(BaseModel):
    """How one rule does. Failures and waiting are those of the last day."""

    id: str
    tenant: str | None = Field(description="Null for the operator's rules, which hold for every tenant.")
    name: str
    enabled: bool
    sentence: str
    last_fired_at: str | None
    last_state: str | None
    last_matched_at: str | None
    next_at: str | None
    failures: int
    waiting: int
    error: str = Field(description="Of the latest failure of the last day.")


class RuleHealthPageAnswer(BaseModel):
    """One page, newest rules first."""

    results: list[RuleHealthAnswer]
    next: str | None
    next_cursor: str | None


class FiringsView(APIView):
    """What a rule did."""

    required_scopes = Scope.AUTOMATIONS_READ

    @extend_schema(
        operation_id="list_firings",
        summary="List the firings of an automation rule",
        description="Also those that did nothing, with the reason.",
        parameters=[
            RULE_ID,
            query_parameter("state", "Only these.", enum=STATES),
            query_parameter("matched", "Only those whose condition was true, or was not.", bool),
            *PAGING,
        ],
        responses={200: FiringPageAnswer} | refusals(400, 404),
    )
    def get(self, request: Request, uid: UUID) -> Response:
        rule, paging = find_own_rule(request, uid), read_paging(request, known=("state", "matched"))
        rows = Firing.objects.for_tenant(tenant_id_of(request)).filter(rule=rule).defer("event")
        state, matched = request.query_params.get("state"), request.query_params.get("matched")
        if state is not None:
            if state not in STATES:
                raise invalid([("state", f"Must be one of {', '.join(STATES)}.")])
            rows = rows.filter(state=state)
        if matched is not None:
            rows = rows.filter(matched=_flag("matched", matched))
        return Response(page_of(request, rows, paging, firing_answer))


class FiringView(APIView):
    """One firing."""

    required_scopes = Scope.AUTOMATIONS_READ

    @extend_schema(
        operation_id="get_firing",
        summary="Read a firing, with what the rule saw and the jobs it made",
        parameters=[RULE_ID, FIRING_ID],
        responses={200: FiringStoryAnswer} | refusals(404),
    )
    def get(self, request: Request, uid: UUID, firing: UUID) -> Response:
        row = _find(request, uid, firing)
        jobs = row.links.order_by("position").values_list("job__uid", flat=True)
        return Response(firing_answer(row) | {"event": row.event, "jobs": [str(job) for job in jobs]})


class RetryFiringView(APIView):
    """Working on a firing again."""

    required_scopes = Scope.AUTOMATIONS_WRITE

    @extend_schema(
        operation_id="retry_firing",
        summary="Work on a failed firing again",
        parameters=[RULE_ID, FIRING_ID],
        request=None,
        responses={202: FiringAnswer} | refusals(404, 409),
    )
    def post(self, request: Request, uid: UUID, firing: UUID) -> Response:
        row = _find(request, uid, firing)
        if not retry_firing(firing=row, now=utcnow()):
            raise Refused("Only a failed firing is worked on again.", status=409, code="not-retryable")
        row.refresh_from_db()
        return Response(firing_answer(row), status=202)


class RunView(APIView):
    """Firing a rule by hand."""

    required_scopes = Scope.AUTOMATIONS_WRITE

    @extend_schema(
        operation_id="run_automation_rule",
        summary="Fire an automation rule now",
        description="Its condition is asked as ever; it may be switched off.",
        parameters=[RULE_ID],
        request=RunBody,
        responses={202: RunAnswer} | refusals(400, 404),
    )
    def post(self, request: Request, uid: UUID) -> Response:
        rule, body = find_own_rule(request, uid), read_body(RunBody, request.data or {})
        made = run_now(rule=rule, actor=actor_of(request), now=utcnow(), payload=body.payload)
        return Response({"firings": [firing_answer(row) for row in made]}, status=202)


class AutomationsView(APIView):
    """How all rules do."""

    required_scopes = Scope.AUTOMATIONS_READ

    @extend_schema(
        operation_id="list_automations",
        summary="List the automation rules with their last and next firing",
        parameters=[WHOLE, *PAGING],
        responses={200: RuleHealthPageAnswer} | refusals(400),
    )
    def get(self, request: Request) -> Response:
        paging = read_paging(request, known=("whole",))
        whole = _flag("whole", request.query_params.get("whole", "false"))
        if whole and Scope.FLEET.value not in key_of(request).scopes:
            raise PermissionDenied(f"Only a key with the scope {Scope.FLEET.value} reaches beyond its tenant.")
        rows = AutomationRule.objects.select_related("tenant") if whole else list_rules(key_of(request).tenant)
        return Response(page_of(request, rows, paging, _health_answer))


def _health_answer(rule: AutomationRule) -> dict[str, Any]:
    health = health_of(rule, now=utcnow())
    return {
        "id": str(rule.uid),
        "tenant": None if rule.tenant is None else rule.tenant.slug,
        "name": rule.name,
        "enabled": rule.enabled,
        "sentence": sentence_of(rule),
        "last_fired_at": instant(health.last.created_at) if health.last else None,
        "last_state": health.last.state if health.last else None,
        "last_matched_at": instant(health.last_match_at),
        "next_at": instant(health.next_at),
        "failures": health.failures,
        "waiting": health.waiting,
        "error": health.error,
    }


def _find(request: Request, uid: UUID, firing: UUID) -> Firing:
    rows = Firing.objects.for_tenant(tenant_id_of(request)).filter(rule=find_own_rule(request, uid))
    row: Firing | None = rows.filter(uid=firing).first()
    if row is None:
        raise NotFound("There is no such firing.")
    return row


def _flag(name: str, text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise invalid([(name, "Must be true or false.")])
    return text.lower() == "true"
