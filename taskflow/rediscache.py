"""What is kept for a while: a short memory inside one process, and a cache server that may be down."""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.core.cache.backends.redis import RedisCache
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from taskflow.lib.telemetry import emit

P = ParamSpec("P")
T = TypeVar("T")
_forget: list[Callable[[], None]] = []
MOST = 10_000


def remember(*, seconds: float) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Keep a function's answers for `seconds`, per arguments. None is not kept: what is missing may come any moment."""

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        kept: dict[object, tuple[float, T]] = {}
        _forget.append(kept.clear)

        @wraps(function)
        def remembering(*args: P.args, **kwargs: P.kwargs) -> T:
            key = (args, tuple(kwargs.items()))
            found = kept.get(key)
            if found is not None and found[0] > time.monotonic():
                return found[1]
            answer = function(*args, **kwargs)
            if answer is not None:
                if len(kept) >= MOST:
                    kept.clear()
                kept[key] = (time.monotonic() + seconds, answer)
            return answer

        return remembering

    return decorate


def forget_all() -> None:
    """Empty every memory of this process; tests call it between one database and the next."""
    for forget in _forget:
        forget()


Method = TypeVar("Method", bound=Callable[..., Any])


def _or(answer: Callable[..., Any]) -> Callable[[Method], Method]:
    """Make a method give `answer(self, ...)` while Redis cannot be reached."""

    def wrap(method: Method) -> Method:
        @wraps(method)
        def tolerant(self: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                return method(self, *args, **kwargs)
            except (RedisConnectionError, RedisTimeoutError) as error:
                emit("cache.unreachable", operation=method.__name__, error=type(error).__name__)
                return answer(self, *args, **kwargs)

        return tolerant  # type: ignore[return-value]

    return wrap


def _default(self: Any, key: Any, default: Any = None, *args: Any, **kwargs: Any) -> Any:
    return default


class TolerantRedisCache(RedisCache):
    """Django's Redis cache, but requests go on without it: jobs are taken in while Redis is down, only unthrottled."""

    get = _or(_default)(RedisCache.get)
    get_many = _or(lambda *_, **__: {})(RedisCache.get_many)
    set = _or(lambda *_, **__: None)(RedisCache.set)
    set_many = _or(lambda self, data, *_, **__: list(data))(RedisCache.set_many)
    add = _or(lambda *_, **__: True)(RedisCache.add)
    touch = _or(lambda *_, **__: False)(RedisCache.touch)
    delete = _or(lambda *_, **__: False)(RedisCache.delete)
    delete_many = _or(lambda *_, **__: None)(RedisCache.delete_many)
    has_key = _or(lambda *_, **__: False)(RedisCache.has_key)
    incr = _or(lambda self, key, delta=1, **__: delta)(RedisCache.incr)
