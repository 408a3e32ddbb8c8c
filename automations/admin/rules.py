"""The list of rules, and what is done to one: switched, run now, deleted."""

from dataclasses import dataclass
from typing import cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from automations.admin.seats import Seat, seated
from automations.admin.starters import starters
from automations.admin.wording import in_words, problems_in_words
from automations.models import AutomationRule
from automations.queries.rules import RuleHealth, healths_of
from automations.services.rules import RuleInvalid, delete_rule, set_enabled
from automations.services.telling import sentence_of
from automations.services.trying import run_now
from taskflow.lib.clock import utcnow
from tenants.admin.current import actor_of
from tenants.admin.frame import render_page

PAGE_SIZE = 25


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A rule in the list."""

    rule: AutomationRule
    sentence: str
    health: RuleHealth
    error: str


@seated
def list_view(request: HttpRequest, seat: Seat) -> HttpResponse:
    """Show the rules, each as a sentence, with how it does."""
    now = utcnow()
    wanted = request.GET.get("q", "").strip()[:200].replace("\0", "")
    found = seat.rules().filter(name__icontains=wanted) if wanted else seat.rules()
    page = Paginator(found.order_by("name", "pk"), PAGE_SIZE).get_page(request.GET.get("page"))
    healths = healths_of(list(page), now=now, tenant=seat.tenant)
    rows = [RuleRow(each, sentence_of(each), healths[each.pk], in_words(healths[each.pk].error)) for each in page]
    return render_page(
        request,
        "automations",
        title="Rules",
        zone=seat.zone,
        part="parts/automation_rules",
        rows=rows,
        page=page,
        seat=seat,
        wanted=wanted,
        starters=starters("", for_operator=seat.tenant is None),
    )


@require_POST
@seated
def act_view(request: HttpRequest, seat: Seat, uid: UUID) -> HttpResponse:
    """Switch a rule on or off, run it now, or delete it."""
    rule = seat.rule(uid)
    seat.must_edit()
    action = request.POST.get("action", "")
    if action in ("enable", "disable"):
        _switch(request, rule, enabled=action == "enable")
    elif action == "run":
        return _run(request, seat, rule)
    elif action == "delete":
        delete_rule(rule=rule)
        messages.success(request, f"“{rule.name}” is deleted. What it did stays in the list of firings.")
        return HttpResponseRedirect(reverse("automation_rules"))
    else:
        messages.error(request, "That cannot be done to a rule.")
    if request.POST.get("back") == "list":
        return HttpResponseRedirect(reverse("automation_rules"))
    return HttpResponseRedirect(reverse("automation_rule", args=[rule.uid]))


def _switch(request: HttpRequest, rule: AutomationRule, *, enabled: bool) -> None:
    try:
        set_enabled(rule=rule, enabled=enabled, now=utcnow(), user=cast(User, request.user))
    except RuleInvalid as error:
        reasons = "; ".join(problems_in_words(error.problems))
        messages.error(request, f"“{rule.name}” cannot be switched on: {reasons}"[:1000])
    else:
        messages.success(request, f"“{rule.name}” is switched {'on' if enabled else 'off'}.")


def _run(request: HttpRequest, seat: Seat, rule: AutomationRule) -> HttpResponse:
    made = run_now(rule=rule, actor=actor_of(request), now=utcnow(), tenant=seat.tenant)
    if not made:
        messages.warning(request, f"“{rule.name}” holds for no active tenant, so nothing was run.")
        return HttpResponseRedirect(reverse("automation_rule", args=[rule.uid]))
    if len(made) == 1:
        messages.success(request, f"“{rule.name}” was run. This page says what came of it.")
        return HttpResponseRedirect(reverse("automation_firing", args=[made[0].uid]))
    messages.success(request, f"“{rule.name}” was run for {len(made)} tenants.")
    return HttpResponseRedirect(f"{reverse('automation_firings')}?rule={rule.uid}")
