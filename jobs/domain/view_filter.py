"""Conditions on values of jobs: as people write them, as spans of what the index keeps, and as a test of one value."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any, Self
from zoneinfo import ZoneInfo

from jobs.domain.values import (
    DAY,
    EMPTY,
    LONGEST,
    MOMENT,
    NUMBER,
    TEXT,
    decode,
    encode,
    encode_moment,
    encode_text,
    read_day,
    read_moment,
)

LONGEST_VALUE = 500
MOST_CHOICES = 50


class Op(StrEnum):
    """What a condition asks of a value. In an address it follows the path: `result.total:gte=100`."""

    IS = "is"
    NOT = "not"
    IN = "in"
    GTE = "gte"
    LTE = "lte"
    GT = "gt"
    LT = "lt"
    CONTAINS = "contains"
    EMPTY = "empty"


#: How each is called on pages.
OP_LABELS = {
    Op.IS: "is",
    Op.NOT: "is not",
    Op.IN: "is one of",
    Op.GTE: "is at least",
    Op.LTE: "is at most",
    Op.GT: "is more than",
    Op.LT: "is less than",
    Op.CONTAINS: "contains",
    Op.EMPTY: "is empty",
}


class BadCondition(ValueError):
    """A condition that makes no sense; says why in words for people."""


@dataclass(frozen=True, slots=True)
class Span:
    """A range of what the index keeps, its ends in or out; None is no end."""

    low: str | None = None
    high: str | None = None
    low_out: bool = False
    high_out: bool = False

    @property
    def is_point(self) -> bool:
        """Whether it holds one value only."""
        return self.low is not None and self.low == self.high

    def overlap(self, other: "Span") -> "Span | None":
        """Return what lies in both; None where that is nothing."""
        low, low_out = max((self.low or "", self.low_out), (other.low or "", other.low_out))
        highs = [(span.high, not span.high_out) for span in (self, other) if span.high is not None]
        high, high_in = min(highs) if highs else (None, False)
        if high is not None and (low > high or (low == high and (low_out or not high_in))):
            return None
        return Span(low, high, low_out, high is not None and not high_in)

    def holds(self, kept: str) -> bool:
        """Say whether a value lies in it."""
        above = self.low is None or (kept > self.low if self.low_out else kept >= self.low)
        return above and (self.high is None or (kept < self.high if self.high_out else kept <= self.high))


@dataclass(frozen=True, slots=True)
class ValueFilter:
    """What the value at `path` must be: in one of the spans, and, where `contains` says so, hold that text."""

    path: str
    spans: tuple[Span, ...]
    contains: str = ""

    def holds(self, kept: str) -> bool:
        """Say whether a value, as the index keeps it, is meant."""
        if self.contains and self.contains not in decode(kept).casefold():
            return False
        return any(span.holds(kept) for span in self.spans)

    def to_json(self) -> list[Any]:
        """Return it in a form that JSON can keep."""
        return [self.path, [[s.low, s.high, s.low_out, s.high_out] for s in self.spans], self.contains]

    @classmethod
    def from_json(cls, kept: list[Any]) -> Self:
        """Return the filter that `to_json` gave."""
        return cls(kept[0], tuple(Span(*span) for span in kept[1]), kept[2])


def compile_filter(path: str, op: str, text: str, zone: ZoneInfo) -> ValueFilter:
    """Return a condition as spans; days are those of `zone`. Raises BadCondition."""
    if op not in list(Op):
        raise BadCondition(f"There is no comparison '{op}'. Known: {', '.join(Op)}.")
    if len(text) > LONGEST_VALUE:
        raise BadCondition(f"The value is longer than {LONGEST_VALUE} characters.")
    if "\x00" in text:
        raise BadCondition("The value holds a NUL character.")
    if op == Op.EMPTY:
        return ValueFilter(path, _empty(text))
    if op == Op.IN:
        return ValueFilter(path, _points(_choices(text)))
    if op == Op.IS:
        return ValueFilter(path, _points([text]))
    if op == Op.NOT:
        return ValueFilter(path, _gaps(_points([text])))
    if not text.strip():
        raise BadCondition("Write a value to compare with.")
    if op == Op.CONTAINS:
        return ValueFilter(path, (Span(low=EMPTY, low_out=True),), " ".join(text.casefold().split()))
    return ValueFilter(path, _ranges(Op(op), text.strip(), zone))


def joined(filters: Iterable[ValueFilter]) -> list[ValueFilter]:
    """Return the same conditions with those on one path made one: at least 5 and less than 7 are a single span."""
    by_path: dict[str, ValueFilter] = {}
    texts: list[ValueFilter] = []
    for each in filters:
        if each.contains:
            texts.append(each)
        elif each.path in by_path:
            spans = _common(by_path[each.path].spans, each.spans)
            by_path[each.path] = ValueFilter(each.path, spans)
        else:
            by_path[each.path] = each
    return [*by_path.values(), *texts]


def _common(some: Iterable[Span], others: Iterable[Span]) -> tuple[Span, ...]:
    """Return what lies in both of two sets of spans."""
    found = [span for one in some for other in others if (span := one.overlap(other)) is not None]
    return tuple(sorted(found, key=lambda span: (span.low or "", span.high or "")))


def whole_value(path: str, kept: str) -> ValueFilter:
    """Return the condition that the value is exactly this, as the index keeps it."""
    return ValueFilter(path, (Span(kept, kept),))


def _empty(text: str) -> tuple[Span, ...]:
    if text.strip().lower() in ("", "true", "1", "yes"):
        return (Span(EMPTY, EMPTY),)
    if text.strip().lower() in ("false", "0", "no"):
        return (Span(low=EMPTY, low_out=True),)
    raise BadCondition("Write true or false.")


def _choices(text: str) -> list[str]:
    choices = [choice.strip() for choice in text.split(",") if choice.strip()]
    if not choices:
        raise BadCondition("Write at least one value; several are separated by commas.")
    if len(choices) > MOST_CHOICES:
        raise BadCondition(f"At most {MOST_CHOICES} values.")
    return choices


def _points(texts: Iterable[str]) -> tuple[Span, ...]:
    """Return the values that are written so: 5 is the number and the text, true the answer and the word."""
    points = {kept for text in texts for kept in _readings(text)}
    return tuple(Span(point, point) for point in sorted(points))


def _readings(text: str) -> set[str]:
    found = {encode_text(text)}
    number = _number(text)
    if number is not None:
        found.add(encode(number))
    if text.strip().lower() in ("true", "false"):
        found.add(encode(text.strip().lower() == "true"))
    return found


def _gaps(points: tuple[Span, ...]) -> tuple[Span, ...]:
    """Return all that lies between and around points."""
    edges: list[str | None] = [None, *(point.low for point in points), None]
    spans = [Span(low, high, low is not None, high is not None) for low, high in pairwise(edges)]
    return tuple(span for span in spans if span.high != EMPTY)


def _ranges(op: Op, text: str, zone: ZoneInfo) -> tuple[Span, ...]:
    """Return the spans on one side of a value, among values of its kind; a day is compared with moments as well."""
    number = _number(text)
    if number is not None:
        return (_side(op, encode(number), NUMBER),)
    day = read_day(text)
    if day is not None:
        return (_side(op, f"{DAY}{day.isoformat()}", DAY), _moments(op, day, zone))
    moment = read_moment(text)
    if moment is not None:
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
        return (_side(op, encode_moment(aware), MOMENT),)
    return (_side(op, encode_text(text)[:LONGEST], TEXT),)


def _moments(op: Op, day: date, zone: ZoneInfo) -> Span:
    """Return the moments before, in or after a day; a day that is at most, or exceeded, ends with the next."""
    if op in (Op.LTE, Op.GT):
        day = min(day, date.max - timedelta(days=1)) + timedelta(days=1)
    edge = encode_moment(max(datetime.combine(day, time(), zone), datetime(1, 1, 2, tzinfo=UTC)))
    return _side(Op.LT if op in (Op.LT, Op.LTE) else Op.GTE, edge, MOMENT)


def _side(op: Op, edge: str, kind: str) -> Span:
    """Return what lies on one side of `edge` among values of a kind."""
    if op in (Op.GTE, Op.GT):
        return Span(edge, chr(ord(kind) + 1), low_out=op is Op.GT, high_out=True)
    return Span(kind, edge, high_out=op is Op.LT)


def _number(text: str) -> float | int | None:
    plain = text.strip()
    try:
        return int(plain) if plain.lstrip("+-").isdigit() and plain.isascii() else _double(plain)
    except ValueError:
        return None


def _double(plain: str) -> float | None:
    # float() also takes words such as nan, and digits of every script.
    if not plain.isascii() or "_" in plain or any(letter in plain.lower() for letter in ("n", "i")):
        return None
    return float(plain)
