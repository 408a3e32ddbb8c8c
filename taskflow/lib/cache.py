"""A short memory inside one process, for what is read often and changes seldom."""

import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

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
