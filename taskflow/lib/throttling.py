"""Limits per API key, counted in the cache."""

import time
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

if TYPE_CHECKING:
    # DRF's views import the classes named in its settings, this one among them.
    from rest_framework.views import APIView

WINDOW = 60


class KeyThrottle(BaseThrottle):
    """Lets a key make API_REQUESTS_PER_MINUTE requests in each minute of the clock.

    One counter for a key and minute, so a request costs one increment; 0 means no limit. While the cache server is down
    the cache counts nothing, so nobody is throttled: jobs are taken in even then.
    """

    def allow_request(self, request: Request, view: "APIView") -> bool:
        limit: int = settings.API_REQUESTS_PER_MINUTE
        return limit <= 0 or count_request(_caller(request)) <= limit

    def wait(self) -> float:
        return WINDOW - time.time() % WINDOW + 1


def count_request(caller: str) -> int:
    """Count one more request of `caller` in this minute and return how many there are."""
    key = f"throttle:{caller}:{int(time.time()) // WINDOW}"
    try:
        return cache.incr(key)
    except ValueError:
        # Its first request in this minute, or one of several that race for being the first.
        return 1 if cache.add(key, 1, timeout=2 * WINDOW) else cache.incr(key)


def _caller(request: Request) -> str:
    key = getattr(request.auth, "pk", None)
    return f"key:{key}" if key is not None else f"address:{request.META.get('REMOTE_ADDR', '')}"
