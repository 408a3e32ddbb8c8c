"""Telemetry is emitted where work happens, and formatted elsewhere.

The code that does something calls `emit` or wraps it in `span`; logs and metrics subscribe. A name is dotted
(`engine.claim`), the fields are plain values: ids, counts, seconds. Secrets and payloads are never fields.

`bind` says what this thread or request is working on; each log line written there carries those ids.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

Subscriber = Callable[[str, dict[str, Any]], None]
_subscribers: list[Subscriber] = []
# One variable for all ids: a step binds four or five of them, thousands of times a second.
_bound: ContextVar[Mapping[str, Any]] = ContextVar("taskflow_bound", default=MappingProxyType({}))
_logger = logging.getLogger(__name__)


def subscribe(subscriber: Subscriber) -> None:
    """Call `subscriber(name, fields)` for everything emitted from now on, once however often it subscribes."""
    if subscriber not in _subscribers:
        _subscribers.append(subscriber)


def unsubscribe(subscriber: Subscriber) -> None:
    """Stop calling `subscriber`."""
    if subscriber in _subscribers:
        _subscribers.remove(subscriber)


def emit(name: str, **fields: Any) -> None:
    """Tell every subscriber that `name` happened. One that fails is logged; it never stops the work it watches."""
    for subscriber in _subscribers:
        try:
            subscriber(name, fields)
        except Exception:
            _logger.exception("telemetry subscriber failed", extra={"telemetry": name})


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


def bind(**ids: Any) -> None:
    """Say what this thread or request works on from now on, beside what was bound before."""
    _bound.set({**_bound.get(), **ids})


def rebind(**ids: Any) -> None:
    """Say what this thread works on from now on, in place of all that was bound before."""
    _bound.set(ids)


@contextmanager
def bound(**ids: Any) -> Iterator[None]:
    """Bind `ids` for a block; what the block binds is gone after it too."""
    token = _bound.set({**_bound.get(), **ids})
    try:
        yield
    finally:
        _bound.reset(token)


def bound_ids() -> Mapping[str, Any]:
    """Return what is bound here."""
    return _bound.get()
