"""A rule's editor: its form, a live preview of what it says, and saving it."""

from typing import Any, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from automations.admin.posted_rule import mistakes, render_part, rule_of_form
from automations.admin.rule_context import fields_of_jobs, rule_context
from automations.admin.rule_form import RuleForm, by_control, tidied, values_of
from automations.admin.seats import Seat, seated
from automations.admin.starters import starters
from automations.admin.trying import sources_to_try
from automations.domain.cron import describe, next_times
from automations.domain.triggers import CronTrigger
from automations.models import AutomationRule
from automations.queries.rules import health_of, zone_of
from automations.services.compiling import compile_rule
from automations.services.rules import Conflict, RuleInvalid, create_rule, edit_rule, set_enabled
from automations.services.telling import sentence_of
from taskflow.lib.clock import utcnow
from tenants.admin.current import actor_of
from tenants.admin.frame import render_page
from tenants.models import Tenant

SHOWN_TIMES = 5


@seated
def new_view(request: HttpRequest, seat: Seat) -> HttpResponse:
    """Make a rule: of the tenant, or, for superusers who ask for it, of the operator."""
    seat.must_edit()
    tenant = None if seat.operator and request.GET.get("for") == "all" else seat.tenant
    found = starters(request.user.email, for_operator=tenant is None)  # type: ignore[union-attr]
    chosen = next((each for each in found if each.key == request.GET.get("with")), None)
    form = _form(request, tenant, chosen.values if chosen else {}, None)
    if request.method != "POST":
        return _render(request, seat, tenant, form, None, starters=found, chosen=chosen)
    values, enabled = tidied(form.read()), request.POST.get("enabled") == "true"
    try:
        _must_fit(form, tenant)
        rule = create_rule(tenant=tenant, values=values, now=utcnow(), user=_user(request), enabled=enabled)
    except RuleInvalid as error:
        return _render(request, seat, tenant, form, None, problems=error.problems, starters=found, chosen=chosen)
    state = "and works from now on" if enabled else "and is switched off until you switch it on"
    messages.success(request, f"“{rule.name}” is made {state}.")
    return HttpResponseRedirect(reverse("automation_rule", args=[rule.uid]))


@seated
def edit_view(request: HttpRequest, seat: Seat, uid: UUID) -> HttpResponse:
    """Show a rule; change it as it was when the form was opened."""
    rule = seat.rule(uid)
    form = _form(request, rule.tenant, values_of(rule), rule)
    if request.method != "POST":
        return _render(request, seat, rule.tenant, form, rule)
    seat.must_edit()
    try:
        _must_fit(form, rule.tenant)
        row = _save(request, rule, form)
    except RuleInvalid as error:
        return _render(request, seat, rule.tenant, form, rule, problems=error.problems)
    except Conflict:
        return _render(request, seat, rule.tenant, form, seat.rule(uid), conflict=True)
    messages.success(request, f"“{row.name}” is saved{'' if row.enabled else ', and switched off'}.")
    return HttpResponseRedirect(reverse("automation_rule", args=[row.uid]))


def _save(request: HttpRequest, rule: AutomationRule, form: RuleForm) -> AutomationRule:
    """Store what was typed. Raises Conflict and RuleInvalid."""
    now, user, enabled = utcnow(), _user(request), request.POST.get("enabled") == "true"
    known = request.POST.get("revision", "")
    revision = int(known) if known.isascii() and known.isdigit() and len(known) < 10 else 0
    row = edit_rule(rule=rule, revision=revision, values=tidied(form.read()), now=now, user=user)
    return row if row.enabled == enabled else set_enabled(rule=row, enabled=enabled, now=now, user=user)


@require_POST
@seated
def preview_view(request: HttpRequest, seat: Seat) -> HttpResponse:
    """Say what the rule in the form says, when it comes due, and what is wrong with it. Stores nothing."""
    rule, form = rule_of_form(request, seat)
    compiled, problems = compile_rule(rule), [*form.problems(), *mistakes(rule)]
    cron = compiled.trigger if isinstance(compiled.trigger, CronTrigger) else None
    zone = zone_of(rule, cron) if cron else ""
    context: dict[str, Any] = {
        "sentence": sentence_of(rule) if compiled.trigger is not None else "",
        "finished": not problems,
        "problems": by_control(problems),
        "count": len(problems),
        "zone_name": zone,
        "reading": describe(cron.expression) if cron else "",
        "variables": rule_context(rule.tenant, rule.trigger, rule).described(),
        "fields": fields_of_jobs(rule.tenant or seat.tenant, rule.actions),
        "times": next_times(cron.expression, zone, utcnow(), SHOWN_TIMES) if cron else [],
    }
    return render_part(request, "automation_preview", ZoneInfo(zone) if zone else seat.zone, context)


def _must_fit(form: RuleForm, tenant: Tenant | None) -> None:
    """Raise RuleInvalid with everything that is wrong where the form itself refuses something."""
    problems = form.problems()
    if problems:
        raise RuleInvalid([*problems, *mistakes(AutomationRule(tenant=tenant, **tidied(form.read())))])


def _form(request: HttpRequest, tenant: Tenant | None, values: dict[str, Any], rule: AutomationRule | None) -> RuleForm:
    posted = request.POST if request.method == "POST" else None
    trigger = values.get("trigger") or {}
    context = rule_context(tenant, trigger if isinstance(trigger, dict) else {}, rule)
    return RuleForm(values, context=context, for_operator=tenant is None, posted=posted)


def _render(
    request: HttpRequest,
    seat: Seat,
    tenant: Tenant | None,
    form: RuleForm,
    rule: AutomationRule | None,
    *,
    problems: Any = (),
    conflict: bool = False,
    **context: Any,
) -> HttpResponse:
    values = form.read()
    at = {each.place: each.message for each in problems}
    response = render_page(
        request,
        "automation_rule",
        title=rule.name if rule is not None else "New rule",
        zone=seat.zone,
        rule=rule,
        health=rule and health_of(rule, now=utcnow(), tenant=seat.tenant),
        typed=values,
        enabled=request.POST.get("enabled") == "true" if request.method == "POST" else rule is None or rule.enabled,
        parts=form.parts(problems),
        problems=problems,
        at=at,
        conflict=conflict,
        for_operator=tenant is None,
        may_edit=seat.may_edit,
        sources=sources_to_try(seat, tenant, rule) if seat.may_edit else [],
        actor=actor_of(request),
        **context,
    )
    if problems or conflict:
        response.status_code = 409 if conflict else 400
    return response


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)
