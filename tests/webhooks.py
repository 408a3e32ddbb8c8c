"""Webhooks as senders send them: the headers each scheme puts on a body."""

import base64
import hashlib
import hmac
from datetime import datetime

from taskflow.lib.webhooks import sign

#: A secret for each scheme, of the form its senders use.
SECRETS = {
    "standard": "whsec_" + base64.b64encode(b"0123456789abcdef" * 2 + b"0123").decode(),
    "github": "It's a Secret to Everybody",
    "stripe": "whsec_5WbX7kEKkGVKr9hkGVKr9hk",
    "slack": "8f742231b10e8888abcd99yyyzzz85a5",
    "hmac": "a-secret-of-our-own-0123456789",
    "token": "a-token-of-our-own-0123456789",
}


def _hex(secret: str, signed: bytes) -> str:
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def signed(scheme: str, body: bytes, *, secret: str = "", now: datetime, name: str = "msg_1") -> dict[str, str]:
    """Return the headers under which a sender of `scheme` sends `body`; `name` is the delivery's id."""
    secret, time = secret or SECRETS[scheme], str(int(now.timestamp()))
    match scheme:
        case "standard":
            return sign(secret, message_id=name, now=now, body=body)
        case "github":
            return {
                "X-Hub-Signature-256": f"sha256={_hex(secret, body)}",
                "X-GitHub-Delivery": name,
                "X-GitHub-Event": "issues",
            }
        case "stripe":
            return {"Stripe-Signature": f"t={time},v1={_hex(secret, time.encode() + b'.' + body)},v0=abc"}
        case "slack":
            return {
                "X-Slack-Request-Timestamp": time,
                "X-Slack-Signature": f"v0={_hex(secret, b'v0:' + time.encode() + b':' + body)}",
            }
        case "hmac":
            return {"X-Signature": _hex(secret, body), "X-Delivery-Id": name}
        case _:
            return {"Authorization": f"Bearer {secret}", "X-Delivery-Id": name}
