"""Signatures of the Standard Webhooks scheme (standardwebhooks.com, version 1.0.0), for what goes out and comes in.

Three headers go along: `webhook-id` (the same at every repetition), `webhook-timestamp` (seconds since 1970) and
`webhook-signature`: `v1,` and the base64 of HMAC-SHA256 over `ID.TIMESTAMP.BODY`. The key is what follows `whsec_` in
the secret, read as base64.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from datetime import datetime

PREFIX = "whsec_"
#: The scheme asks for keys of 24 to 64 bytes.
SIZES = range(24, 65)
#: A multiple of three, so that no letter of the base64 has bits that mean nothing.
FRESH_BYTES = 36


def new_secret() -> str:
    """Return a fresh secret."""
    return PREFIX + base64.b64encode(secrets.token_bytes(FRESH_BYTES)).decode()


def read_secret(text: str) -> bytes:
    """Return the key a secret holds. Raises ValueError with the form it must have."""
    try:
        key = base64.b64decode(text.strip().removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) not in SIZES:
        raise ValueError(f"must be {PREFIX} and 24 to 64 bytes as base64")
    return key


def signature(key: bytes, *, message_id: str, timestamp: str, body: bytes) -> str:
    """Return the one signature, `v1,` included, that is right for a message."""
    signed = b".".join((message_id.encode("utf-8", "replace"), timestamp.encode("utf-8", "replace"), body))
    return f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"


def sign(secret: str, *, message_id: str, now: datetime, body: bytes) -> dict[str, str]:
    """Return the headers that go along with `body`. Raises ValueError for a secret that is none."""
    timestamp = str(int(now.timestamp()))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": signature(read_secret(secret), message_id=message_id, timestamp=timestamp, body=body),
    }
