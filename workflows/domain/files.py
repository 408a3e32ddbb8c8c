"""Files as jobs and steps know them: plain values, and how a payload names them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

MOST_REFERENCES = 100


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in the storage. `content_type` is what its bytes say it is, `size` is in bytes, `key` its storage name."""

    uid: UUID
    name: str
    content_type: str
    size: int
    sha256: str
    key: str

    def reference(self) -> dict[str, Any]:
        """Return how a payload names this file."""
        return {"id": str(self.uid), "name": self.name, "type": self.content_type, "size": self.size}


def referred(value: Any) -> UUID | None:
    """Return the id of the file that a payload's value names; None where it names none."""
    text = value.get("id") if isinstance(value, Mapping) else None
    try:
        return UUID(text) if isinstance(text, str) else None
    except ValueError:
        return None


def references_in(payload: Mapping[str, Any]) -> Iterator[UUID]:
    """Return the ids of the files that a payload's values, or the elements of its lists, may name."""
    found = 0
    for value in payload.values():
        for item in value if isinstance(value, list) else [value]:
            uid = referred(item)
            if uid is not None and found < MOST_REFERENCES:
                found += 1
                yield uid
