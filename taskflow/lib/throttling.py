"""Limits per API key, counted in the cache."""

import time
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

if TYPE_CHECKING:
    # DRF's views import the classes named in its settings, this one among them.
    from rest_framework.views import APIView

WINDOW = 60
MOST_CALLERS = 10_000
_lock = Lock()


@dataclass(slots=True)
class Tally:
    """What this process knows of a caller in one minute: the count of all when last told, and its own since."""

    minute: int
    total: int = 0
    untold: int = 0


_tallies: dict[str, Tally] = {}


class KeyThrottle(BaseThrottle):
    """Lets a key make API_REQUESTS_PER_MINUTE requests in each minute of the clock; 0 means no limit.

    While the cache server is down it counts nothing, so each process allows what it sees: jobs are taken in even then.
    """

    def allow_request(self, request: Request, view: "APIView") -> bool:
        limit: int = settings.API_REQUESTS_PER_MINUTE
        return limit <= 0 or count_request(_caller(request), step=max(limit // 1000, 1)) <= limit

    def wait(self) -> float:
        return WINDOW - time.time() % WINDOW + 1


def count_request(caller: str, *, step: int) -> int:
    """Count one more request of `caller` in this minute and return how many there are, as far as this process knows.

    The cache is told of every `step` requests together: a thousandth of a generous limit costs a request nothing,
    and the count is late by at most that much for each process.
    """
    minute = int(time.time()) // WINDOW
    with _lock:
        tally = _tally(caller, minute)
        tally.untold += 1
        told = tally.untold if tally.untold >= step else 0
        tally.untold -= told
        tally.total += told
        count = tally.total + tally.untold
    if told:
        count = tally.total = max(tally.total, _tell(f"throttle:{caller}:{minute}", told))
    return count


def forget() -> None:
    """Forget every tally of this process."""
    with _lock:
        _tallies.clear()


def _tally(caller: str, minute: int) -> Tally:
    found = _tallies.get(caller)
    if found is None or found.minute != minute:
        if len(_tallies) >= MOST_CALLERS:
            _tallies.clear()
        found = _tallies[caller] = Tally(minute)
    return found


def _tell(key: str, told: int) -> int:
    try:
        return cache.incr(key, told)
    except ValueError:
        # Nobody has told in this minute, or one of several that race for being the first.
        return told if cache.add(key, told, timeout=2 * WINDOW) else cache.incr(key, told)


def _caller(request: Request) -> str:
    key = getattr(request.auth, "pk", None)
    return f"key:{key}" if key is not None else f"address:{request.META.get('REMOTE_ADDR', '')}"
