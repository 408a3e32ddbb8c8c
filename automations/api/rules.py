"""The automation rules of a tenant: made, changed, tried, and what they did."""

from typing import Any
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from automations.api.paging import PAGING, page_of, read_paging
from automations.api.rule_shapes import (
    RULE_FIELDS,
    RuleAnswer,
    RuleBody,
    RulePageAnswer,
    RulePatch,
    RuleSchema,
    RuleSchemaPatch,
    SwitchAnswer,
    TestBody,
    TrialListAnswer,
    rule_answer,
    trial_answer,
)
from automations.domain.states import TriggerKind
from automations.models import AutomationRule, Firing, WebhookDelivery
from automations.queries.rules import find_rule, list_rules
from automations.services.occurrences import event_of_delivery
from automations.services.rules import Conflict, RuleInvalid, create_rule, delete_rule, edit_rule, set_enabled
from automations.services.trying import dry_run
from jobs.api.schema import header
from taskflow.lib.bodies import read_body
from taskflow.lib.clock import utcnow
from taskflow.lib.db import in_transaction
from taskflow.lib.openapi import refusals
from taskflow.lib.problems import Refused, invalid
from tenants.api import key_of
from tenants.domain.roles import Scope
from tenants.models import Tenant

RULE_ID = OpenApiParameter("uid", UUID, OpenApiParameter.PATH, description="The id of a rule.")
IF_MATCH = header("If-Match", "The revision to change, as `ETag` told it; or send `revision` in the body.")


class RulesView(APIView):
    """The rules of a tenant."""

    required_scopes = {"GET": Scope.AUTOMATIONS_READ, "POST": Scope.AUTOMATIONS_WRITE}

    @extend_schema(
        operation_id="list_automation_rules",
        summary="List automation rules",
        description="Newest first.",
        parameters=PAGING,
        responses={200: RulePageAnswer} | refusals(400),
    )
    def get(self, request: Request) -> Response:
        rows = list_rules(key_of(request).tenant)
        return Response(page_of(request, rows, read_paging(request), rule_answer))

    @extend_schema(
        operation_id="create_automation_rule",
        summary="Create an automation rule",
        description="docs/automations.md tells the kinds of triggers and actions.",
        request=RuleSchema,
        responses={201: RuleAnswer} | refusals(400),
    )
    def post(self, request: Request) -> Response:
        body = read_body(RuleBody, request.data)
        values = body.model_dump(include=set(RULE_FIELDS))
        try:
            rule = create_rule(tenant=key_of(request).tenant, values=values, now=utcnow(), enabled=body.enabled)
        except RuleInvalid as error:
            raise refused(error) from error
        return _answer(rule, status=201)


class RuleView(APIView):
    """One rule."""

    required_scopes = {
        "GET": Scope.AUTOMATIONS_READ,
        "PUT": Scope.AUTOMATIONS_WRITE,
        "PATCH": Scope.AUTOMATIONS_WRITE,
        "DELETE": Scope.AUTOMATIONS_WRITE,
    }

    @extend_schema(
        operation_id="get_automation_rule",
        summary="Read an automation rule",
        parameters=[RULE_ID],
        responses={200: RuleAnswer} | refusals(404),
    )
    def get(self, request: Request, uid: UUID) -> Response:
        return _answer(find_own_rule(request, uid))

    @extend_schema(
        operation_id="replace_automation_rule",
        summary="Change an automation rule whole",
        description="What is not given is as for a new rule. 409 (412 with If-Match) if it was changed meanwhile.",
        parameters=[RULE_ID, IF_MATCH],
        request=RuleSchema,
        responses={200: RuleAnswer} | refusals(400, 404, 409),
    )
    def put(self, request: Request, uid: UUID) -> Response:
        rule, body = find_own_rule(request, uid), read_body(RuleBody, request.data)
        values = body.model_dump(include=set(RULE_FIELDS))
        return _change(request, rule, body.revision, values, body.enabled)

    @extend_schema(
        operation_id="update_automation_rule",
        summary="Change an automation rule",
        description="What is not given stays. 409 (412 with If-Match) if it was changed meanwhile.",
        parameters=[RULE_ID, IF_MATCH],
        request=RuleSchemaPatch,
        responses={200: RuleAnswer} | refusals(400, 404, 409),
    )
    def patch(self, request: Request, uid: UUID) -> Response:
        rule, body = find_own_rule(request, uid), read_body(RulePatch, request.data)
        given = body.model_dump(include=set(RULE_FIELDS), exclude_unset=True)
        values = {name: value for name, value in given.items() if value is not None}
        return _change(request, rule, body.revision, values, body.enabled)

    @extend_schema(
        operation_id="delete_automation_rule",
        summary="Delete an automation rule",
        description="What it did stays with the deliveries and jobs.",
        parameters=[RULE_ID],
        responses={204: None} | refusals(404),
    )
    def delete(self, request: Request, uid: UUID) -> Response:
        delete_rule(rule=find_own_rule(request, uid))
        return Response(status=204)


class EnableView(APIView):
    """Switching a rule on."""

    required_scopes = Scope.AUTOMATIONS_WRITE

    @extend_schema(
        operation_id="enable_automation_rule",
        summary="Switch an automation rule on",
        description="What it missed while it was off is not made up for.",
        parameters=[RULE_ID],
        request=None,
        responses={200: SwitchAnswer} | refusals(400, 404),
    )
    def post(self, request: Request, uid: UUID) -> Response:
        return _switch(request, uid, enabled=True)


