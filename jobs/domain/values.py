"""Values of jobs as an index keeps them: one text each, which sorts as people expect and is found exactly.

A first letter tells the kind: nothing (no letter at all), yes or no, a day, a moment, a number, a text. Numbers become
the bits of an IEEE 754 double in the order of their size, moments are in UTC, and texts are without line breaks and
spaces at their ends, as databases differ in what they make of those.
"""

import json
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from hashlib import sha256
from math import isfinite
from typing import Any

EMPTY = ""
BOOLEAN, DAY, MOMENT, NUMBER, TEXT = "b", "d", "m", "n", "s"
#: Texts up to this many characters are kept whole; of longer ones the beginning, and a hash that tells them apart.
WHOLE, BEGINNING = 180, 130
LONGEST = 190
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}.*", re.ASCII)
_CONTROL = dict.fromkeys(range(32), " ") | {127: " "}
_SIGN = 1 << 63
_ALL = (1 << 64) - 1


def encode(value: Any) -> str:
    """Return a JSON value as the index keeps it, at most `LONGEST` characters; EMPTY for what holds nothing."""
    if isinstance(value, bool):
        return f"{BOOLEAN}{int(value)}"
    if isinstance(value, (int, float)):
        return encode_number(value)
    if isinstance(value, datetime):
        return encode_moment(value)
    if isinstance(value, str):
        return encode_text(value)
    if value is None or value in ([], {}):
        return EMPTY
    return _shortened(_tidy(json.dumps(value, ensure_ascii=False, default=str)))


def encode_number(value: float) -> str:
    """Return a number so that texts sort as the numbers do; one that no double holds becomes a text."""
    try:
        double = float(value)
    except OverflowError:
        return _shortened(str(value))
    if not isfinite(double):
        return _shortened(str(value))
    (bits,) = struct.unpack(">Q", struct.pack(">d", double + 0.0))
    return f"{NUMBER}{bits ^ _ALL if bits & _SIGN else bits | _SIGN:016x}"


def encode_moment(value: datetime) -> str:
    """Return a moment in UTC; one without a zone is taken for UTC."""
    aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    try:
        return f"{MOMENT}{aware.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}"
    except OverflowError:
        return _shortened(value.isoformat())


def encode_text(text: str) -> str:
    """Return a text; one that is a day or a moment by ISO 8601 is kept as that."""
    tidy = _tidy(text)
    if not tidy:
        return EMPTY
    if _DAY.fullmatch(tidy):
        day = read_day(tidy)
        return _shortened(tidy) if day is None else f"{DAY}{day.isoformat()}"
    moment = read_moment(tidy)
    return _shortened(tidy) if moment is None else encode_moment(moment)


def read_day(text: str) -> date | None:
    """Return the day that a text like 2026-03-31 names; None for any other text."""
    try:
        return date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        return None


def read_moment(text: str) -> datetime | None:
    """Return the moment that a text like 2026-03-31T09:30:00Z names; None for any other text."""
    try:
        return datetime.fromisoformat(text) if _MOMENT.fullmatch(text) else None
    except ValueError:
        return None


def decode(kept: str) -> str:
    """Return what the index keeps in words for people; what was shortened ends with an ellipsis."""
    kind, rest = kept[:1], kept[1:]
    if kind == BOOLEAN:
        return "true" if rest == "1" else "false"
    if kind == NUMBER:
        bits = int(rest, 16)
        (double,) = struct.unpack(">d", struct.pack(">Q", bits ^ _SIGN if bits & _SIGN else bits ^ _ALL))
        return str(int(double)) if double.is_integer() and abs(double) < 1e15 else repr(double)
    if kind == MOMENT:
        return f"{rest}+00:00"
    return f"{rest[:BEGINNING]}…" if kind == TEXT and len(rest) > WHOLE else rest


def _tidy(text: str) -> str:
    clean = text.encode("utf-8", "replace").decode().translate(_CONTROL)
    return " ".join(clean.split())


def _shortened(text: str) -> str:
    if len(text) <= WHOLE:
        return f"{TEXT}{text}"
    digest = sha256(text.encode()).hexdigest()[: LONGEST - BEGINNING - 2]
    return f"{TEXT}{text[:BEGINNING]}…{digest}"


@dataclass(slots=True)
class JobRecord:
    """All that a column, a filter or an index can ask of one job. `steps` holds each step's latest output by key."""

    payload: Any = None
    result: Any = None
    steps: dict[str, Any] = field(default_factory=dict)
    review: dict[str, Any] = field(default_factory=dict)
    job: dict[str, Any] = field(default_factory=dict)

    def at(self, path: str) -> Any:
        """Return what lies at a path such as `payload.total` or `steps.classify.label`; None where nothing does."""
        root, *keys = path.split(".")
        found: Any = {
            "payload": self.payload,
            "result": self.result,
            "steps": self.steps,
            "review": self.review,
            "job": self.job,
        }.get(root)
        for key in keys:
            if not isinstance(found, Mapping):
                return None
            found = found.get(key)
        return found
