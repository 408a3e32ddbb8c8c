"""Reading JSON from strangers: RFC 8259, and nothing that two readers could understand differently.

Refused with a reason, as RFC 7493 (I-JSON) advises: NaN and infinities, numbers no double can hold, keys that
appear twice, half surrogate pairs, and nesting that would break whoever reads it next. Whole numbers stay exact.
"""

import json
import re
from collections.abc import Iterator
from itertools import accumulate, islice
from math import isinf
from typing import Any, NoReturn

from taskflow.lib.fields import dump_json

DEEPEST = 100
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_STEP_BY_BRACKET = bytes.maketrans(b"[{]}", b"\x02\x02\x00\x00")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")


class BadJSON(ValueError):
    """The text is not JSON, or is JSON that is refused. `field` names the place, where it is known."""

    def __init__(self, reason: str, field: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.field = field


def parse_json(raw: bytes) -> Any:
    """Return the value that `raw` is; raises BadJSON with a reason for people."""
    try:
        value = _decoder.decode(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadJSON(f"The text is not UTF-8: byte {error.start} cannot be read.") from error
    except json.JSONDecodeError as error:
        raise BadJSON(f"This is not JSON: {_sentence(error)}.") from error
    except RecursionError as error:
        raise BadJSON(_TOO_DEEP) from error
    if raw.count(b"[") + raw.count(b"{") > DEEPEST and _depth(raw) > DEEPEST:
        raise BadJSON(_TOO_DEEP)
    if _SURROGATE_ESCAPE.search(raw):
        _check_surrogates(value)
    return value


_TOO_DEEP = f"The JSON is nested more than {DEEPEST} levels deep."


def _sentence(error: json.JSONDecodeError) -> str:
    problem = error.msg[:1].lower() + error.msg[1:]
    return f"{problem} (line {error.lineno}, column {error.colno})" if error.doc.strip() else "the text is empty"


def _depth(raw: bytes) -> int:
    """Return how deep valid JSON is nested; no loop of ours, as a hostile text may hold millions of brackets."""
    brackets = _STRING.sub(b"", raw).translate(_STEP_BY_BRACKET, _NO_BRACKETS)
    return max(accumulate(map((-1).__add__, brackets)), default=0)


def _check_surrogates(value: Any) -> None:
    try:
        dump_json(value).encode()
    except UnicodeEncodeError as error:
        places = (path for path, text in islice(_texts(value), 100_000) if not _is_unicode(text))
        reason = "The text holds half of a surrogate pair, which is no character."
        raise BadJSON(reason, next(places, "")[:100]) from error


def _texts(value: Any) -> Iterator[tuple[str, str]]:
    """Yield every text and key in `value` as (dotted path, text), without recursion."""
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting:
        path, item = waiting.pop()
        if isinstance(item, str):
            yield path, item
        elif isinstance(item, (dict, list)):
            prefix = path + "." if path else ""
            children = item.items() if isinstance(item, dict) else enumerate(item)
            for key, child in children:
                if isinstance(key, str):
                    yield path, key
                waiting.append((f"{prefix}{key}", child))


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise BadJSON(f"The key {json.dumps(twice[:100])} appears twice in one object.")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if isinf(number):
        raise BadJSON(f"The number {text[:40]} is too large for a 64-bit float.")
    return number


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise BadJSON(f"A whole number of {len(text)} digits is too long.") from error


def _constant(name: str) -> NoReturn:
    raise BadJSON(f"{name} is not a JSON value.")


_decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_finite, parse_int=_whole, parse_constant=_constant)
