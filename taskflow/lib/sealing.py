"""Secrets at rest: sealed with the first of ENCRYPTION_KEYS, opened with any of them.

What is sealed says whom it belongs to, so that a row's secrets copied into another row do not open there. A sealed
text that no key fits is an error: neither it nor a part of it is ever given out as the secret.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from taskflow.lib.fields import dump_json

#: Keeps the key derived for sealing apart from whatever else SECRET_KEY is used for.
PURPOSE = b"taskflow: secrets at rest"


class CannotOpen(Exception):
    """Sealed secrets cannot be opened: the key that sealed them is not among ENCRYPTION_KEYS, or they were changed."""

    def __init__(self) -> None:
        super().__init__(
            "no key of ENCRYPTION_KEYS opens its secrets. Add the key they were sealed with, or set them anew"
        )


def seal(values: Mapping[str, str], *, owner: str) -> str:
    """Return `values` sealed with the first key, for `owner` alone; nothing for no values."""
    if not values:
        return ""
    return _box().encrypt(dump_json({"owner": owner, "values": dict(values)}).encode()).decode()


def unseal(sealed: str, *, owner: str) -> dict[str, str]:
    """Return what was sealed for `owner`. Raises CannotOpen."""
    if not sealed:
        return {}
    try:
        content = json.loads(_box().decrypt(sealed))
    except (InvalidToken, ValueError):
        raise CannotOpen from None
    if content["owner"] != owner:
        raise CannotOpen
    return dict(content["values"])


def is_current(sealed: str) -> bool:
    """Say whether the first key opens `sealed`."""
    try:
        return not sealed or bool(Fernet(encryption_keys()[0]).decrypt(sealed))
    except InvalidToken:
        return False


def reseal(sealed: str) -> str:
    """Return `sealed` under the first key. Raises CannotOpen."""
    try:
        return _box().rotate(sealed).decode() if sealed else ""
    except InvalidToken:
        raise CannotOpen from None


def new_key() -> str:
    """Return a fresh key for ENCRYPTION_KEYS."""
    return Fernet.generate_key().decode()


def is_key(text: str) -> bool:
    """Say whether `text` has the form of a key: 32 bytes as URL-safe base64."""
    try:
        Fernet(text)
    except ValueError:
        return False
    return True


def encryption_keys() -> tuple[str, ...]:
    """Return the keys in force: ENCRYPTION_KEYS, then those derived from SECRET_KEY and its fallbacks.

    The derived ones seal where no other is set, and open what was sealed before one was.
    """
    return (*settings.ENCRYPTION_KEYS, *_derived((settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)))


@lru_cache(maxsize=8)
def _derived(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(
        base64.urlsafe_b64encode(HKDF(SHA256(), 32, salt=None, info=PURPOSE).derive(text.encode())).decode()
        for text in texts
    )


def _box() -> MultiFernet:
    return _box_of(encryption_keys())


@lru_cache(maxsize=8)
def _box_of(keys: Sequence[str]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])
