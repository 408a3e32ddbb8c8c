"""The built-in checks of a `validate` rule. Each returns what is wrong with a value, or nothing."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import regex

from workflows.domain.expressions import Expression
from workflows.domain.outcomes import PermanentError
from workflows.kinds.language import test

#: A sensible pattern takes microseconds on a value; a catastrophic one never ends by itself.
MAX_PATTERN_SECONDS = 0.5
_FIGURE = re.compile(r"\d[\d, ]*(?:\.\d+)?|\.\d+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Check:
    """What a rule asks of a value."""

    required: bool
    pattern: "regex.Pattern[str] | None"
    least: float | None
    most: float | None
    max_length: int | None
    one_of: tuple[str | float, ...]
    that: Expression | None


def failed_check(check: Check, value: Any, occurs_in: str | None, text: Any, names: Mapping[str, Any]) -> str:
    """Return the reason of the first check that fails, or an empty text. A missing value fails `required` only."""
    if value is None or value == "" or value == []:
        reason = "has no value" if check.required else ""
    else:
        reason = _out_of_bounds(check, value) or _not_among(check, value) or _unlike(check, value)
        if not reason and occurs_in is not None and not occurs(value, text):
            reason = f"{_shown(value)} does not occur in {occurs_in}"
    if not reason and check.that is not None and not test(check.that, names):
        reason = f"does not hold: {check.that.source}"
    return reason


def _out_of_bounds(check: Check, value: Any) -> str:
    if check.max_length is not None and len(_text(value)) > check.max_length:
        return f"is longer than {check.max_length}"
    if check.least is None and check.most is None:
        return ""
    number = as_number(value)
    if number is None:
        return f"{_shown(value)} is not a number"
    if check.least is not None and number < Decimal(str(check.least)):
        return f"{_shown(value)} is less than {check.least:g}"
    if check.most is not None and number > Decimal(str(check.most)):
        return f"{_shown(value)} is more than {check.most:g}"
    return ""


def _not_among(check: Check, value: Any) -> str:
    if not check.one_of or (not isinstance(value, (list, dict)) and value in check.one_of):
        return ""
    return f"{_shown(value)} is not one of {', '.join(map(str, check.one_of[:20]))}"


def _unlike(check: Check, value: Any) -> str:
    if check.pattern is None:
        return ""
    try:
        match = check.pattern.fullmatch(_text(value), timeout=MAX_PATTERN_SECONDS)
    except TimeoutError:
        raise PermanentError(f"The pattern {check.pattern.pattern[:60]!r} takes too long on this value.") from None
    return "" if match else f"{_shown(value)} does not look like {check.pattern.pattern}"


def as_number(value: Any) -> Decimal | None:
    """Return the number a value is, or its text spells ("1,234.50"); None if it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = Decimal(str(value).strip().replace(",", "").replace(" ", ""))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def occurs(value: Any, text: Any) -> bool:
    """Say whether `value` stands in `text`: words regardless of case, space and line ends, numbers by their value.

    Of a list, every element must occur.
    """
    if not isinstance(text, str):
        return False
    if isinstance(value, list):
        return all(occurs(item, text) for item in value)
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return False
    if isinstance(value, str):
        return _squeezed(value) in _squeezed(text)
    wanted = as_number(abs(value))
    return any(as_number(found) == wanted for found in _FIGURE.findall(text))


def _squeezed(text: str) -> str:
    return "".join(text.casefold().split())


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def _shown(value: Any) -> str:
    text = _text(value)
    text = text if len(text) <= 60 else text[:57] + "..."
    return f"'{text}'" if isinstance(value, str) else text
