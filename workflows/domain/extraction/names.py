"""Finding the name of the company that issued a document."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from workflows.domain.extraction.text import Phrases, count_letters

LEGAL_FORMS = (
    "SDN BHD", "SDN BND", "S/B", "SB", "BHD", "BERHAD", "PLT", "LLP", "LTD", "LIMITED", "PTE LTD", "PTY LTD", "PLC",
    "INC", "INCORPORATED", "CORP", "CORPORATION", "LLC", "GMBH", "AG", "KG", "OHG", "UG", "BV", "NV", "SA", "SARL",
    "SAS", "SRL", "SPA", "AB", "OY", "AS", "APS",
)  # fmt: skip
#: Points for what tells a name. `PLACE` is lost for each line above, `BELOW` when details stand above.
FORM, REGISTERED, BUSINESS, PLACE, BELOW = 10.0, 5.0, 2.0, 1.0, 8.0
#: "867388-U", "JM0725755-U", "002043319-W", "862725U", "1227039"
_NUMBER = r"(?:[A-Z]{1,4}\d{4,12}|\d{6,12}|\d{4,12}(?=\s?[-.·]?\s?[A-Z]))(?:\s?[-.·]?\s?[A-Z]{1,3})?"
_REGISTER = r"(?:CO|NO|ROC|REG|BRN|COMPANY)[A-Z. ]{0,12}[:.#-]?\s{0,2}"
NUMBER_LINE = re.compile(rf"\W{{0,3}}(?:{_REGISTER}){{0,2}}{_NUMBER}\W{{0,3}}", re.IGNORECASE)
_NUMBER_TAIL = re.compile(rf"\s{{0,3}}(?:\(\s?(?:{_REGISTER})?|\s){_NUMBER}\W.*$", re.IGNORECASE)
_POSTCODE = re.compile(r"\d{4,6}\s+[^\W\d]")


@dataclass(frozen=True, slots=True)
class NameRules:
    """What tells a name: see `CompanyRule` for the words. `top` is how many lines are looked at."""

    forms: Phrases
    business: Phrases
    rest: Phrases
    skip: Phrases
    details: Phrases
    owner: Phrases
    top: int


class NameFinder:
    """Looks for the issuer's name among the first lines of one document."""

    def __init__(self, lines: Sequence[str], rules: NameRules) -> None:
        self.lines = lines[: rules.top]
        self.rules = rules
        self.names = [self._name(line) for line in self.lines]
        self.details = next((i for i, line in enumerate(self.lines) if self._is_detail(line)), len(self.lines))

    def find(self) -> str | None:
        """Return the name with the lines it began on, and one it goes on on; None when no line can be a name."""
        scores = {index: self._score(index) for index in range(len(self.names)) if self._may_be_name(index)}
        if not scores:
            return None
        first = last = max(scores, key=lambda index: scores[index])
        while first - 1 in scores and self._is_rest(" ".join(self.names[first : last + 1])):
            first -= 1
        if last + 1 in scores and not self._form(self.names[last]) and self._is_rest(self.names[last + 1]):
            last += 1
        return " ".join(self.names[first : last + 1])

    def _name(self, line: str) -> str:
        owner = self.rules.owner.find(line)
        if owner is not None and self.rules.owner.starts(line):
            line = line[owner.end() :].lstrip(" :")
        return _NUMBER_TAIL.sub("", line + " ").strip()

    def _is_detail(self, line: str) -> bool:
        if self._form(self._name(line)):
            return False
        return _POSTCODE.match(line) is not None or self.rules.details.find(line) is not None

    def _may_be_name(self, index: int) -> bool:
        name = self.names[index]
        unlike = ":" in name or name.startswith("(") or self._is_number(index) or self._is_detail(self.lines[index])
        return count_letters(name) > 2 and not unlike and self.rules.skip.find(name) is None

    def _is_number(self, index: int) -> bool:
        return index < len(self.lines) and NUMBER_LINE.fullmatch(self.lines[index]) is not None

    def _score(self, index: int) -> float:
        name, line = self.names[index], self.lines[index]
        points = -PLACE * index - (BELOW if index > self.details else 0.0)
        points += FORM if self._form(name) else 0.0
        registered = _NUMBER_TAIL.search(line + " ") is not None or self._is_number(index + 1)
        points += REGISTERED if registered else 0.0
        return points + (BUSINESS if self._names_business(name) else 0.0)

    def _form(self, name: str) -> re.Match[str] | None:
        """Return the legal form `name` ends with."""
        return next((match for match in self.rules.forms.all(name) if not re.search(r"\w", name[match.end() :])), None)

    def _names_business(self, name: str) -> bool:
        rest = name
        for match in reversed(self.rules.business.all(name)):
            rest = rest[: match.start()] + rest[match.end() :]
        return rest != name and count_letters(rest) > 2

    def _is_rest(self, name: str) -> bool:
        """Say whether `name` can only be the end of a name that began on the line above."""
        form = self._form(name)
        only_form = form is not None and not re.search(r"\w", name[: form.start()])
        return only_form or name.count(")") > name.count("(") or self.rules.rest.starts(name)


def find_company(lines: Sequence[str], rules: NameRules) -> str | None:
    """Return the issuer's name: the line among the first that looks most like one."""
    return NameFinder(lines, rules).find()
