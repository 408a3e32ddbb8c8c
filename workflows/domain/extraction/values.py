"""From a found text to a typed value."""

from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from workflows.domain.extraction.dates import DateOrder, find_dates
from workflows.domain.extraction.money import amount_pattern, find_amounts, parse_amount


class FieldType(StrEnum):
    """What a field holds."""

    TEXT = "text"
    DATE = "date"
    NUMBER = "number"
    INTEGER = "integer"
    MONEY = "money"
    BOOLEAN = "boolean"
    LIST = "list"


Value = str | int | float | bool | list[str]
_SAID = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class NotOfType(ValueError):
    """A found text is not of the field's type."""


def convert(found: Any, kind: FieldType, order: DateOrder = DateOrder.DAY_FIRST) -> Value:
    """Return `found` as the type asks: dates as ISO 8601, money as a number, lists of texts. Raises NotOfType."""
    if kind is FieldType.LIST:
        return _texts(found)
    if kind is FieldType.BOOLEAN:
        return _truth(found)
    if isinstance(found, bool) or not isinstance(found, (str, int, float)):
        raise NotOfType
    if kind is FieldType.TEXT:
        return str(found)
    if kind is FieldType.DATE:
        return _date(str(found), order)
    number = _number(found, money=kind is FieldType.MONEY)
    if kind is FieldType.INTEGER:
        if number != number.to_integral_value():
            raise NotOfType
        return int(number)
    return float(number)


def _texts(found: Any) -> list[str]:
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise NotOfType
    return found


def _truth(found: Any) -> bool:
    said = found if isinstance(found, bool) else _SAID.get(str(found).strip().lower())
    if said is None:
        raise NotOfType
    return said


def _date(text: str, order: DateOrder) -> str:
    found = next(find_dates([text], order), None)
    if found is None:
        raise NotOfType
    return found.value.isoformat()


_MONEY = amount_pattern()


def _number(found: str | int | float, *, money: bool) -> Decimal:
    text = str(found).strip()
    amounts = find_amounts([text], _MONEY) if money else []
    if amounts:
        return amounts[0].value
    try:
        number = Decimal(text.replace(" ", ""))
    except InvalidOperation:
        number = _printed_number(text)
    if not number.is_finite() or abs(number) > 10**15:
        raise NotOfType
    return number


def _printed_number(text: str) -> Decimal:
    """Read "1,234.50" and "1.234,50"; raises NotOfType for anything with letters."""
    plain = text.strip().lstrip("+-").replace(" ", "")
    if not plain or len(plain) > 30 or not all(character.isdecimal() or character in ".," for character in plain):
        raise NotOfType
    if not any(map(str.isdecimal, plain)):
        raise NotOfType
    return parse_amount(text)
