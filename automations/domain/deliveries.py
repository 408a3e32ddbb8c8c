"""What a webhook's request says: its payload, the event's name, and the id that is the same when it comes again."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from automations.domain.signatures import PLAIN, Plain, signed_time
from automations.domain.states import Scheme
from taskflow.lib.strictjson import BadJSON, parse_json

LONGEST_ID = 200
LONGEST_EVENT = 100
MOST_FORM_FIELDS = 1000
FORM = "application/x-www-form-urlencoded"
_PRINTABLE = re.compile(r"[!-~]+(?: [!-~]+)*")
#: Headers in which senders without a scheme of their own put the id of a delivery, and the name of an event.
ID_HEADERS = ("webhook-id", "x-webhook-id", "x-delivery-id", "x-event-id", "idempotency-key")
EVENT_HEADERS = ("x-event-type", "x-event-name", "x-event", "x-webhook-event", "x-gitlab-event")
EVENT_FIELDS = ("type", "event", "event_type", "event_name")


class BadBody(ValueError):
    """A body that is neither JSON nor a form; the text says why."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came. `challenge` is what Slack wants repeated when it tries an address; empty otherwise."""

    external_id: str
    event: str
    payload: Any
    challenge: str = ""


def read_delivery(
    scheme: Scheme, *, headers: Mapping[str, str], body: bytes, content_type: str, plain: Plain = PLAIN
) -> Delivery:
    """Return what a verified request says. Raises BadBody."""
    payload = read_payload(body, content_type)
    sent = {name.lower(): value for name, value in headers.items()}
    challenge = ""
    if scheme is Scheme.SLACK and isinstance(payload, dict) and payload.get("type") == "url_verification":
        challenge = str(payload.get("challenge", ""))[:200]
    event = _short(_event(scheme, sent, payload, plain), LONGEST_EVENT)
    identity = delivery_id(scheme, headers=headers, body=body, payload=payload, plain=plain)
    return Delivery(identity, event, payload, challenge)


def read_payload(body: bytes, content_type: str) -> Any:
    """Return the JSON of a body; of a form, its fields, or the JSON in its field `payload`. Raises BadBody."""
    if content_type.partition(";")[0].strip().lower() != FORM:
        return _json(body)
    try:
        pairs = parse_qsl(
            body.decode("utf-8"), keep_blank_values=True, max_num_fields=MOST_FORM_FIELDS, errors="strict"
        )
    except (UnicodeError, ValueError) as error:
        raise BadBody(f"The form cannot be read: {error}.") from error
    fields: dict[str, Any] = {}
    for name, value in pairs:
        # Of a field that is there several times the first counts, as with headers.
        fields.setdefault(name, value)
    return _json(fields["payload"].encode()) if set(fields) == {"payload"} else fields


def delivery_id(
    scheme: Scheme, *, headers: Mapping[str, str], body: bytes, payload: Any = None, plain: Plain = PLAIN
) -> str:
    """Return what tells this delivery from others: the sender's id, else the SHA-256 of timestamp and body."""
    sent = {name.lower(): value for name, value in headers.items()}
    found = _sent_id(scheme, sent, payload if isinstance(payload, dict) else {}, plain)
    if not found:
        return hashlib.sha256(signed_time(scheme, headers).encode("utf-8", "replace") + b"." + body).hexdigest()
    if len(found) <= LONGEST_ID and _PRINTABLE.fullmatch(found):
        return found
    return hashlib.sha256(found.encode("utf-8", "replace")).hexdigest()


def _sent_id(scheme: Scheme, sent: Mapping[str, str], payload: Mapping[str, Any], plain: Plain) -> str:
    match scheme:
        case Scheme.STANDARD:
            return sent.get("webhook-id") or sent.get("svix-id", "")
        case Scheme.GITHUB:
            return sent.get("x-github-delivery", "")
        case Scheme.STRIPE:
            return _text(payload.get("id"))
        case Scheme.SLACK:
            return _text(payload.get("event_id"))
        case _:
            return _first(sent, (plain.id_header.lower(), *ID_HEADERS))


def _event(scheme: Scheme, sent: Mapping[str, str], payload: Any, plain: Plain) -> str:
    fields = payload if isinstance(payload, dict) else {}
    if scheme is Scheme.GITHUB:
        return sent.get("x-github-event", "")
    if scheme is Scheme.SLACK:
        inner = fields.get("event")
        return (
            _text(inner.get("type")) if isinstance(inner, dict) else _text(fields.get("type") or fields.get("command"))
        )
    if scheme in {Scheme.STANDARD, Scheme.STRIPE}:
        return _text(fields.get("type"))
    told = _first(sent, (plain.event_header.lower(), *EVENT_HEADERS))
    return told or next((_text(fields[name]) for name in EVENT_FIELDS if _text(fields.get(name))), "")


def _first(sent: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((sent[name].strip() for name in names if sent.get(name, "").strip()), "")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _short(text: str, longest: int) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text[:longest]).strip()


def _json(raw: bytes) -> Any:
    try:
        return parse_json(raw)
    except BadJSON as error:
        raise BadBody(error.reason) from error
