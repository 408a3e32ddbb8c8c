"""Taking in a webhook: proved, read, stored once, told to the rules."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.db import IntegrityError, connection, transaction
from django.db.models import F

from automations.domain import occurrences
from automations.domain.deliveries import BadBody, Delivery, delivery_id, read_delivery
from automations.domain.endpoints import kept_headers, plain_of
from automations.domain.signatures import verify
from automations.domain.states import DeliveryState, Scheme
from automations.models import WebhookDelivery, WebhookEndpoint, WebhookRefusal, WebhookReplay
from automations.services.endpoints import secrets_in_force
from automations.services.hints import hint_on_commit
from automations.services.occurrences import (
    event_of_delivery,
    make_firings,
    new_firing,
    rules_of_delivery,
)
from taskflow.lib.db import in_transaction
from taskflow.lib.sealing import CannotOpen
from taskflow.lib.telemetry import emit


class Trouble(StrEnum):
    """Why an address refuses what is no matter of a signature."""

    OFF = "switched off"
    NO_SECRET = "no secret"  # noqa: S105 - words
    TOO_LARGE = "too large"
    TOO_MANY = "too many"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it came."""

    headers: Mapping[str, str]
    body: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a request. `challenge` is to be repeated to the sender, and then nothing was stored."""

    delivery: WebhookDelivery | None
    new: bool = False
    challenge: str = ""


class NoSecret(Exception):
    """An endpoint cannot check anything: its secret was not set yet, or no key opens it."""


def prove(endpoint: WebhookEndpoint, sent: Sent, *, now: datetime) -> None:
    """Raise SignatureRefused unless the request was signed with a secret of the endpoint, NoSecret if it has none."""
    try:
        secrets = secrets_in_force(endpoint, now=now)
    except CannotOpen as error:
        raise NoSecret(f"The secrets of this address cannot be opened: {error}.") from error
    if not secrets:
        raise NoSecret("The secret of this address was not set yet.")
    verify(
        Scheme(endpoint.scheme),
        headers=sent.headers,
        body=sent.body,
        secrets=secrets,
        now=now,
        tolerance=timedelta(seconds=endpoint.tolerance),
        plain=plain_of(endpoint.config),
    )


def receive(endpoint: WebhookEndpoint, sent: Sent, *, now: datetime) -> Receipt:
    """Store a proved request, and tell a worker that it is there: the rules are told of it in the background.

    What came before is not stored again: the receipt is that of the first. A body that cannot be read is kept as
    REFUSED, with the reason, and never fires.
    """
    scheme, plain = Scheme(endpoint.scheme), plain_of(endpoint.config)
    state, reason = DeliveryState.RECEIVED, ""
    try:
        found = read_delivery(scheme, headers=sent.headers, body=sent.body, content_type=sent.content_type, plain=plain)
    except BadBody as error:
        identity = delivery_id(scheme, headers=sent.headers, body=sent.body, plain=plain)
        found, state, reason = Delivery(identity, "", None), DeliveryState.REFUSED, str(error)[:500]
    if found.challenge:
        return Receipt(None, challenge=found.challenge)
    row = WebhookDelivery(
        tenant_id=endpoint.tenant_id,
        endpoint=endpoint,
        delivery_id=found.external_id,
        event_type=found.event,
        headers=kept_headers(sent.headers, plain),
        body=sent.body,
        payload=found.payload,
        state=state.value,
        reason=reason,
        received_at=now,
    )
    return _store(row)


def _store(row: WebhookDelivery) -> Receipt:
    # Inside a transaction of somebody else's, a repetition must not spoil it.
    savepoint = connection.in_atomic_block

    def work() -> None:
        row.pk = None
        with transaction.atomic(savepoint=savepoint):
            row.save(force_insert=True)

    try:
        in_transaction(work)
    except IntegrityError:
        rows = WebhookDelivery.objects.filter(endpoint_id=row.endpoint_id, delivery_id=row.delivery_id)
        if (first := rows.first()) is None:
            raise
        return Receipt(first)
    if row.state == DeliveryState.RECEIVED:
        hint_on_commit()
    return Receipt(row, new=True)


def replay_delivery(*, delivery: WebhookDelivery, by: str, now: datetime) -> WebhookReplay:
    """Have the rules that listen now told again of what was stored; each replay makes firings of its own.

    Raises ValueError for a delivery that was never readable.
    """
    if delivery.state == DeliveryState.REFUSED:
        raise ValueError("Its body could not be read, so there is nothing to tell the rules.")

    def work() -> WebhookReplay:
        replay = WebhookReplay.objects.create(delivery=delivery, by=by[:200], at=now)
        event = event_of_delivery(delivery) | {"replay": {"by": by, "at": now.isoformat()}}
        rules = rules_of_delivery(delivery)
        occurrence = occurrences.of_replay(delivery.uid, replay.pk)
        make_firings(
            [new_firing(rule, delivery.tenant_id, occurrence, now, event, delivery=delivery) for rule in rules]
        )
        replay.firings = len(rules)
        replay.save(update_fields=["firings"])
        return replay

    return in_transaction(work)


class _Tally:
    """Counts refusals in this process and writes each down at most once a second: a flood is one row and few writes."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.written: dict[tuple[int, str], float] = {}
        self.waiting: dict[tuple[int, str], int] = {}

    def add(self, key: tuple[int, str]) -> int:
        """Count one more; return how many to write down now, 0 for none yet."""
        with self.lock:
            count = self.waiting.get(key, 0) + 1
            if time.monotonic() - self.written.get(key, -10.0) < 1.0:
                self.waiting[key] = count
                return 0
            if len(self.written) > 10_000:
                self.written.clear()
            self.written[key] = time.monotonic()
            self.waiting.pop(key, None)
            return count

    def forget(self) -> None:
        """Start anew; tests call it between one database and the next."""
        with self.lock:
            self.written.clear()
            self.waiting.clear()


tally = _Tally()


def note_refusal(endpoint: WebhookEndpoint, *, cause: str, reason: str, now: datetime) -> None:
    """Count a refusal where the endpoint's owner sees it, and tell it in the log."""
    count = tally.add((endpoint.pk, cause))
    if not count:
        return
    emit("webhook.refused", endpoint=str(endpoint.uid), cause=cause, reason=reason, count=count)
    rows = WebhookRefusal.objects.filter(endpoint_id=endpoint.pk, cause=cause)
    told = {"reason": reason[:300], "last_at": now}
    if rows.update(count=F("count") + count, **told):
        return
    try:
        in_transaction(
            lambda: WebhookRefusal.objects.create(
                endpoint_id=endpoint.pk, cause=cause, count=count, first_at=now, **told
            )
        )
    except IntegrityError:
        rows.update(count=F("count") + count, **told)
