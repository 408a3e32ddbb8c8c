"""The form of an API key, and when one is refused."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

_KEY = re.compile(r"tf_[0-9a-f]{8}_[0-9a-f]{64}")
_AGE = re.compile(r"([1-9][0-9]{0,3})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Refusal(StrEnum):
    """Why a key does not open the door, in words for its holder."""

    UNKNOWN = "This API key is not known."
    REVOKED = "This API key has been revoked."
    EXPIRED = "This API key has expired."
    TENANT_INACTIVE = "The tenant of this API key is not active."


@dataclass(frozen=True, slots=True)
class NewKey:
    """A fresh key: the clear text for its holder, and what is stored of it."""

    clear: str
    prefix: str
    key_hash: str


def new_key() -> NewKey:
    """Make a key `tf_<prefix>_<secret>` with 256 random bits in its secret."""
    prefix = secrets.token_hex(4)
    clear = f"tf_{prefix}_{secrets.token_hex(32)}"
    return NewKey(clear, prefix, hash_key(clear))


def hash_key(clear: str) -> str:
    """Return what is stored of a key.

    One SHA-256 is enough: slow, salted hashes protect secrets that people choose. A 256-bit random secret can be
    neither guessed nor looked up in a table, and a fast hash lets every request find its key by an indexed column.
    """
    return hashlib.sha256(clear.encode()).hexdigest()


def is_key(text: str) -> bool:
    """Say whether `text` has the form of a key; what has not is never hashed or looked up."""
    return _KEY.fullmatch(text) is not None


def refusal_of(
    *, revoked_at: datetime | None, expires_at: datetime | None, tenant_active: bool, now: datetime
) -> Refusal | None:
    """Return why a stored key is refused at `now`, or None where it is good."""
    if revoked_at is not None and revoked_at <= now:
        return Refusal.REVOKED
    if expires_at is not None and expires_at <= now:
        return Refusal.EXPIRED
    return None if tenant_active else Refusal.TENANT_INACTIVE


def parse_age(text: str) -> timedelta:
    """Read a span such as `30d` (m minutes, h hours, d days, w weeks). Raises ValueError."""
    match = _AGE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"'{text}' is not a time span. Write a number and m, h, d or w, such as 30d.")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})
