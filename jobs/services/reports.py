"""Subscribing to reports, and who gets to send each: one row for each subscription and due time, whatever crashes."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.core.signing import BadSignature, Signer
from django.db import IntegrityError, transaction

from jobs.domain.reports import Cadence, DeliveryState, last_due, next_due
from jobs.models import ReportDelivery, ReportSubscription
from taskflow.lib import wake
from taskflow.lib.db import in_transaction
from tenants.models import Tenant
from workflows.models import Workflow

if TYPE_CHECKING:
    from django.contrib.auth.models import User

TASK = "jobs.send_reports"
SALT = "reports.unsubscribe"
#: How long a sender may take before another one looks at the report.
TURN = timedelta(minutes=10)
RETRY = timedelta(minutes=5)
MOST_TRIES = 5
BATCH = 50
KEEP = timedelta(days=90)


def subscribe(
    *,
    tenant: Tenant,
    workflow: Workflow | None,
    user: "User",
    by: "User",
    cadence: str,
    weekday: int,
    hour: int,
    connection: str,
    address: str,
    now: datetime,
) -> ReportSubscription:
    """Have reports sent to `user`; a second wish for the same replaces the first."""
    zone = ZoneInfo(tenant.time_zone)
    wanted = {
        "cadence": Cadence(cadence).value,
        "weekday": weekday,
        "hour": hour,
        "connection": connection,
        "address": address,
        "next_at": next_due(cadence, weekday=weekday, hour=hour, zone=zone, after=now),
    }
    scope = workflow.pk if workflow is not None else 0
    made = {"workflow": workflow, "created_by": by, "created_at": now}
    found, _ = ReportSubscription.objects.update_or_create(
        tenant=tenant, scope=scope, user=user, defaults=wanted, create_defaults=wanted | made
    )
    return found


def unsubscribe(subscription: ReportSubscription) -> None:
    """End a subscription."""
    ReportSubscription.objects.filter(pk=subscription.pk).delete()


def unsubscribe_token(subscription: ReportSubscription) -> str:
    """Return what lets who has it end this subscription, without logging in."""
    return Signer(salt=SALT).sign(str(subscription.uid))


def find_by_token(token: str) -> ReportSubscription | None:
    """Return the subscription a token is about; None for a token that is not ours, or one that is over."""
    try:
        uid = Signer(salt=SALT).unsign(token)
    except BadSignature:
        return None
    return ReportSubscription.objects.filter(uid=uid).select_related("tenant", "workflow", "user").first()


def send_now(subscription: ReportSubscription, *, now: datetime) -> ReportDelivery:
    """Ask for a report at once, besides those that are due."""
    delivery = ReportDelivery.objects.create(
        subscription=subscription, due_at=now, state=DeliveryState.WAITING.value, turn_at=now
    )
    transaction.on_commit(lambda: wake.send(TASK, pool="default"))
    return delivery


def make_due(*, now: datetime) -> int:
    """Make a delivery of each subscription that is due, and set when the next is; returns how many."""
    due = ReportSubscription.objects.filter(next_at__lte=now).select_related("tenant").order_by("next_at")[:BATCH]
    return sum(in_transaction(lambda row=row: _make_due(row, now)) for row in due)  # type: ignore[misc]


def _make_due(row: ReportSubscription, now: datetime) -> bool:
    zone = ZoneInfo(row.tenant.time_zone)
    when = {"weekday": row.weekday, "hour": row.hour, "zone": zone}
    due = last_due(row.cadence, **when, first=row.next_at, now=now)  # type: ignore[arg-type]
    following = next_due(row.cadence, **when, after=due)  # type: ignore[arg-type]
    mine = ReportSubscription.objects.filter(pk=row.pk, next_at=row.next_at).update(next_at=following)
    if not mine:
        return False
    try:
        with transaction.atomic():
            ReportDelivery.objects.create(subscription=row, due_at=due, state=DeliveryState.WAITING.value, turn_at=now)
    except IntegrityError:
        return False
    return True


def take_delivery(*, now: datetime) -> ReportDelivery | None:
    """Make this process the one that sends a report whose turn it is; each is taken by one. None: there is none."""
    waiting = ReportDelivery.objects.filter(state=DeliveryState.WAITING.value, turn_at__lte=now)
    rows = waiting.select_related("subscription__tenant", "subscription__workflow", "subscription__user")
    for row in rows.order_by("turn_at")[:BATCH]:
        same = ReportDelivery.objects.filter(pk=row.pk, state=DeliveryState.WAITING.value, turn_at=row.turn_at)
        if same.update(turn_at=now + TURN):
            row.turn_at = now + TURN
            return row
    return None


def begin_sending(delivery: ReportDelivery) -> bool:
    """Note that the mail may go out from now on; False where this process lost its turn."""
    mine = ReportDelivery.objects.filter(pk=delivery.pk, state=DeliveryState.WAITING.value, turn_at=delivery.turn_at)
    return bool(mine.update(state=DeliveryState.SENDING.value))


def end_delivery(delivery: ReportDelivery, state: DeliveryState, *, detail: str = "", now: datetime) -> None:
    """Note what became of a report that this process had its turn with."""
    mine = ReportDelivery.objects.filter(pk=delivery.pk, turn_at=delivery.turn_at)
    mine.update(state=state.value, detail=detail[:500], ended_at=now, turn_at=None)


def try_again(delivery: ReportDelivery, *, detail: str, now: datetime) -> None:
    """Put off a report that certainly did not go out; after MOST_TRIES it has failed."""
    if delivery.tries + 1 >= MOST_TRIES:
        end_delivery(delivery, DeliveryState.FAILED, detail=detail, now=now)
        return
    mine = ReportDelivery.objects.filter(pk=delivery.pk, turn_at=delivery.turn_at)
    mine.update(state=DeliveryState.WAITING.value, detail=detail[:500], tries=delivery.tries + 1, turn_at=now + RETRY)


def give_up_stale(*, now: datetime) -> int:
    """Note of reports whose sender died while they went out that nobody knows whether they did; returns how many."""
    stale = ReportDelivery.objects.filter(state=DeliveryState.SENDING.value, turn_at__lte=now)
    detail = "The sender stopped while it went out; it may have arrived, and is not sent again."
    return stale.update(state=DeliveryState.UNKNOWN.value, detail=detail, ended_at=now, turn_at=None)


def prune_deliveries(*, now: datetime) -> int:
    """Forget reports that are long over; returns how many."""
    count, _ = ReportDelivery.objects.filter(turn_at=None, due_at__lt=now - KEEP).delete()
    return count
