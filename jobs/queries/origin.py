"""Where a job came from, in words, with a page to read on. Higher apps say what they made."""

from collections.abc import Callable
from dataclasses import dataclass

from jobs.models import Job


@dataclass(frozen=True, slots=True)
class Origin:
    """Who made a job, in words for people; `url` is the page that tells more, where there is one."""

    text: str
    url: str = ""


Tells = Callable[[Job], Origin | None]
#: Higher apps say here which jobs they made.
tell_origin: list[Tells] = []


def origin_of(job: Job) -> Origin | None:
    """Return where a job came from; None where nobody knows."""
    for tell in tell_origin:
        if (origin := tell(job)) is not None:
            return origin
    return Origin(job.source) if job.source else None
