"""The config of an `extract` step: a table of fields, each with an ordered list of rules.

Titles and descriptions are what a form shows.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from workflows.domain.extraction.choices import DIGITS
from workflows.domain.extraction.dates import DateOrder
from workflows.domain.extraction.money import CURRENCIES, Currency
from workflows.domain.extraction.names import LEGAL_FORMS
from workflows.domain.extraction.values import FieldType
from workflows.domain.hints import Advanced, DataPath, Templated, Wording
from workflows.kinds.base import StepConfig
from workflows.kinds.llm.settings import BY_HELP, BY_WORDS, By, LlmSettings

Words = tuple[Annotated[str, Field(min_length=1, max_length=200)], ...]
RareWords = Annotated[Words, Advanced()]
PatternText = Annotated[str, Field(min_length=1, max_length=2000)]
ORDERS = Wording((("day_first", "3 April 2018"), ("month_first", "4 March 2018")))
TAKES = Wording((("first", "The first one"), ("last", "The last one")))
CASES = Wording((("keep", "As they are"), ("upper", "ALL CAPITALS"), ("lower", "all small")))
PRINTED = Wording((("keep", "Keep it"), ("drop", "Leave it out"), ("joined", "Keep it where no space stands between")))
WORDS_HELP = "Whole words, in any case; a star stands for the rest of a word (ROUND* finds ROUNDING)."


class Take(StrEnum):
    """Which match counts."""

    FIRST = "first"
    LAST = "last"


class RegexRule(StepConfig):
    """What a regular expression finds."""

    model_config = ConfigDict(title="Pattern (regular expression)")

    rule: Literal["regex"] = "regex"
    pattern: PatternText = Field(title="Pattern", description="^ and $ are the ends of a line.")
    group: str | int | None = Field(
        None, title="Group", description="Name or number; empty: the group 'value', else the first group, else all."
    )
    take: Annotated[Take, TAKES] = Field(Take.FIRST, title="Match")
    ignore_case: bool = Field(True, title="Ignore case")


class AfterLabelRule(StepConfig):
    """The value behind one of some labels: on the label's line, or on one of the next lines."""

    model_config = ConfigDict(title="Text behind a label")

    rule: Literal["after_label"] = "after_label"
    labels: Words = Field(title="Labels", description=WORDS_HELP, min_length=1)
    within: int = Field(1, ge=0, le=20, title="Next lines", description="How many lines after the label may hold it.")
    pattern: PatternText | None = Field(None, title="Looks like", description="A pattern that the value must contain.")


class CellRule(StepConfig):
    """The value of a label in a text laid out in columns: behind the label, in the next cell, or below it."""

    model_config = ConfigDict(title="Cell of a table, by its label")

    rule: Literal["cell"] = "cell"
    labels: Words = Field(
        title="Labels", description=f"At the beginning of a cell; tried in this order. {WORDS_HELP}", min_length=1
    )
    pattern: PatternText = Field(
        title="Looks like", description="What the cell must hold; the group 'value', if there is one, is what counts."
    )
    below: int = Field(2, ge=0, le=10, title="Lines below", description="How many lines below the label may hold it.")


class KeyValueRule(StepConfig):
    """The value of a line such as "Order no: 12"."""

    model_config = ConfigDict(title='Line such as "Order no: 12"')

    rule: Literal["key_value"] = "key_value"
    keys: Words = Field(title="Keys", description="What stands before the mark, in any case.", min_length=1)
    separators: str = Field(":=", min_length=1, max_length=5, title="Marks", description="Any of these marks.")


class PathRule(StepConfig):
    """A value of the job's data."""

    model_config = ConfigDict(title="Value of the job's data")

    rule: Literal["path"] = "path"
    path: Annotated[str, DataPath()] = Field(title="Path", max_length=300, description="As in payload.items[0].name")


