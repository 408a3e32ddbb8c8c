"""Keeping secrets out of what people read: by the names that carry them."""

import re
from urllib.parse import parse_qsl, urlencode

MASK = "***"
_SECRET = re.compile(r"auth|cookie|key|token|secret|signature|password|credential", re.IGNORECASE)
_OPEN = frozenset({"idempotency-key"})


def is_secret(name: str) -> bool:
    """Say whether a header or parameter of this name is likely to carry a secret."""
    return name.lower() not in _OPEN and _SECRET.search(name) is not None


def masked(name: str, value: str) -> str:
    """Return the value for people to read: hidden if its name says it is a secret."""
    return MASK if is_secret(name) else value


def masked_pairs(query: str) -> str:
    """Return a URL's query with its secrets hidden."""
    return urlencode(
        [(name, masked(name, value)) for name, value in parse_qsl(query, keep_blank_values=True)], safe="*"
    )