class DisableView(APIView):
    """Switching a rule off."""

    required_scopes = Scope.AUTOMATIONS_WRITE

    @extend_schema(
        operation_id="disable_automation_rule",
        summary="Switch an automation rule off",
        parameters=[RULE_ID],
        request=None,
        responses={200: SwitchAnswer} | refusals(404),
    )
    def post(self, request: Request, uid: UUID) -> Response:
        return _switch(request, uid, enabled=False)


class TestView(APIView):
    """Trying a rule."""

    required_scopes = Scope.AUTOMATIONS_WRITE

    @extend_schema(
        operation_id="test_automation_rule",
        summary="Say what an automation rule would do, without doing it",
        description=(
            "With the `event` given, or that of a `firing` or `delivery`; without any, the latest the rule met. "
            "`matched` says whether its condition is true, `why` which parts of it are, `would` what it would do."
        ),
        parameters=[RULE_ID],
        request=TestBody,
        responses={200: TrialListAnswer} | refusals(400, 404),
    )
    def post(self, request: Request, uid: UUID) -> Response:
        rule, body = find_own_rule(request, uid), read_body(TestBody, request.data or {})
        tenant = key_of(request).tenant
        seen, job = _event_to_try(rule, tenant, body)
        trials = dry_run(rule, now=utcnow(), tenant=tenant, event=seen, job=job)
        return Response({"event": seen, "results": [trial_answer(trial) for trial in trials]})


def _event_to_try(rule: AutomationRule, tenant: Tenant, body: TestBody) -> tuple[dict[str, Any], Any]:
    """Return what the rule is told to see, and the job it is about. Raises Refused for what is not there."""
    if body.event is not None:
        return body.event, None
    if body.delivery is not None:
        delivery = (
            WebhookDelivery.objects.for_tenant(tenant).filter(uid=body.delivery).select_related("endpoint").first()
        )
        if delivery is None:
            raise invalid([("delivery", "There is no such delivery.")])
        return event_of_delivery(delivery), None
    firings = Firing.objects.for_tenant(tenant).select_related("job__workflow", "job__queue")
    if body.firing is not None:
        firing = firings.filter(uid=body.firing).first()
        if firing is None:
            raise invalid([("firing", "There is no such firing.")])
        return firing.event, firing.job
    latest = firings.filter(rule=rule).order_by("-pk").first()
    if latest is not None:
        return latest.event, latest.job
    return _latest_delivery(rule, tenant), None


def _latest_delivery(rule: AutomationRule, tenant: Tenant) -> dict[str, Any]:
    if rule.trigger_kind != TriggerKind.WEBHOOK:
        return {}
    rows = WebhookDelivery.objects.for_tenant(tenant).filter(endpoint__uid=rule.listens_to)
    latest = rows.exclude(payload=None).select_related("endpoint").order_by("-pk").first()
    return {} if latest is None else event_of_delivery(latest)


def _switch(request: Request, uid: UUID, *, enabled: bool) -> Response:
    try:
        rule = set_enabled(rule=find_own_rule(request, uid), enabled=enabled, now=utcnow())
    except AutomationRule.DoesNotExist as error:
        raise _gone() from error
    except RuleInvalid as error:
        raise refused(error) from error
    return Response({"id": str(rule.uid), "enabled": rule.enabled})


def _change(
    request: Request, rule: AutomationRule, revision: int | None, values: dict[str, Any], enabled: bool | None
) -> Response:
    match = request.headers.get("If-Match", "").strip().removeprefix("W/").strip('"')
    wanted = revision if revision is not None else (int(match) if match.isascii() and match.isdigit() else None)
    if wanted is None:
        raise invalid([("revision", "Say which revision you change: here, or as If-Match.")])
    now = utcnow()

    def work() -> AutomationRule:
        row = edit_rule(rule=rule, revision=min(wanted, 2**31), values=values, now=now)
        return row if enabled is None else set_enabled(rule=row, enabled=enabled, now=now)

    try:
        row = in_transaction(work)
    except AutomationRule.DoesNotExist as error:
        raise _gone() from error
    except Conflict as error:
        status = 412 if revision is None else 409
        raise Refused(str(error), status=status, code="revision-conflict", current=error.current) from error
    except RuleInvalid as error:
        raise refused(error) from error
    return _answer(row)


def _answer(rule: AutomationRule, status: int = 200) -> Response:
    headers = {"ETag": f'"{rule.revision}"'}
    if status == 201:
        headers["Location"] = reverse("automation-rule", args=[rule.uid])
    return Response(rule_answer(rule), status=status, headers=headers)


def find_own_rule(request: Request, uid: UUID) -> AutomationRule:
    """Return a rule of the key's tenant. Raises NotFound."""
    rule = find_rule(key_of(request).tenant, uid)
    if rule is None:
        raise _gone()
    return rule


def _gone() -> NotFound:
    return NotFound("There is no such rule.")


def refused(error: RuleInvalid) -> Refused:
    """Return the refusal of a rule, naming each place."""
    return invalid([(problem.place, problem.message) for problem in error.problems])