class LinesRule(StepConfig):
    """Lines of the text: those matching, those between two, those before or after one, or the first ones."""

    model_config = ConfigDict(title="Lines of the text")

    rule: Literal["lines"] = "lines"
    after: PatternText | None = Field(None, title="After the line", description="Pattern; empty: from the start.")
    before: PatternText | None = Field(None, title="Before the line", description="Pattern; empty: to the end.")
    matching: PatternText | None = Field(None, title="Only lines that match", description="Pattern.")
    count: int = Field(1, ge=1, le=500, title="How many lines at most")
    join: str = Field(" ", max_length=10, title="Put between lines")


class DateRule(StepConfig):
    """A printed date, in any of many formats."""

    model_config = ConfigDict(title="Date")

    rule: Literal["date"] = "date"
    labels: Words = Field(("DATE",), title="Labels", description=f"The date beside one is preferred. {WORDS_HELP}")
    avoid: Words = Field((), title="Avoid", description="A date beside one of these comes last.")
    order: Annotated[DateOrder, ORDERS] = Field(DateOrder.DAY_FIRST, title="03/04/2018 means")
    within: int = Field(2, ge=0, le=20, title="Lines above", description="How far above the date its label may stand.")


class MoneyLabel(StepConfig):
    """Words beside an amount, and how much they speak for it."""

    words: Words = Field(title="Words", description=WORDS_HELP, min_length=1)
    points: float = Field(ge=-100, le=100, title="Points", description="Below zero speaks against it.")


class MoneyRule(StepConfig):
    """An amount of money: the one whose label has the most points, helped by what the figures say."""

    model_config = ConfigDict(title="Amount of money")

    rule: Literal["money"] = "money"
    labels: tuple[MoneyLabel, ...] = Field(title="Labels", min_length=1, description="The longest words found decide.")
    ignore_below: RareWords = Field((), title="Ignore labels below", description="A line with one of these words.")
    arithmetic: Annotated[bool, Advanced()] = Field(
        True, title="Let the figures speak", description="Paid less change, net plus tax, rounding to the coin."
    )
    currencies: RareWords = Field(CURRENCIES, title="Currencies", description="As printed beside an amount.")
    currency: Annotated[Currency, PRINTED] = Field(Currency.JOINED, title="Printed currency")


class CompanyRule(StepConfig):
    """The name of who issued the text, near its top."""

    model_config = ConfigDict(title="Name of a company")

    rule: Literal["company"] = "company"
    top: int = Field(12, ge=1, le=100, title="Lines to look at")
    legal_forms: Words = Field(LEGAL_FORMS, title="Legal forms", description="They end a name (LTD, SDN BHD).")
    business: Words = Field((), title="Kinds of business", description="They stand in names (RESTAURANT, TRADING).")
    rest: RareWords = Field((), title="Ends of names", description="A line that begins so goes on from the line above.")
    skip: RareWords = Field((), title="Not a name", description="A line with one of these is no name (TAX INVOICE).")
    details: RareWords = Field(
        (), title="Details", description="Below a line with one of these a name is unlikely (TEL)."
    )
    owner: RareWords = Field((), title="Owner", description="Words before the name of the owner (OWNED BY).")


class AddressRule(StepConfig):
    """A block of address lines near the top."""

    model_config = ConfigDict(title="Address")

    rule: Literal["address"] = "address"
    top: int = Field(16, ge=1, le=200, title="Lines to look at")
    most: int = Field(7, ge=1, le=20, title="Lines at most")
    street: Words = Field(title="Address words", description="Words of streets and places (STREET, JALAN).")
    stop: Words = Field((), title="Ends", description="A line with one of these is not a part of it (TEL, INVOICE).")
    join: str = Field(" ", max_length=10, title="Put between lines")


