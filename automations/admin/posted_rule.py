"""The rule as it stands in an open form: looked at, tried, and not stored."""

from datetime import tzinfo
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from automations.admin.rule_context import rule_context
from automations.admin.rule_form import RuleForm, tidied
from automations.admin.seats import Seat
from automations.models import AutomationRule
from automations.services.checking import check_rule
from automations.services.rules import RuleInvalid
from workflows.domain.definition import Problem


def rule_of_form(request: HttpRequest, seat: Seat) -> tuple[AutomationRule, RuleForm]:
    """Return the rule as it stands in the form that was sent, unsaved, and the form. Raises Http404."""
    seat.must_edit()
    stored = seat.rule(_uid(request.POST["uid"])) if request.POST.get("uid") else None
    tenant = stored.tenant if stored else None if request.POST.get("for") == "all" else seat.tenant
    if tenant is None and not seat.operator:
        raise PermissionDenied("Only superusers make rules for all tenants.")
    form = RuleForm({}, context=rule_context(None, {}, None), for_operator=tenant is None, posted=request.POST)
    values = tidied(form.read())
    rule = AutomationRule(tenant=tenant, enabled=True, **values)
    rule.trigger_kind = str(values["trigger"].get("kind", ""))
    if stored is not None:
        rule.pk, rule.uid = stored.pk, stored.uid
    return rule, form


def mistakes(rule: AutomationRule) -> list[Problem]:
    """Return everything that keeps a rule from being stored."""
    try:
        check_rule(rule)
    except RuleInvalid as error:
        return list(error.problems)
    return []


def render_part(request: HttpRequest, name: str, zone: tzinfo, context: dict[str, Any]) -> HttpResponse:
    """Render `taskflow/parts/NAME.html` alone, with times in `zone`."""
    with timezone.override(zone):
        response = render(request, f"taskflow/parts/{name}.html", context)
    response["Cache-Control"] = "no-store"
    # By it the page tells its parts from a page of login in their place.
    response["X-Part"] = name
    return response


def _uid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Http404("There is no such rule.") from None
