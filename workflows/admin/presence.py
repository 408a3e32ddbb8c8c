"""Who has a draft open just now. A hint in the cache: it may be lost, and conflicts are found without it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache

#: Who was not heard of for so long has left.
GONE_AFTER = timedelta(seconds=35)
#: The page reports itself this often, in seconds.
HEARTBEAT = 10


@dataclass(frozen=True, slots=True)
class Editor:
    """Somebody who has the draft open, and the step they look at."""

    name: str
    step: str


def note_editor(*, workflow_id: int, user_id: int, name: str, step: str, now: datetime) -> list[Editor]:
    """Note that this person has the draft open; returns the others who do."""
    key = f"draft-editors:{workflow_id}"
    present: dict[int, Any] = {
        other: (seen, *rest)
        for other, (seen, *rest) in (cache.get(key) or {}).items()
        if now - seen < GONE_AFTER and other != user_id
    }
    cache.set(key, present | {user_id: (now, name, step)}, GONE_AFTER.total_seconds() * 2)
    return [Editor(name, step) for _, name, step in present.values()]
