"""Making firings: one for each rule that a thing which happened concerns, whoever finds it and however often."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from itertools import accumulate
from typing import Any

from django.db import connection
from django.db.models.functions import Length

from automations.domain import occurrences
from automations.domain.states import DeliveryState, TriggerKind
from automations.models import AutomationRule, Firing, WebhookDelivery, WebhookEndpoint
from automations.services.hints import hint_on_commit
from taskflow.lib.db import in_transaction

BATCH = 500
#: Deliveries that are told to the rules in one transaction.
SLICE, SLICE_BYTES, STATEMENT_BYTES = 100, 1_000_000, 4_000_000


def fire_for_delivery(delivery_id: int) -> int:
    """Make the firings of a stored delivery's rules and mark it FIRED; returns how many rules listen.

    `delivery_id` is the row's primary key. Calling it again, or at once with others, makes nothing twice.
    """
    return in_transaction(lambda: _fire_for_delivery(delivery_id))


def _fire_for_delivery(delivery_id: int) -> int:
    row = WebhookDelivery.objects.select_related("endpoint").filter(pk=delivery_id).first()
    if row is None or row.state != DeliveryState.RECEIVED:
        return 0
    rules, event = rules_of_delivery(row), event_of_delivery(row)
    occurrence = occurrences.of_delivery(row.uid)
    make_firings([new_firing(rule, row.tenant_id, occurrence, row.received_at, event, delivery=row) for rule in rules])
    _mark_fired([row.pk], len(rules))
    return len(rules)


def _mark_fired(ids: list[int], rules: int) -> None:
    told = {0: "no rule listens", 1: "1 rule"}.get(rules, f"{rules} rules")
    rows = WebhookDelivery.objects.filter(pk__in=ids, state=DeliveryState.RECEIVED.value)
    rows.update(state=DeliveryState.FIRED.value, reason=told)


def fire_received(*, limit: int = SLICE) -> int:
    """Make the firings of deliveries that came in, the oldest first, and mark them FIRED; returns how many there were.

    Several at a time: what is looked up is looked up once. Called again, or at once with others, makes nothing twice.
    """
    return in_transaction(lambda: _fire_received(limit))


def _fire_received(limit: int) -> int:
    rows = WebhookDelivery.objects.filter(state=DeliveryState.RECEIVED.value).order_by("pk")
    sizes = dict(rows.values_list("pk", Length("body"))[:limit])
    # One that is large comes alone: a server refuses statements of more than some megabytes.
    ids = [pk for pk, total in zip(sizes, accumulate(sizes.values()), strict=True) if total <= SLICE_BYTES]
    rows = rows.filter(pk__in=ids or list(sizes)[:1]).defer("body")
    if connection.features.has_select_for_update:
        rows = rows.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked)
    found = list(rows)
    endpoints = WebhookEndpoint.objects.in_bulk({row.endpoint_id for row in found})
    listen = {pk: listening(TriggerKind.WEBHOOK, each.tenant_id, str(each.uid)) for pk, each in endpoints.items()}
    firings, told = [], defaultdict[int, list[int]](list)
    for row in found:
        row.endpoint = endpoints[row.endpoint_id]
        rules = [rule for rule in listen[row.endpoint_id] if _takes(rule, row.event_type)]
        event, occurrence, at = event_of_delivery(row), occurrences.of_delivery(row.uid), row.received_at
        firings += [new_firing(rule, row.tenant_id, occurrence, at, event, delivery=row) for rule in rules]
        told[len(rules)].append(row.pk)
    make_firings(firings, batch=max(STATEMENT_BYTES // (2 * max(sizes.values(), default=0) + 2000), 1))
    for count, pks in told.items():
        _mark_fired(pks, count)
    return len(found)


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


def make_firings(rows: Iterable[Firing], *, batch: int = BATCH) -> None:
    """Store these firings but for those there are already, and have them worked on after commit."""
    found = list(rows)
    if found:
        Firing.objects.bulk_create(found, batch_size=min(batch, BATCH), ignore_conflicts=True)
        hint_on_commit()
