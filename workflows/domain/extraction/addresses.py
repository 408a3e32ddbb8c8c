"""Finding a block of address lines."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from workflows.domain.extraction.names import NUMBER_LINE
from workflows.domain.extraction.text import Phrases

#: "12", "NO. 31G&33G", "4-20", "LOT 1851-A & 1851-B", "F.K06", "22A-1"
_HOUSE = re.compile(
    r"(?:(?:NO|LOT|UNIT|BLOCK|BLK|SUITE|SHOP|#)\b[\s.:#]{0,3}){0,2}(?:[A-Z]{1,3}[\s.-]{0,2}){0,2}\d{1,5}[A-Z]?"
    r"(?:\s{0,2}[-/&+.]\s{0,2}[A-Z]?\d{0,5}[A-Z]?){0,5}",
    re.IGNORECASE,
)
_NUMBERED = re.compile(
    r"\W?(?:NO|LOT|UNIT|BLOCK|BLK|SUITE|LEVEL|PT|PTD)\b\W{0,3}(?:[A-Z]{0,4}[-. ]?){0,2}\d", re.IGNORECASE
)
#: A postcode of any of these forms beside a name: "81100 JOHOR BAHRU", "SW1A 1AA", "TX 75001"
_POSTCODE = re.compile(
    r"(?<!\w)\d{4,6}[ .,]{1,3}[^\W\d_]{2}|(?<!\w)[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}(?!\w)"
    r"|(?<!\w)[A-Z]{2} \d{5}(?!\d)|^\W?\d{5}\W?$",
    re.IGNORECASE,
)
#: Amounts, times, dates, phone numbers, web and mail addresses.
_OTHER = re.compile(
    r"\d\.\d\d(?!\d)|\d:\d\d|\d[/-]\d{1,2}[/-]\d{2}|\d{2,4}[- ]\d{6,8}(?!\d)|\d{3,4}[- ]\d{4}(?!\d)|@\w|\d{9}"
)
_PLACE = re.compile(r"[^\W\d_](?:[^\W\d_]|[' .-]){2,30}")
SURE = 3


@dataclass(frozen=True, slots=True)
class AddressRules:
    """What tells an address: words of streets and places; words of other lines end it. `top`, `most` count lines."""

    street: Phrases
    stop: Phrases
    top: int
    most: int


def is_address_line(line: str, rules: AddressRules) -> bool:
    """Say whether a line by itself looks like a part of an address."""
    if rules.street.find(line) or _POSTCODE.search(line) or _NUMBERED.match(line):
        return True
    return _HOUSE.fullmatch(line.strip(" ,.")) is not None


def _blocks(lines: Sequence[str], rules: AddressRules) -> list[list[str]]:
    """Split the first lines where a line is of another kind."""
    blocks: list[list[str]] = [[]]
    for line in lines[: rules.top]:
        if rules.stop.find(line) or _OTHER.search(line) or NUMBER_LINE.fullmatch(line):
            blocks.append([])
        else:
            blocks[-1].append(line)
    return blocks


def _trim(block: Sequence[str], rules: AddressRules) -> list[str]:
    """Keep what lies between the first and the last line that look like an address, and a place name after them."""
    marks = [index for index, line in enumerate(block) if is_address_line(line, rules)]
    if not marks:
        return []
    end = marks[-1] + 1
    if not any(map(_POSTCODE.search, block)) and end < len(block) and _PLACE.fullmatch(block[end]):
        end += 1
    return list(block[marks[0] : end][: rules.most])


def _weight(line: str, rules: AddressRules) -> int:
    return (rules.street.find(line) is not None) + (_POSTCODE.search(line) is not None) + is_address_line(line, rules)


def find_address(lines: Sequence[str], rules: AddressRules) -> list[str]:
    """Return the lines of the first block that is surely an address, else of the likeliest; none when no line is."""
    blocks = [_trim(block, rules) for block in _blocks(lines, rules)]
    weights = [sum(_weight(line, rules) for line in block) for block in blocks]
    sure = next((index for index, weight in enumerate(weights) if weight >= SURE), None)
    best = max(weights)
    return blocks[weights.index(best) if sure is None else sure] if best else []
