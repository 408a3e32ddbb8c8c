"""The functions an expression may call besides the language's own."""

import math
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

MAX_PARTS = 10_000
MAX_TEXT = 1_000_000

#: Functions of the language itself, as its compiler names them.
# fmt: off
NATIVE = frozenset({
    "size", "contains", "startsWith", "endsWith", "matches",
    "int", "uint", "double", "string", "bytes", "timestamp", "duration", "type", "dyn",
    "has", "all", "exists", "exists_one", "filter", "map",
    "getFullYear", "getMonth", "getDate",
    "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getHours", "getMinutes", "getSeconds", "getMilliseconds",
})
# fmt: on


def lower(text: str) -> str:
    """Return `text` in small letters."""
    return _text("lower", text).lower()


def upper(text: str) -> str:
    """Return `text` in capitals."""
    return _text("upper", text).upper()


def trim(text: str) -> str:
    """Return `text` without the space around it."""
    return _text("trim", text).strip()


def split(text: str, separator: str) -> list[str]:
    """Return the parts of `text` between separators."""
    if not _text("split", separator):
        raise ValueError("split() needs a separator")
    parts = _text("split", text).split(separator, MAX_PARTS)
    if len(parts) > MAX_PARTS:
        raise ValueError(f"split() gives more than {MAX_PARTS} parts")
    return parts


def join(items: list[Any], separator: str) -> str:
    """Return the texts of a list as one, with `separator` between them."""
    texts = [_text("join", item) for item in _items("join", items)]
    if sum(map(len, texts)) + len(texts) * len(_text("join", separator)) > MAX_TEXT:
        raise ValueError(f"join() gives more than {MAX_TEXT} characters")
    return separator.join(texts)


def number(value: Any) -> float:
    """Return the number a text stands for; commas and spaces between digits are skipped ("1,234.50")."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    try:
        parsed = Decimal(_text("number", value).strip().replace(",", "").replace(" ", ""))
        if parsed.is_finite() and math.isfinite(float(parsed)):
            return float(parsed)
    except InvalidOperation:
        pass
    raise ValueError(f"number() cannot read {value[:40]!r}")


def absolute(value: float) -> float:
    """Return the size of a number without its sign."""
    return abs(_number("abs", value))


def rounded(value: float, digits: int = 0) -> float:
    """Return a number rounded to `digits` decimal places."""
    if not isinstance(digits, int) or not 0 <= digits <= 12:
        raise ValueError("round() takes 0 to 12 decimal places")
    return round(float(_number("round", value)), digits)


def largest(items: list[float]) -> float:
    """Return the largest number of a list."""
    return max(_numbers("max", items))


def smallest(items: list[float]) -> float:
    """Return the smallest number of a list."""
    return min(_numbers("min", items))


def total(items: list[float]) -> float:
    """Return the sum of a list of numbers; 0 for an empty one."""
    return sum(_number("sum", item) for item in _items("sum", items))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "lower": lower,
    "upper": upper,
    "trim": trim,
    "split": split,
    "join": join,
    "number": number,
    "abs": absolute,
    "round": rounded,
    "max": largest,
    "min": smallest,
    "sum": total,
}


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name}() needs text, not {_kind(value)}")
    return value


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name}() needs a number, not {_kind(value)}")
    return value


def _items(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"{name}() needs a list, not {_kind(value)}")
    return value


def _numbers(name: str, value: Any) -> list[float]:
    if not _items(name, value):
        raise ValueError(f"{name}() of an empty list")
    return [_number(name, item) for item in value]


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    return {bool: "a boolean", str: "text", list: "a list", dict: "an object"}.get(type(value), "a number")
