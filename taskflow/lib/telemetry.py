"""Telemetry is emitted where work happens, and formatted elsewhere.

The code that does something calls `emit` or wraps it in `span`; logs and metrics subscribe. A name is dotted
(`engine.claim`), the fields are plain values: ids, counts, seconds. Secrets and payloads are never fields.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Subscriber = Callable[[str, dict[str, Any]], None]
_subscribers: list[Subscriber] = []


def subscribe(subscriber: Subscriber) -> None:
    """Call `subscriber(name, fields)` for everything emitted from now on, once however often it subscribes."""
    if subscriber not in _subscribers:
        _subscribers.append(subscriber)


def emit(name: str, **fields: Any) -> None:
    """Tell every subscriber that `name` happened."""
    for subscriber in _subscribers:
        subscriber(name, fields)


@contextmanager
def span(name: str, **fields: Any) -> Iterator[dict[str, Any]]:
    """Time a piece of work and emit it with `seconds`, and with `error` (the class name) if it raised.

    The block may add fields to the dict it is given.
    """
    start = time.perf_counter()
    try:
        yield fields
    except BaseException as error:
        fields["error"] = type(error).__name__
        raise
    finally:
        emit(name, seconds=time.perf_counter() - start, **fields)
