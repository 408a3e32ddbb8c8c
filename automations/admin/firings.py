"""What rules did: the log of firings, and the page of one."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from automations.admin.hiding import hide_in_firing
from automations.admin.seats import Seat, seated
from automations.admin.wording import in_words
from automations.domain.states import FiringState
from automations.models import Firing
from automations.services.acting import MOST_NAMED
from automations.services.trying import retry_firing
from taskflow.lib.clock import utcnow
from tenants.admin.frame import render_page

PAGE_SIZE = 50
OUTCOMES = {
    "": "All",
    "acted": "Acted",
    "nothing": "Did nothing",
    "failed": "Failed",
    "pending": "Waiting",
}
#: What a firing did, in words.
DID = {
    "create_jobs": "Made jobs",
    "notify": "Wrote a message",
    "retry_job": "Retried the job",
    "cancel_job": "Cancelled the job",
    "pause_queue": "Paused the queue",
    "resume_queue": "Resumed the queue",
}


@seated
def list_view(request: HttpRequest, seat: Seat) -> HttpResponse:
    """Show the firings of all rules, or of one, newest first."""
    wanted = request.GET.get("rule", "")
    rule = seat.rule(_uid(wanted)) if wanted else None
    outcome = request.GET.get("outcome", "")
    outcome = outcome if outcome in OUTCOMES else ""
    rows = _of_outcome(seat.firings().defer("event"), outcome)
    if rule is not None:
        rows = rows.filter(rule=rule)
    before = request.GET.get("before", "")
    if before.isascii() and before.isdigit() and len(before) < 19:
        rows = rows.filter(pk__lt=int(before))
    found = list(rows.order_by("-pk")[: PAGE_SIZE + 1])
    for firing in found:
        firing.error = in_words(firing.error)
    return render_page(
        request,
        "automation_firings",
        title=f"Firings of “{rule.name}”" if rule is not None else "Firings",
        zone=seat.zone,
        part="parts/automation_firings",
        rows=found[:PAGE_SIZE],
        older=found[PAGE_SIZE - 1].pk if len(found) > PAGE_SIZE else None,
        rule=rule,
        outcome=outcome,
        outcomes=OUTCOMES.items(),
        seat=seat,
    )


def _of_outcome(rows: QuerySet[Firing], outcome: str) -> QuerySet[Firing]:
    match outcome:
        case "acted":
            return rows.filter(state=FiringState.DONE.value, matched=True)
        case "nothing":
            return rows.filter(state=FiringState.DONE.value).exclude(matched=True)
        case "failed" | "pending":
            return rows.filter(state=outcome)
    return rows


@seated
def firing_view(request: HttpRequest, seat: Seat, uid: UUID) -> HttpResponse:
    """Show a firing: why it acted or not, what it made; work on a failed one again."""
    firing = seat.firings().filter(uid=uid).first()
    if firing is None:
        raise Http404("There is no such firing.")
    if request.method == "POST":
        seat.must_edit()
        if retry_firing(firing=firing, now=utcnow()):
            messages.success(request, "It is worked on again.")
        else:
            messages.warning(request, "Only a failed firing is worked on again. This one is not failed any more.")
        return HttpResponseRedirect(reverse("automation_firing", args=[firing.uid]))
    links = list(firing.links.select_related("job__workflow__live_version").order_by("position")[:MOST_NAMED])
    hide_in_firing(firing, [link.job for link in links])
    firing.error = in_words(firing.error)
    return render_page(
        request,
        "automation_firing",
        title=f"Firing of “{firing.rule_name}”",
        zone=seat.zone,
        part="parts/automation_firing",
        firing=firing,
        rule=_rule_of(seat, firing),
        links=links,
        did=[(DID.get(each.get("action", ""), "Did something"), each) for each in firing.told],
        notices=firing.notices.order_by("position")[:MOST_NAMED],
        live=firing.state == FiringState.PENDING,
        seat=seat,
    )


def _rule_of(seat: Seat, firing: Firing) -> Any:
    """Return the firing's rule where this person sees it: an operator's rule is not its tenants' to see."""
    return seat.rules().filter(pk=firing.rule_id).first() if firing.rule_id else None


def _uid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Http404("There is no such rule.") from None
