"""“Try it”: what the rule in the form would do with something that happened, without doing it."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from automations.admin.hiding import hide_in_trial
from automations.admin.posted_rule import mistakes, render_part, rule_of_form
from automations.admin.seats import Seat, seated
from automations.admin.wording import problems_in_words
from automations.models import AutomationEvent, AutomationRule, Firing, WebhookDelivery
from automations.services.occurrences import event_of_delivery
from automations.services.trying import dry_run
from jobs.models import Job
from taskflow.lib.clock import utcnow
from taskflow.lib.strictjson import BadJSON, parse_json
from tenants.models import Tenant

MOST = 8
LONGEST = 100_000
OF_JOB = ("workflow__live_version", "workflow__next_version")
#: What a job that is tried with just did, by the state it is in.
JOB_EVENTS = {
    "PENDING": "job_created",
    "SUCCEEDED": "job_succeeded",
    "FAILED": "job_failed",
    "DEAD": "job_dead",
    "CANCELLED": "job_cancelled",
    "WAITING": "job_waiting",
}


@dataclass(slots=True)
class Sources:
    """What there is to try a rule with: a heading, and (value, words, when) of each."""

    title: str
    options: list[tuple[str, str, Any]] = field(default_factory=list)


class NothingToTry(ValueError):
    """What the rule is to be tried with is not there, or cannot be read; the text says why."""


def sources_to_try(seat: Seat, tenant: Tenant | None, rule: AutomationRule | None) -> list[Sources]:
    """Return what happened lately in the tenant, and what the rule met."""
    found = []
    if rule is not None:
        met = seat.firings().filter(rule=rule).order_by("-pk")[:MOST]
        found.append(Sources("What this rule met", [(f"firing:{row.uid}", _met(row), row.created_at) for row in met]))
    if tenant is not None:
        came = WebhookDelivery.objects.for_tenant(tenant).exclude(payload=None).select_related("endpoint")
        deliveries = came.defer("body").order_by("-pk")[:MOST]
        words = [
            (f"delivery:{row.uid}", f"{row.endpoint}: {row.event_type or '–'}", row.received_at) for row in deliveries
        ]
        found.append(Sources("Messages to webhooks", words))
        events = AutomationEvent.objects.for_tenant(tenant).order_by("-pk")[:MOST]
        found.append(
            Sources("Events that were told", [(f"event:{row.uid}", row.name, row.created_at) for row in events])
        )
        jobs = Job.objects.for_tenant(tenant).select_related("workflow").order_by("-pk")[:MOST]
        found.append(
            Sources(
                "Jobs",
                [
                    (f"job:{row.uid}", f"{row.workflow.label_singular}, {row.state.lower()}", row.created_at)
                    for row in jobs
                ],
            )
        )
    return [each for each in found if each.options]


def _met(firing: Firing) -> str:
    return f"{firing.event.get('name', firing.trigger_kind)}{'' if firing.matched else ' (did nothing)'}"


@require_POST
@seated
def try_view(request: HttpRequest, seat: Seat) -> HttpResponse:
    """Show which part of the condition was true, and what would be made."""
    rule, _ = rule_of_form(request, seat)
    context: dict[str, Any] = {"trials": [], "mistakes": problems_in_words(mistakes(rule))}
    try:
        event, job, tenant = _chosen(request, seat, rule.tenant)
    except NothingToTry as error:
        context["problem"] = str(error)
    else:
        if not context["mistakes"]:
            trials = dry_run(rule, now=utcnow(), tenant=tenant, event=event, job=job)
            for trial in trials:
                hide_in_trial(trial, job=job, event=event)
            context["trials"] = [(trial, problems_in_words(trial.problems)) for trial in trials]
    return render_part(request, "automation_trial", seat.zone, context)


def _chosen(
    request: HttpRequest, seat: Seat, tenant: Tenant | None
) -> tuple[dict[str, Any], Job | None, Tenant | None]:
    """Return the event, its job, and the tenant to try it for. Raises NothingToTry."""
    kind, _, wanted = request.POST.get("source", "").partition(":")
    if kind == "paste":
        return {"payload": _pasted(request.POST.get("payload", ""))}, None, tenant
    if kind == "firing":
        firing = seat.firings().filter(uid=_uid(wanted)).first()
        if firing is not None and tenant in (None, firing.tenant):
            return firing.event, firing.job, firing.tenant
    elif kind and tenant is not None:
        event, job = _of_tenant(kind, wanted, tenant)
        return event, job, tenant
    if kind:
        raise NothingToTry("What you chose is not there any more. Choose something else.")
    return {}, None, tenant


def _of_tenant(kind: str, wanted: str, tenant: Tenant) -> tuple[dict[str, Any], Job | None]:
    uid = _uid(wanted)
    if kind == "delivery":
        row = WebhookDelivery.objects.for_tenant(tenant).filter(uid=uid).select_related("endpoint").first()
        if row is not None:
            return event_of_delivery(row), None
    elif kind == "event":
        told = AutomationEvent.objects.for_tenant(tenant).filter(uid=uid).first()
        if told is not None:
            return {"kind": "event", "name": told.name, "source": told.source, "payload": told.payload}, None
    elif kind == "job":
        job = Job.objects.for_tenant(tenant).filter(uid=uid).select_related(*OF_JOB, "queue").first()
        if job is not None:
            name = JOB_EVENTS.get(job.state, "job_created")
            return {"kind": "job", "name": name, "state": job.state, "actor": "", "data": {}, "payload": None}, job
    raise NothingToTry("What you chose is not there any more. Choose something else.")


def _pasted(text: str) -> dict[str, Any]:
    if len(text) > LONGEST:
        raise NothingToTry(f"The payload is longer than {LONGEST:,} characters.")
    try:
        found = parse_json((text.strip() or "{}").encode("utf-8", "replace"))
    except BadJSON as error:
        raise NothingToTry(f"The payload cannot be read: {error.reason}") from error
    if not isinstance(found, dict):
        raise NothingToTry("The payload must be an object: names with values, in { }.")
    return found


def _uid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NothingToTry("Choose what to try it with.") from None
