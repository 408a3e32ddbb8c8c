"""What a request says about itself in its headers."""

import hashlib
import json
import re
from typing import Any

from rest_framework.request import Request

from jobs.api.bodies import LONGEST_CORRELATION_ID
from taskflow.lib.problems import invalid, request_id

LONGEST_KEY = 255
_PRINTABLE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
#: https://www.w3.org/TR/trace-context/#traceparent-header: version, trace id, parent id, flags.
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def correlation_id(request: Request) -> str:
    """Return X-Correlation-ID, else X-Request-ID, else this request's own id. Raises Refused for a bad one."""
    for name in ("X-Correlation-ID", "X-Request-ID"):
        value = request.headers.get(name)
        if value is not None:
            return _printable(name, value, LONGEST_CORRELATION_ID)
    return request_id(request._request)


def traceparent(request: Request) -> str:
    """Return the W3C traceparent; empty without one, or for a bad one, which the standard says to ignore."""
    value = request.headers.get("Traceparent", "").strip()
    return value if _TRACEPARENT.fullmatch(value) else ""


def idempotency_key(request: Request) -> str | None:
    """Return the Idempotency-Key, or None without one. Raises Refused for a bad one."""
    value = request.headers.get("Idempotency-Key")
    return None if value is None else _printable("Idempotency-Key", value, LONGEST_KEY)


def refuse_idempotency_key(request: Request) -> None:
    """Raise Refused if the request carries an Idempotency-Key where none is heeded: ignoring it would be a trap."""
    if "Idempotency-Key" in request.headers:
        reason = "Not supported here. Send the jobs one by one with a key each."
        raise invalid([("Idempotency-Key", reason)])


def sha256(value: Any) -> str:
    """Return the SHA-256 of `value` as canonical JSON: two bodies that mean the same have the same."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _printable(name: str, value: str, longest: int) -> str:
    if len(value) > longest:
        raise invalid([(name, f"Longer than {longest} characters.")])
    if not _PRINTABLE.fullmatch(value):
        raise invalid([(name, "Must be printable ASCII.")])
    return value
