"""The cache on Redis, which may be down: then nothing is remembered, and nothing fails."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from django.core.cache.backends.redis import RedisCache
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from taskflow.lib.telemetry import emit

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
