"""A message to a webhook for the shell, signed as its sender signs: to see that address and secret fit."""

import shlex
from collections.abc import Mapping
from typing import Any

from automations.domain.endpoints import plain_of
from automations.domain.signatures import USUAL_HEADERS, Proof
from automations.domain.states import Scheme

NO_ADDRESS, NO_SECRET = "the address", "the secret"
TYPE = "Content-Type: application/json"
#: `BODY` names itself anew each time: what comes twice is answered, and does nothing.
START = """URL={url}
SECRET={secret}
NOW=$(date +%s)
BODY='{{"type": "test", "id": "test-'$NOW'", "event_id": "test-'$NOW'"}}'
"""
HEX = 'SIGNATURE=$(printf %s {signed} | openssl dgst -sha256 -hmac "$SECRET" -r | cut -d" " -f1)\n'
STANDARD = """KEY=$(printf %s "${SECRET#whsec_}" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \\n')
SIGNED="test-$NOW.$NOW.$BODY"
SIGNATURE=$(printf %s "$SIGNED" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$KEY" -binary | openssl base64 -A)
"""


def signed_example(scheme: Scheme, config: Mapping[str, Any], *, url: str = "", secret: str = "") -> str:
    """Return lines for a shell with openssl and curl; what is not known stands there in words."""
    signing, headers = _signing(scheme, config)
    sending = " \\\n".join(['curl -i "$URL"', *(f'  -H "{each}"' for each in (TYPE, *headers)), '  -d "$BODY"'])
    start = START.format(url=shlex.quote(url or NO_ADDRESS), secret=shlex.quote(secret or NO_SECRET))
    return f"{start}{signing}{sending}"


def _signing(scheme: Scheme, config: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Return the lines that sign `$BODY`, and the headers that prove it."""
    match scheme:
        case Scheme.STANDARD:
            names = ("id: test-$NOW", "timestamp: $NOW", "signature: v1,$SIGNATURE")
            return STANDARD, [f"webhook-{each}" for each in names]
        case Scheme.GITHUB:
            headers = ["X-Hub-Signature-256: sha256=$SIGNATURE", "X-GitHub-Delivery: test-$NOW", "X-GitHub-Event: test"]
            return HEX.format(signed='"$BODY"'), headers
        case Scheme.STRIPE:
            return HEX.format(signed='"$NOW.$BODY"'), ["Stripe-Signature: t=$NOW,v1=$SIGNATURE"]
        case Scheme.SLACK:
            headers = ["X-Slack-Request-Timestamp: $NOW", "X-Slack-Signature: v0=$SIGNATURE"]
            return HEX.format(signed='"v0:$NOW:$BODY"'), headers
        case Scheme.PLAIN:
            return _plain(config)


def _plain(config: Mapping[str, Any]) -> tuple[str, list[str]]:
    plain = plain_of(config)
    header, name = plain.header or USUAL_HEADERS[plain.proof], plain.id_header or "X-Delivery-Id"
    if plain.proof is Proof.TOKEN:
        bearer = "Bearer " if header.lower() == "authorization" else ""
        return "", [f"{header}: {bearer}$SECRET", f"{name}: test-$NOW"]
    return HEX.format(signed='"$BODY"'), [f"{header}: $SIGNATURE", f"{name}: test-$NOW"]
