"""Where the values of an output stand in the text they were taken from, so that a reviewer sees them at a glance."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

#: Values longer than this are no finds but texts of their own.
LONGEST_VALUE = 300
MOST_PER_VALUE = 5
_ISO_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the text; `label` names the field whose value it is, and is empty in between."""

    text: str
    label: str = ""


def marked(text: str, values: Mapping[str, Any]) -> list[Piece]:
    """Return `text` in pieces, with every place marked where one of `values` (label -> value) stands.

    Texts are found whatever their case and spacing, numbers with or without separators, dates in the usual forms. Of
    places that overlap the longest wins.
    """
    places = sorted(_places(text, values), key=lambda place: (place[0] - place[1], place[0]))
    taken: list[tuple[int, int, str]] = []
    for start, end, label in places:
        if all(end <= other_start or start >= other_end for other_start, other_end, _ in taken):
            taken.append((start, end, label))
    return list(_pieces(text, sorted(taken)))


def _pieces(text: str, taken: Iterable[tuple[int, int, str]]) -> Iterator[Piece]:
    position = 0
    for start, end, label in taken:
        if start > position:
            yield Piece(text[position:start])
        yield Piece(text[start:end], label)
        position = end
    if position < len(text):
        yield Piece(text[position:])


def _places(text: str, values: Mapping[str, Any]) -> Iterator[tuple[int, int, str]]:
    for label, value in values.items():
        for part in value if isinstance(value, list) else [value]:
            found = 0
            for pattern in _patterns(part):
                for match in re.finditer(pattern, text, re.IGNORECASE):
                    yield match.start(), match.end(), label
                    found += 1
                    if found == MOST_PER_VALUE:
                        break
                if found:
                    break


def _patterns(value: Any) -> list[str]:
    """Return regular expressions for the ways a value may be written, the likeliest first."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return []
    if isinstance(value, str):
        words = [re.escape(word) for word in value.split()]
        if not words or len(value) > LONGEST_VALUE or (len(value) < 2 and not value.isdigit()):
            return []
        iso = _ISO_DATE.fullmatch(value)
        plain = r"(?<!\w)" + r"\s+".join(words) + r"(?!\w)"
        return [plain, *(_date_patterns(iso) if iso else [])]
    return _number_patterns(value)


def _number_patterns(value: float) -> list[str]:
    whole, _, rest = f"{abs(value):.10f}".rstrip("0").rstrip(".").partition(".")
    grouped = r"[.,' ]?".join(_thousands(whole))
    tail = rf"[.,]{rest}0*" if rest else r"(?:[.,]0+)?"
    return [rf"(?<![\d.,]){grouped}{tail}(?![.,]?\d)"]


def _thousands(digits: str) -> list[str]:
    first = len(digits) % 3
    parts = [digits[:first]] if first else []
    return parts + [digits[at : at + 3] for at in range(first, len(digits), 3)]


def _date_patterns(iso: re.Match[str]) -> list[str]:
    year, month, day = (int(part) for part in iso.groups())
    try:
        when = date(year, month, day)
    except ValueError:
        return []
    short, sign = str(year)[2:], r"[-/. ]"
    years = f"(?:{year}|{short})"
    name = rf"{when:%b}(?:{f'{when:%B}'[3:]})?\.?"
    ways = [
        rf"{year}{sign}0?{month}{sign}0?{day}",
        rf"0?{day}{sign}0?{month}{sign}{years}",
        rf"0?{month}{sign}0?{day}{sign}{years}",
        rf"0?{day}(?:st|nd|rd|th)?\s*[-. ]?\s*{name}[-,. ]*{years}",
        rf"{name}\s*0?{day}(?:st|nd|rd|th)?[-,. ]*{years}",
    ]
    return [rf"(?<!\d){way}(?!\d)" for way in ways]
