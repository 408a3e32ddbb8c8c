"""What a list of printed figures says about which of them is the sum to pay."""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from itertools import pairwise

Reading = Callable[[Sequence[Decimal]], Iterator[Decimal]]
#: A sum rounded for cash differs by less than the smallest coin, which is at most this.
COIN = Decimal("0.05")


def paid_less_change(values: Sequence[Decimal]) -> Iterator[Decimal]:
    """Yield v for "paid" and "change" printed one after the other, paid - change = v, and v printed before."""
    seen: set[Decimal] = set()
    for paid, change in pairwise(values):
        seen.add(paid)
        if paid > change > 0 and paid - change in seen:
            yield paid - change


def paid_exactly(values: Sequence[Decimal]) -> Iterator[Decimal]:
    """Yield v for v, v, 0.00 printed in a row: the sum, what was paid, no change."""
    for total, paid, change in zip(values, values[1:], values[2:], strict=False):
        if total == paid > change == 0:
            yield total


def sum_of_two(values: Sequence[Decimal]) -> Iterator[Decimal]:
    """Yield c for a, b, c printed in a row with a + b = c: a net sum, then its tax or its rounding, then the sum."""
    for net, more, total in zip(values, values[1:], values[2:], strict=False):
        if more and net > abs(more) and net + more == total:
            yield total


def net_with_tax(values: Sequence[Decimal]) -> Iterator[Decimal]:
    """Yield a + b, where it is printed, for a net sum and then a tax of at most a quarter of it."""
    printed = set(values)
    for net, tax in pairwise(values):
        if net > 0 < tax < net / 4 and net + tax in printed:
            yield net + tax


def rounded_for_cash(values: Sequence[Decimal]) -> Iterator[Decimal]:
    """Yield v, a multiple of the coin, when v plus or minus a printed rounding is a printed sum that is no multiple."""
    printed = set(values)
    roundings = [value for value in printed if 0 < abs(value) < COIN]
    for exact in printed:
        for rounding in roundings:
            for total in (exact + rounding, exact - rounding):
                if exact > 0 < total and total in printed and not total % COIN and exact % COIN:
                    yield total


#: Each reading with its points, found on printed receipts; the words beside an amount give up to about 14.
READINGS: tuple[tuple[Reading, float], ...] = (
    (paid_less_change, 4.0),
    (paid_exactly, 3.0),
    (sum_of_two, 2.0),
    (net_with_tax, 2.0),
    (rounded_for_cash, 6.0),
)


def evidence(values: Sequence[Decimal]) -> dict[Decimal, float]:
    """Return the points each value gains: each reading counts once for a value."""
    points: dict[Decimal, float] = {}
    for reading, worth in READINGS:
        for value in set(reading(values)):
            points[value] = points.get(value, 0.0) + worth
    return points
