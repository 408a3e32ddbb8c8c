"""Webhook endpoints: made, given other secrets, switched off; their addresses and secrets are shown once."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Count, Max, QuerySet, Sum
from django.db.models.functions import Length
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from automations.admin.seats import Seat, seated
from automations.domain.states import Scheme
from automations.models import AutomationRule, WebhookEndpoint
from automations.services.endpoints import (
    CURRENT,
    PREVIOUS,
    THEIR_SECRET,
    EndpointInvalid,
    Issued,
    create_endpoint,
    delete_endpoint,
    remove_previous_secret,
    renew_address,
    rotate_secret,
    update_endpoint,
)
from taskflow.lib.clock import utcnow
from tenants.admin.current import choose_tenant
from tenants.admin.frame import render_page

PAGE_SIZE = 50
SCHEMES = {
    Scheme.STANDARD: ("Standard Webhooks", "Svix, Clerk, Resend, another TaskFlow"),
    Scheme.GITHUB: ("GitHub", "also Gitea"),
    Scheme.STRIPE: ("Stripe", "Stripe makes the secret: set it once it shows it"),
    Scheme.SLACK: ("Slack", "events, commands and buttons; Slack makes the secret"),
    Scheme.PLAIN: ("Your own", "an HMAC-SHA256 of the body in X-Signature"),
}
CHOICES = [(scheme.value, *words) for scheme, words in SCHEMES.items()]


@seated
def list_view(request: HttpRequest, seat: Seat) -> HttpResponse:
    """Show the endpoints, with what comes there and what is refused."""
    if seat.tenant is None:
        return choose_tenant(request)
    rows = _endpoints(seat).annotate(came=Max("deliveries__received_at")).order_by("name", "pk")
    found = list(rows[:500])
    refused = dict(_endpoints(seat).annotate(refused=Sum("refusals__count")).values_list("pk", "refused"))
    return render_page(
        request,
        "automation_webhooks",
        title="Webhooks",
        zone=seat.zone,
        rows=[(row, SCHEMES[Scheme(row.scheme)][0], refused.get(row.pk) or 0) for row in found],
        seat=seat,
    )


@seated
def new_view(request: HttpRequest, seat: Seat) -> HttpResponse:
    """Make an endpoint; show its address and secret, this once."""
    if seat.tenant is None:
        return choose_tenant(request)
    seat.must_edit()
    typed = {"name": request.POST.get("name", ""), "scheme": request.POST.get("scheme", Scheme.STANDARD.value)}
    problems: dict[str, str] = {}
    if request.method == "POST":
        secret = request.POST.get("secret", "").strip()
        try:
            issued = create_endpoint(
                tenant=seat.tenant, now=utcnow(), name=typed["name"], scheme=typed["scheme"], secret=secret
            )
        except EndpointInvalid as error:
            problems = dict(error.problems)
        else:
            return _show_once(request, seat, issued, f"“{issued.endpoint.name}” is made")
    response = render_page(
        request, "automation_webhook_new", title="New webhook", zone=seat.zone, typed=typed, choices=CHOICES,
        problems=problems,
    )  # fmt: skip
    response.status_code = 400 if problems else 200
    return response


@seated
def endpoint_view(request: HttpRequest, seat: Seat, uid: UUID) -> HttpResponse:
    """Show an endpoint: who listens, what came, what was refused."""
    endpoint = find_endpoint(seat, uid)
    before = request.GET.get("before", "")
    rows = endpoint.deliveries.defer("body", "payload").annotate(size=Length("body"), told=Count("firings"))
    if before.isascii() and before.isdigit() and len(before) < 19:
        rows = rows.filter(pk__lt=int(before))
    found = list(rows.order_by("-pk")[: PAGE_SIZE + 1])
    return render_page(
        request,
        "automation_webhook",
        title=endpoint.name,
        zone=seat.zone,
        endpoint=endpoint,
        scheme=SCHEMES[Scheme(endpoint.scheme)],
        theirs=Scheme(endpoint.scheme) in THEIR_SECRET,
        has_secret=CURRENT in endpoint.secrets_set_at,
        has_previous=PREVIOUS in endpoint.secrets_set_at,
        listeners=_listeners(seat).filter(listens_to=str(endpoint.uid)).order_by("name"),
        refusals=endpoint.refusals.order_by("-last_at"),
        rows=found[:PAGE_SIZE],
        older=found[PAGE_SIZE - 1].pk if len(found) > PAGE_SIZE else None,
        seat=seat,
    )


@require_POST
@seated
def act_view(request: HttpRequest, seat: Seat, uid: UUID) -> HttpResponse:
    """Rotate the secret, drop the previous one, give another address, switch on or off, or delete."""
    endpoint = find_endpoint(seat, uid)
    seat.must_edit()
    action = request.POST.get("action", "")
    try:
        if action == "rotate":
            issued = rotate_secret(endpoint=endpoint, now=utcnow(), secret=request.POST.get("secret", "").strip())
            return _show_once(request, seat, issued, f"“{endpoint.name}” has another secret")
        if action == "address":
            return _show_once(request, seat, renew_address(endpoint=endpoint), f"“{endpoint.name}” has another address")
        done = _change(endpoint, action)
    except EndpointInvalid as error:
        messages.error(request, " ".join(reason for _, reason in error.problems))
    else:
        messages.success(request, done) if done else messages.error(request, "That cannot be done to an endpoint.")
    if action == "delete":
        return HttpResponseRedirect(reverse("automation_webhooks"))
    return HttpResponseRedirect(reverse("automation_webhook", args=[endpoint.uid]))


def _change(endpoint: WebhookEndpoint, action: str) -> str:
    """Do what has nothing to show once, and say what was done; an empty text for what there is not."""
    match action:
        case "drop":
            dropped = remove_previous_secret(endpoint=endpoint)
            return "The previous secret holds no more." if dropped else "There is no previous secret any more."
        case "enable" | "disable":
            on = action == "enable"
            update_endpoint(endpoint=endpoint, enabled=on)
            return f"“{endpoint.name}” is switched {'on' if on else 'off: what is sent there is refused'}."
        case "delete":
            delete_endpoint(endpoint=endpoint)
            return f"“{endpoint.name}” is deleted, with all that came there."
    return ""


def find_endpoint(seat: Seat, uid: UUID) -> WebhookEndpoint:
    """Return an endpoint this person sees. Raises Http404."""
    found = _endpoints(seat).filter(uid=uid).first()
    if found is None:
        raise Http404("There is no such webhook.")
    return found


def _endpoints(seat: Seat) -> QuerySet[WebhookEndpoint]:
    rows = WebhookEndpoint.objects.select_related("tenant")
    return rows if seat.tenant is None else rows.filter(tenant=seat.tenant)


def _listeners(seat: Seat) -> QuerySet[AutomationRule]:
    return seat.rules().filter(trigger_kind="webhook").order_by()


def _show_once(request: HttpRequest, seat: Seat, issued: Issued, done: str) -> HttpResponse:
    context: dict[str, Any] = {
        "endpoint": issued.endpoint,
        "url": request.build_absolute_uri(reverse("webhook", args=[issued.key])) if issued.key else "",
        "secret": issued.secret,
        "scheme": SCHEMES[Scheme(issued.endpoint.scheme)],
        "theirs": Scheme(issued.endpoint.scheme) in THEIR_SECRET and not issued.secret,
    }
    response = render_page(request, "automation_webhook_issued", title=done, zone=seat.zone, **context)
    response["Cache-Control"] = "no-store"
    return response
