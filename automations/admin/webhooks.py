"""The list of webhook endpoints, and the page of one."""

from collections.abc import Mapping
from types import MappingProxyType
from uuid import UUID

from django.db.models import Count, Max, QuerySet, Sum
from django.db.models.functions import Length
from django.http import Http404, HttpRequest, HttpResponse

from automations.admin.seats import Seat, seated
from automations.admin.signed_example import signed_example
from automations.domain.states import Scheme
from automations.models import AutomationRule, WebhookEndpoint
from automations.services.endpoints import CURRENT, PREVIOUS, THEIR_SECRET
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
#: Their senders sign the time too: only there the tolerance means something.
TIMED = frozenset({Scheme.STANDARD, Scheme.STRIPE, Scheme.SLACK})
NO_PROBLEMS: Mapping[str, str] = MappingProxyType({})


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
def endpoint_view(request: HttpRequest, seat: Seat, uid: UUID) -> HttpResponse:
    """Show an endpoint: who listens, what came, what was refused."""
    return show_endpoint(request, seat, find_endpoint(seat, uid))


def show_endpoint(
    request: HttpRequest, seat: Seat, endpoint: WebhookEndpoint, *, problems: Mapping[str, str] = NO_PROBLEMS
) -> HttpResponse:
    """Show an endpoint; with problems, what was typed and what is wrong with it, at its place."""
    scheme = Scheme(endpoint.scheme)
    before = request.GET.get("before", "")
    rows = endpoint.deliveries.defer("body", "payload").annotate(size=Length("body"), told=Count("firings"))
    if before.isascii() and before.isdigit() and len(before) < 19:
        rows = rows.filter(pk__lt=int(before))
    found = list(rows.order_by("-pk")[: PAGE_SIZE + 1])
    typed = {name: request.POST.get(name, getattr(endpoint, name)) for name in ("name", "tolerance")}
    response = render_page(
        request,
        "automation_webhook",
        title=endpoint.name,
        zone=seat.zone,
        endpoint=endpoint,
        scheme=SCHEMES[scheme],
        timed=scheme in TIMED,
        theirs=scheme in THEIR_SECRET,
        has_secret=CURRENT in endpoint.secrets_set_at,
        has_previous=PREVIOUS in endpoint.secrets_set_at,
        listeners=_listeners(seat).filter(listens_to=str(endpoint.uid)).order_by("name"),
        refusals=endpoint.refusals.order_by("-last_at"),
        rows=found[:PAGE_SIZE],
        older=found[PAGE_SIZE - 1].pk if len(found) > PAGE_SIZE else None,
        example=signed_example(scheme, endpoint.config),
        typed=typed,
        problems=problems,
        seat=seat,
    )
    response.status_code = 400 if problems else 200
    return response


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
