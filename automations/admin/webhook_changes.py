"""Making and changing webhook endpoints; their addresses and secrets are shown once."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from automations.admin.seats import Seat, seated
from automations.admin.signed_example import signed_example
from automations.admin.webhooks import SCHEMES, find_endpoint, show_endpoint
from automations.domain.states import Scheme
from automations.models import WebhookEndpoint
from automations.services.endpoints import (
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

CHOICES = [(scheme.value, *words) for scheme, words in SCHEMES.items()]


@seated
def new_view(request: HttpRequest, seat: Seat) -> HttpResponse:
    """Make an endpoint; show its address and secret, this once."""
    if seat.tenant is None:
        return choose_tenant(request)
    seat.must_edit()
    typed = {"name": request.POST.get("name", ""), "scheme": request.POST.get("scheme", Scheme.STANDARD.value)}
    problems: dict[str, str] = {}
    if request.method == "POST":
        try:
            issued = create_endpoint(
                tenant=seat.tenant,
                name=typed["name"],
                scheme=typed["scheme"],
                now=utcnow(),
                secret=_secret(request),
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


@require_POST
@seated
def act_view(request: HttpRequest, seat: Seat, uid: UUID) -> HttpResponse:
    """Change name and tolerance, rotate the secret, give another address, switch on or off, or delete."""
    endpoint = find_endpoint(seat, uid)
    seat.must_edit()
    action = request.POST.get("action", "")
    try:
        if action == "rotate":
            issued = rotate_secret(endpoint=endpoint, now=utcnow(), secret=_secret(request))
            return _show_once(request, seat, issued, f"“{endpoint.name}” has another secret")
        if action == "address":
            return _show_once(request, seat, renew_address(endpoint=endpoint), f"“{endpoint.name}” has another address")
        done = _change(request, endpoint, action)
    except EndpointInvalid as error:
        return show_endpoint(request, seat, endpoint, problems=dict(error.problems))
    if done:
        messages.success(request, done)
    else:
        messages.error(request, "That cannot be done to an endpoint.")
    if action == "delete":
        return HttpResponseRedirect(reverse("automation_webhooks"))
    return HttpResponseRedirect(reverse("automation_webhook", args=[endpoint.uid]))


def _change(request: HttpRequest, endpoint: WebhookEndpoint, action: str) -> str:
    """Do what has nothing to show once, and say what was done; an empty text for what there is not."""
    match action:
        case "settings":
            seconds = request.POST.get("tolerance", "").strip()
            tolerance = int(seconds) if seconds.isascii() and seconds.isdigit() and len(seconds) < 10 else -1
            row = update_endpoint(endpoint=endpoint, name=request.POST.get("name", ""), tolerance=tolerance)
            return f"“{row.name}” is saved."
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


def _secret(request: HttpRequest) -> str:
    return request.POST.get("secret", "").strip()


def _show_once(request: HttpRequest, seat: Seat, issued: Issued, done: str) -> HttpResponse:
    endpoint, scheme = issued.endpoint, Scheme(issued.endpoint.scheme)
    url = request.build_absolute_uri(reverse("webhook", args=[issued.key])) if issued.key else ""
    response = render_page(
        request,
        "automation_webhook_issued",
        title=done,
        zone=seat.zone,
        endpoint=endpoint,
        url=url,
        secret=issued.secret,
        scheme=SCHEMES[scheme],
        theirs=scheme in THEIR_SECRET and not issued.secret,
        example=signed_example(scheme, endpoint.config, url=url, secret=issued.secret),
    )
    response["Cache-Control"] = "no-store"
    return response
