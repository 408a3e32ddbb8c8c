"""One message to a webhook: as it came, what it set going, and telling it to the rules again."""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from automations.admin.seats import Seat, seated
from automations.admin.webhooks import find_endpoint
from automations.domain.states import DeliveryState
from automations.models import WebhookDelivery
from automations.services.receiving import replay_delivery
from taskflow.lib.clock import utcnow
from tenants.admin.current import actor_of
from tenants.admin.frame import render_page

#: Of a larger body this much is shown, in bytes.
MOST_SHOWN = 20_000
MOST_FIRINGS = 50


@seated
def delivery_view(request: HttpRequest, seat: Seat, uid: UUID, delivery: UUID) -> HttpResponse:
    """Show a message with its headers and raw body."""
    row = _find(seat, uid, delivery)
    body = bytes(row.body)
    return render_page(
        request,
        "automation_delivery",
        title=f"Message to “{row.endpoint.name}”",
        zone=seat.zone,
        delivery=row,
        endpoint=row.endpoint,
        size=len(body),
        body=body[:MOST_SHOWN].decode("utf-8", "replace"),
        left_out=max(len(body) - MOST_SHOWN, 0),
        firings=row.firings.order_by("-pk")[:MOST_FIRINGS],
        replays=row.replays.order_by("-pk")[:MOST_FIRINGS],
        readable=row.state != DeliveryState.REFUSED,
        seat=seat,
    )


@require_POST
@seated
def replay_view(request: HttpRequest, seat: Seat, uid: UUID, delivery: UUID) -> HttpResponse:
    """Tell a message to the rules that listen now."""
    row = _find(seat, uid, delivery)
    seat.must_edit()
    try:
        replay = replay_delivery(delivery=row, by=actor_of(request), now=utcnow())
    except ValueError as error:
        messages.error(request, str(error))
    else:
        if replay.firings:
            messages.success(
                request, f"It was told to {replay.firings} rule{'' if replay.firings == 1 else 's'} again."
            )
        else:
            messages.warning(request, "No rule listens to it now, so nothing happened.")
    return HttpResponseRedirect(reverse("automation_delivery", args=[row.endpoint.uid, row.uid]))


def _find(seat: Seat, uid: UUID, delivery: UUID) -> WebhookDelivery:
    rows = WebhookDelivery.objects.filter(endpoint=find_endpoint(seat, uid), uid=delivery)
    row: WebhookDelivery | None = rows.select_related("endpoint").first()
    if row is None:
        raise Http404("There is no such message.")
    return row
