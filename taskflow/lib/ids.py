"""Public identifiers."""

from uuid import UUID

from uuid_utils import compat


def new_uid() -> UUID:
    """Return a fresh UUIDv7 (RFC 9562): unique everywhere, and ordered by the moment it was made."""
    return compat.uuid7()
