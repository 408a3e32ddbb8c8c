"""Values in a CSV that people open in a spreadsheet."""

import re
from typing import Any

_FORMULA = re.compile(r"\s*[=+@\-]|[\t\r\n]")
_FIGURE = re.compile(r"\s*[-+]?[\d.,]+%?\s*")


def neutral(value: Any) -> str:
    """Return a cell that no spreadsheet takes for a formula: what would be one gets an apostrophe in front."""
    text = "" if value is None else value if isinstance(value, str) else str(value)
    return f"'{text}" if _FORMULA.match(text) and not _FIGURE.fullmatch(text) else text