class ChoiceWords(StepConfig):
    """Words that speak for a value."""

    value: str = Field(title="Value", min_length=1, max_length=200)
    words: Words = Field((), title="Words", description=WORDS_HELP)
    hashes: Annotated[tuple[Annotated[str, Field(pattern=rf"^[0-9a-f]{{{DIGITS}}}$")], ...], Advanced()] = Field(
        (),
        max_length=5000,
        title="Hashed words",
        description=f"The first {DIGITS} digits of the SHA-256 of words that nobody should have to read here.",
    )
    points: float = Field(1.0, ge=-100, le=100, title="Points for each different word")
    base: Annotated[float, Advanced()] = Field(0.0, ge=-1000, le=1000, title="Points without any word")

    @model_validator(mode="after")
    def _speaks(self) -> "ChoiceWords":
        if not self.words and not self.hashes and not self.base:
            raise ValueError("needs words, hashes, or points without any word")
        return self


class ChoiceRule(StepConfig):
    """One of several values: the one whose words occur, the one with the most points if there are several."""

    model_config = ConfigDict(title="One of several values, by words")

    rule: Literal["choice"] = "choice"
    choices: tuple[ChoiceWords, ...] = Field(title="Choices", min_length=1)


class FieldRule(StepConfig):
    """The value of a field above."""

    model_config = ConfigDict(title="Same as a field above")

    rule: Literal["field"] = "field"
    name: str = Field(title="Field")


class ConstantRule(StepConfig):
    """A fixed value: as the last rule it says what to give when nothing is found."""

    model_config = ConfigDict(title="Fixed value")

    rule: Literal["constant"] = "constant"
    value: str = Field(title="Value", max_length=1000)


# fmt: off
AnyRule = (
    RegexRule | AfterLabelRule | CellRule | KeyValueRule | PathRule | LinesRule | DateRule | MoneyRule | CompanyRule
    | AddressRule | ChoiceRule | FieldRule | ConstantRule
)
# fmt: on
Rule = Annotated[AnyRule, Field(discriminator="rule")]


class Case(StrEnum):
    """What to do with capital and small letters."""

    KEEP = "keep"
    UPPER = "upper"
    LOWER = "lower"


class Clean(StepConfig):
    """What is done to a text after it is found."""

    strip: str = Field(
        default="", max_length=50, title="Remove at both ends", description="Marks to remove, besides spaces."
    )
    spaces: bool = Field(default=True, title="Make several spaces one")
    case: Annotated[Case, CASES] = Field(default=Case.KEEP, title="Capital letters")


class FieldConfig(StepConfig):
    """One field to extract."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,49}$", title="Name", description="Small letters, figures and _.")
    type: FieldType = Field(FieldType.TEXT, title="Type")
    required: bool = Field(False, title="Required", description="The job fails when nothing is found.")
    description: str = Field("", max_length=500, title="What it is", description="For a language model.")
    as_printed: Annotated[bool, Advanced()] = Field(
        False, title="As printed", description="Check the type, and give the value the way it is printed."
    )
    order: Annotated[DateOrder, Advanced(), ORDERS] = Field(DateOrder.DAY_FIRST, title="03/04/2018 means")
    clean: Annotated[Clean, Advanced()] = Field(default_factory=Clean, title="Tidy up what is found")
    choices: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field(
        (), title="One of", max_length=200, description="Empty: anything. For texts."
    )
    rules: tuple[Rule, ...] = Field((), title="Rules", description="The first that finds a value counts.")


class ExtractConfig(StepConfig):
    """Where the text is, and what to find in it."""

    source: Annotated[str | None, DataPath()] = Field(
        "payload.text", title="Text", max_length=300, description="Where the text is. Empty: the whole payload."
    )
    max_length: Annotated[int, Advanced()] = Field(
        200_000, ge=1, le=2_000_000, title="Longest text", description="Characters."
    )
    pattern_seconds: Annotated[float, Advanced()] = Field(
        2.0, gt=0, le=60, title="Time for patterns", description="Seconds all patterns may take for one text."
    )
    fields: tuple[FieldConfig, ...] = Field(title="Fields", min_length=1, max_length=100)
    by: Annotated[By, BY_WORDS] = Field(By.RULES, title="Found by", description=BY_HELP)
    instruction: Annotated[str, Templated()] = Field(
        "", title="Instruction", max_length=20_000, description="What else a language model should know."
    )
    llm: LlmSettings = Field(default_factory=LlmSettings, title="Language model")
