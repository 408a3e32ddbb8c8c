"""How often, and after what pauses, a firing or a notice is tried again; and how long a chain of rules may be."""

from datetime import datetime, timedelta

MOST_ATTEMPTS = 6
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=30)
#: Whoever takes up a firing or a notice has so long for it before another does.
LEASE = timedelta(seconds=60)
#: Rules that may lead to one another by the jobs they make; beyond, it is a loop.
MOST_DEPTH = 5
HOUR = timedelta(hours=1)


def next_try(attempts: int, now: datetime) -> datetime | None:
    """Return when to try again after this many attempts, each pause twice the last; None to give up."""
    if attempts >= MOST_ATTEMPTS:
        return None
    return now + min(FIRST_PAUSE * int(2 ** (attempts - 1)), LONGEST_PAUSE)
