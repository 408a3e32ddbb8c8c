"""Events that other systems tell by name: stored once, then the rules that listen have their firings."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from automations.domain import occurrences
from automations.domain.states import DeliveryState, TriggerKind
from automations.models import AutomationEvent, WebhookDelivery
from automations.services.occurrences import fire_for_delivery, listening, make_firings, new_firing
from taskflow.lib.db import in_transaction
from taskflow.lib.ids import new_uid

#: Whoever stored something makes its firings at once; what lies longer than this was left by a crash.
LEFT_BEHIND = timedelta(seconds=5)
SLICE = 200


def tell_event(
    *, tenant_id: int, name: str, payload: dict[str, Any], key: str = "", source: str = "", now: datetime
) -> tuple[AutomationEvent, bool, int]:
    """Store an event and make the firings of the rules that listen.

    Returns the event, whether it is new, and how many rules listen. The same `key` is told once in a tenant: a second
    time gives the first event, and fires nothing.
    """
    return in_transaction(lambda: _tell(tenant_id, name, payload, key, source, now))


def _tell(
    tenant_id: int, name: str, payload: dict[str, Any], key: str, source: str, now: datetime
) -> tuple[AutomationEvent, bool, int]:
    uid = new_uid()
    event, new = AutomationEvent.objects.get_or_create(
        tenant_id=tenant_id,
        key=key or str(uid),
        defaults={"uid": uid, "name": name, "payload": payload, "source": source[:100], "created_at": now},
    )
    return event, new, _fire(event, now) if new else 0


def _fire(event: AutomationEvent, now: datetime) -> int:
    rules = listening(TriggerKind.EVENT, event.tenant_id, event.name)
    seen = {
        "kind": TriggerKind.EVENT.value,
        "name": event.name,
        "id": str(event.uid),
        "source": event.source,
        "at": event.created_at.isoformat(),
        "payload": event.payload,
    }
    occurrence = occurrences.of_event(event.uid)
    make_firings(new_firing(rule, event.tenant_id, occurrence, now, seen, told_event=event) for rule in rules)
    AutomationEvent.objects.filter(pk=event.pk).update(fired_at=now)
    return len(rules)


def fire_what_was_left(*, now: datetime) -> int:
    """Make the firings of deliveries that were stored, and no more, when their process ended; returns how many."""
    left = WebhookDelivery.objects.filter(state=DeliveryState.RECEIVED.value, received_at__lt=now - LEFT_BEHIND)
    found = list(left.order_by("pk").values_list("pk", flat=True)[:SLICE])
    for pk in found:
        fire_for_delivery(pk)
    return len(found)


def find_event(tenant_id: int, uid: UUID) -> AutomationEvent | None:
    """Return the tenant's event with this uid, or None."""
    return AutomationEvent.objects.for_tenant(tenant_id).filter(uid=uid).first()
