"""Finding an amount of money by the words beside it and by what the figures say."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from workflows.domain.extraction.figures import evidence
from workflows.domain.extraction.labels import Labeller
from workflows.domain.extraction.text import Phrases

CURRENCIES = ("RM", "MYR", "USD", "US$", "S$", "SGD", "EUR", "GBP", "INR", "CHF", "$", "€", "£", "¥", "₹")
#: Points for each further place a value is printed at, and for how many places at most.
REPEATED, REPEATS = 0.25, 4
_NUMBER = r"(?:\d{1,3}(?:[, ]\d{3})+|\d{1,3}(?:\.\d{3})+(?=,)|\d{1,12}|(?=\.))"


class Currency(StrEnum):
    """What to do with a currency that is printed with the amount."""

    KEEP = "keep"
    DROP = "drop"
    JOINED = "joined"


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount as printed: with its currency if it has one, and without. Line and columns say where."""

    value: Decimal
    printed: str
    plain: str
    line: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class LabelPoints:
    """What an amount gains, or loses, by standing beside one of the phrases."""

    phrases: Phrases
    points: float


@dataclass(frozen=True, slots=True)
class MoneyRules:
    """How to choose an amount. Labels below a line with one of the `ignore_below` phrases do not count."""

    pattern: re.Pattern[str]
    labels: tuple[LabelPoints, ...]
    ignore_below: Phrases
    arithmetic: bool = True
    currency: Currency = Currency.JOINED


def parse_amount(text: str) -> Decimal:
    """Return the value of a printed amount: a mark before its last one or two figures is the decimal mark."""
    digits = re.sub(r"[^\d.,]", "", text).strip(",").rstrip(".")
    decimals = re.search(r"[.,](\d{1,2})$", digits)
    whole = re.sub(r"\D", "", digits[: decimals.start()] if decimals else digits) or "0"
    value = Decimal(f"{whole}.{decimals[1]}" if decimals else whole)
    return -value if "-" in text or text.startswith("(") else value


def amount_pattern(currencies: Iterable[str] = CURRENCIES) -> re.Pattern[str]:
    """Return the pattern of an amount with two decimals, or of any number that carries a currency."""
    names = "|".join(map(re.escape, sorted(currencies, key=len, reverse=True))) or "(?!)"
    return re.compile(
        rf"(?<![\w.,/])(?P<sign>-\s?)?(?P<currency>(?:{names})\s{{0,2}}[:.]?\s{{0,2}})?"
        rf"(?P<plain>-?(?:{_NUMBER}[.,]\d{{2}}|(?(currency)\d{{1,12}}(?:\.\d)?|(?!)))-?)(?![\d%]|[.,/-]\d|\s?%)",
        re.IGNORECASE,
    )


def find_amounts(lines: Sequence[str], pattern: re.Pattern[str]) -> list[Amount]:
    """Return every amount, in the order they are printed."""
    return [
        _amount(match, index) for index, line in enumerate(lines) for match in pattern.finditer(line)
    ]  # fmt: skip


def _amount(match: re.Match[str], line: int) -> Amount:
    plain = ("-" if match["sign"] else "") + match["plain"]
    return Amount(parse_amount(plain), match[0].strip(), plain, line, *match.span())


def label_points(label: str, table: Sequence[LabelPoints]) -> float | None:
    """Return the points of the longest phrase of `table` that stands in `label`; None when there is none."""
    matches = [(len(match[0]), entry.points) for entry in table for match in entry.phrases.all(label)]
    return max(matches, key=lambda match: match[0])[1] if matches else None


class MoneyFinder:
    """Looks for one amount in one document."""

    def __init__(self, lines: Sequence[str], rules: MoneyRules) -> None:
        self.rules = rules
        self.amounts = find_amounts(lines, rules.pattern)
        self.labeller = Labeller(lines, [(amount.line, amount.start, amount.end) for amount in self.amounts])
        self.last = next((index for index, line in enumerate(lines) if rules.ignore_below.find(line)), len(lines))

    def find(self) -> Amount | None:
        """Return the amount with the most points, the largest of equals; None when there is none but zeros."""
        places: dict[Decimal, list[Amount]] = {}
        for amount in self.amounts:
            if amount.value:
                places.setdefault(amount.value, []).append(amount)
        figures = evidence([amount.value for amount in self.amounts]) if self.rules.arithmetic else {}
        if not places:
            return None
        best = max(places, key=lambda value: (self._points(places[value]) + figures.get(value, 0.0), value))
        plain = [amount for amount in places[best] if amount.printed == amount.plain]
        return (plain or places[best])[0]

    def _points(self, places: Sequence[Amount]) -> float:
        return max(map(self._label_points, places)) + REPEATED * min(len(places), REPEATS)

    def _label_points(self, amount: Amount) -> float:
        """Return the points of the best label; a label that speaks against it counts only where none speaks for it."""
        if amount.line >= self.last:
            return 0.0
        found = [
            points * sure
            for label, sure in self.labeller.labels(amount.line, amount.start)
            if (points := label_points(label, self.rules.labels)) is not None
        ]
        return max(found, default=0.0)


def show(amount: Amount, currency: Currency) -> str:
    """Return the amount as it shall be given: `JOINED` keeps a currency that is printed without a space before it."""
    drop = currency is Currency.DROP or (currency is Currency.JOINED and " " in amount.printed)
    return amount.plain if drop else amount.printed
