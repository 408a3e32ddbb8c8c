"""Finding a printed date: many formats, and the words that stand beside the right one."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from workflows.domain.extraction.text import Phrases

#: The names of each month in English, German, French, Dutch, Italian and Spanish, and their short forms.
MONTHS = (
    "jan january januar jänner janvier januari gennaio enero",
    "feb february februar février fevrier févr februari febbraio febrero",
    "mar march märz maerz mrz mars maart marzo",
    "apr april avril avr aprile abril",
    "may mai mei maggio mayo",
    "jun june juni juin giugno junio",
    "jul july juli juillet juil luglio julio",
    "aug august août aout augustus agosto",
    "sep sept september septembre settembre septiembre",
    "oct october oktober okt octobre ottobre octubre",
    "nov november novembre noviembre",
    "dec december dezember dez décembre decembre dicembre diciembre",
)
MONTH_OF = {name: number for number, names in enumerate(MONTHS, start=1) for name in names.split()}
_MONTH = rf"(?P<month>{'|'.join(sorted(MONTH_OF, key=len, reverse=True))})"
_DAY = r"(?P<day>\d{1,2})"
_YEAR = r"(?P<year>(?:19|20)\d\d|\d\d)"
_MARK = r"\s{0,2}[ .,/'-]\s{0,2}"
_END = r"(?!\d|[/.-]\d)"
_START = r"(?<![\w.,/-])"
#: In this order: where two formats could read the same figures, the first one does.
PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_START}(?P<year>(?:19|20)\d\d)\s?(?P<mark>[-/.])\s?(?P<month>\d{{1,2}})\s?(?P=mark)\s?{_DAY}{_END}",
        rf"{_START}(?P<a>\d{{1,2}})\s?(?P<mark>[-/.])\s?(?P<b>\d{{1,2}})\s?(?P=mark)\s?{_YEAR}{_END}",
        rf"{_START}{_DAY}(?:st|nd|rd|th|er)?(?:{_MARK})?{_MONTH}\.?(?:{_MARK})?{_YEAR}{_END}",
        rf"(?<![^\W_]){_MONTH}\.?\s?{_DAY}(?:st|nd|rd|th)?{_MARK}{_YEAR}{_END}",
    )
)


class DateOrder(StrEnum):
    """How 03/04/2018 is meant."""

    DAY_FIRST = "day_first"
    MONTH_FIRST = "month_first"


@dataclass(frozen=True, slots=True)
class FoundDate:
    """A date as printed, the day it means, and where it stands; `swapped` if only the other order gives a day."""

    printed: str
    value: date
    swapped: bool
    line: int
    start: int


def _year(text: str) -> int:
    return int(text) if len(text) == 4 else 2000 + int(text)


def _numbers(match: re.Match[str], order: DateOrder) -> list[tuple[int, int]]:
    """Return the (month, day) pairs the figures may mean, the expected one first."""
    groups = match.groupdict()
    if "a" not in groups:
        month = groups["month"]
        return [(int(month) if month.isdigit() else MONTH_OF[month.lower()], int(groups["day"]))]
    first, second = int(groups["a"]), int(groups["b"])
    pairs = [(second, first), (first, second)]
    return pairs if order is DateOrder.DAY_FIRST else pairs[::-1]


def read_match(match: re.Match[str], order: DateOrder) -> tuple[date, bool] | None:
    """Return the day a match means, and whether its order had to be swapped; None for no such day (31/31/2018)."""
    for place, (month, day) in enumerate(_numbers(match, order)):
        try:
            return date(_year(match["year"]), month, day), place == 1
        except ValueError:
            continue
    return None


def find_dates(lines: Sequence[str], order: DateOrder = DateOrder.DAY_FIRST) -> Iterator[FoundDate]:
    """Yield every date, line by line."""
    for index, line in enumerate(lines):
        taken: list[range] = []
        for match in (match for pattern in PATTERNS for match in pattern.finditer(line)):
            read = read_match(match, order)
            if read is not None and not any(match.start() in span for span in taken):
                taken.append(range(*match.span()))
                yield FoundDate(match[0], *read, index, match.start())


def label_of(lines: Sequence[str], found: FoundDate, dated: Collection[int], reach: int) -> str:
    """Return what stands before a date: on its line, else on the nearest line with words of the `reach` above.

    Lines with a date of their own, which are in `dated`, label that one.
    """
    before = lines[found.line][: found.start]
    if any(map(str.isalpha, before)):
        return before
    for index in range(found.line - 1, max(-1, found.line - 1 - reach), -1):
        if index in dated:
            break
        if any(map(str.isalpha, lines[index])):
            return lines[index]
    return ""


def best_date(
    lines: Sequence[str], *, prefer: Phrases, avoid: Phrases, order: DateOrder = DateOrder.DAY_FIRST, reach: int = 2
) -> FoundDate | None:
    """Return the first date beside a preferred label; else the first that is not beside an avoided one; else the first.

    A date in the unexpected order comes last: it is more often a part of a number.
    """

    dates = list(find_dates(lines, order))
    dated = {found.line for found in dates}

    def rank(found: FoundDate) -> tuple[bool, int]:
        label = label_of(lines, found, dated, reach)
        return found.swapped, 2 if avoid.find(label) else 0 if prefer.find(label) else 1

    return min(dates, key=rank, default=None)
