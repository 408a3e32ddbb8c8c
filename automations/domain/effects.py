"""What a firing is going to do, as plain values: planned without a database, carried out in one transaction."""

from dataclasses import dataclass
from typing import Any

from jobs.domain.submission import NewJob


@dataclass(frozen=True, slots=True)
class MakeJob:
    """Make this job; where `key` is set, only if none was made under it before. `place` names the template."""

    request: NewJob
    place: str
    key: str = ""
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Tell:
    """Send this message: channel, connection, to, subject, text."""

    content: dict[str, Any]
    place: str


@dataclass(frozen=True, slots=True)
class RetryIt:
    """Run the event's job again, `most` times by this rule."""

    from_step: str | None
    most: int
    place: str


@dataclass(frozen=True, slots=True)
class CancelIt:
    """Cancel the event's job."""

    place: str


@dataclass(frozen=True, slots=True)
class HoldQueue:
    """Pause (or resume) a queue: the tenant's lane in it, or everybody."""

    queue: str
    pause: bool
    everybody: bool
    place: str


Effect = MakeJob | Tell | RetryIt | CancelIt | HoldQueue


class Refused(ValueError):
    """What a rule is to do cannot be done; `place` names the action, and it is no use to try again."""

    def __init__(self, place: str, message: str) -> None:
        self.place, self.message = place, message
        super().__init__(f"{place}: {message}" if place else message)
