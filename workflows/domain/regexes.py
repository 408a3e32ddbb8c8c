"""Regular expressions that people write: compiled safely. Searching with them needs a timeout."""

import re

import regex

MAX_LENGTH = 1000
#: Counted repeats are written out when a pattern is compiled, nested ones multiplied: {1000} thrice takes gigabytes.
MAX_EXPANSION = 20_000
_PIECE = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{(\d+)(?:,\d*)?\}|[()]|.", re.DOTALL)


class RegexError(ValueError):
    """A text is not a regular expression that can be used; the message says why."""


def compile_regex(source: str, flags: int = 0) -> "regex.Pattern[str]":
    """Compile `source` in the syntax of the `regex` library; raises RegexError."""
    if len(source) > MAX_LENGTH:
        raise RegexError(f"the pattern is longer than {MAX_LENGTH} characters")
    if expansion(source) > MAX_EXPANSION:
        raise RegexError("the pattern's repeats multiply to too many")
    try:
        return regex.compile(source, flags)
    except (regex.error, ValueError, OverflowError, RecursionError) as error:
        raise RegexError(f"not a regular expression: {error}") from None


def expansion(source: str) -> int:
    """Return how many pieces `source` has when its counted repeats are written out, at most a little too many."""
    totals, last = [0], 1
    for match in _PIECE.finditer(source):
        piece = match[0]
        if piece == "(":
            totals.append(0)
        elif piece == ")" and len(totals) > 1:
            last = max(totals.pop(), 1)
            totals[-1] += last
        elif match[1] is not None:
            extra = last * max(int(match[1][:9]) - 1, 0)
            totals[-1] += extra
            last += extra
        else:
            last = 1
            totals[-1] += 1
    return sum(totals)
