"""Making firings: one for each rule that a thing which happened concerns, whoever finds it and however often."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from automations.domain import occurrences
from automations.domain.states import DeliveryState, TriggerKind
from automations.models import AutomationRule, Firing, WebhookDelivery
from automations.services.hints import hint_on_commit
from taskflow.lib.db import in_transaction

BATCH = 500


def fire_for_delivery(delivery_id: int) -> int:
    """Make the firings of a stored delivery's rules and mark it FIRED; returns how many rules listen.

    `delivery_id` is the row's primary key. Calling it again, or at once with others, makes nothing twice. It may be
    called in the transaction that stores the delivery; a RECEIVED one that nobody called it for is found by the tick.
    """
    return in_transaction(lambda: _fire_for_delivery(delivery_id))


def _fire_for_delivery(delivery_id: int) -> int:
    row = WebhookDelivery.objects.select_related("endpoint").filter(pk=delivery_id).first()
    if row is None or row.state != DeliveryState.RECEIVED:
        return 0
    rules, event = rules_of_delivery(row), event_of_delivery(row)
    occurrence = occurrences.of_delivery(row.uid)
    make_firings([new_firing(rule, row.tenant_id, occurrence, row.received_at, event, delivery=row) for rule in rules])
    WebhookDelivery.objects.filter(pk=row.pk, state=DeliveryState.RECEIVED.value).update(
        state=DeliveryState.FIRED.value, reason=f"{len(rules)} rules" if rules else "no rule listens"
    )
    return len(rules)


def rules_of_delivery(row: WebhookDelivery) -> list[AutomationRule]:
    """Return the rules that a delivery, with its endpoint, concerns now."""
    listen = listening(TriggerKind.WEBHOOK, row.tenant_id, str(row.endpoint.uid))
    return [rule for rule in listen if _takes(rule, row.event_type)]


def event_of_delivery(row: WebhookDelivery) -> dict[str, Any]:
    """Return what a rule sees of a delivery."""
    return {
        "kind": TriggerKind.WEBHOOK.value,
        "name": row.event_type,
        "endpoint": row.endpoint.name,
        "delivery_id": row.delivery_id,
        "headers": row.headers,
        "at": row.received_at.isoformat(),
        "payload": row.payload,
    }


def _takes(rule: AutomationRule, event_type: str) -> bool:
    """Say whether a webhook's rule takes messages of this type."""
    types = rule.trigger.get("events") or ()
    return not types or event_type in types


def listening(kind: TriggerKind, tenant_id: int, name: str = "") -> list[AutomationRule]:
    """Return the enabled rules of a tenant that a thing of this kind and name concerns, the operator's among them."""
    rows = AutomationRule.objects.filter(enabled=True, trigger_kind=kind.value, listens_to=name)
    return [rule for rule in rows.order_by("pk") if rule.tenant_id in (None, tenant_id)]


def new_firing(
    rule: AutomationRule, tenant_id: int, occurrence: str, now: datetime, event: dict[str, Any], **fields: Any
) -> Firing:
    """Return the row, unsaved, of a rule that met its trigger."""
    return Firing(
        key=occurrences.firing_key(rule.uid, tenant_id, occurrence),
        rule=rule,
        rule_uid=rule.uid,
        rule_name=rule.name,
        rule_revision=rule.revision,
        tenant_id=tenant_id,
        trigger_kind=event["kind"],
        occurrence=occurrence,
        event=event,
        due_at=now,
        created_at=now,
        **fields,
    )


def make_firings(rows: Iterable[Firing]) -> None:
    """Store these firings but for those there are already, and have them worked on after commit."""
    found = list(rows)
    if found:
        Firing.objects.bulk_create(found, batch_size=BATCH, ignore_conflicts=True)
        hint_on_commit()
