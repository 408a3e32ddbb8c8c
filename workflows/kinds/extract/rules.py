"""From a rule's config to a function that looks for its value."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

from workflows.domain.extraction.addresses import AddressRules, find_address
from workflows.domain.extraction.cells import CellFinder
from workflows.domain.extraction.choices import Choice, choose
from workflows.domain.extraction.dates import best_date
from workflows.domain.extraction.lines import LineSelection, after_label, key_value, select_lines
from workflows.domain.extraction.money import LabelPoints, MoneyFinder, MoneyRules, amount_pattern, show
from workflows.domain.extraction.names import NameRules, find_company
from workflows.domain.extraction.patterns import Budget, Pattern
from workflows.domain.extraction.text import Document, Phrases
from workflows.domain.regexes import RegexError
from workflows.kinds.base import ConfigError, StepConfig
from workflows.kinds.extract import config
from workflows.kinds.language import MISSING, at_path, is_path


@dataclass(frozen=True, slots=True)
class Source:
    """What a rule may look at: the text, the job's data by root, the fields found so far; and the time for patterns."""

    document: Document
    data: Mapping[str, Any]
    fields: Mapping[str, Any]
    budget: Budget


Finder = Callable[[Source], Any]
"""Returns what it found, None or an empty text for nothing; may raise PatternTimeout."""


def compile_pattern(source: str, field: str, *, ignore_case: bool = True) -> Pattern:
    """Compile a pattern a person wrote; raises ConfigError."""
    try:
        return Pattern(source, ignore_case=ignore_case)
    except RegexError as error:
        raise ConfigError(field, str(error)) from None


def check_path(path: str, field: str) -> None:
    """Check that a path starts at payload, steps or record; raises ConfigError."""
    if not is_path(path) or path.split(".")[0].split("[")[0] not in ("payload", "steps", "record"):
        raise ConfigError(field, f"'{path}' is not a path like payload.items[0].name (or steps..., record...)")


def look_up(data: Mapping[str, Any], path: str) -> Any:
    """Return what stands at `path`; None where there is nothing."""
    found = at_path(data, path)
    return None if found is MISSING else found


@singledispatch
def compile_rule(rule: StepConfig) -> Finder:
    """Return the finder of a rule; raises ConfigError whose field is relative to the rule."""
    raise NotImplementedError(type(rule).__name__)


@compile_rule.register
def _(rule: config.RegexRule) -> Finder:
    pattern = compile_pattern(rule.pattern, "pattern", ignore_case=rule.ignore_case)
    group = rule.group
    if group is None:
        group = "value" if "value" in pattern.groups else min(pattern.count, 1)
    if group not in pattern.groups and not (isinstance(group, int) and 0 <= group <= pattern.count):
        raise ConfigError("group", f"The pattern has no group '{group}'.")
    find = pattern.last if rule.take is config.Take.LAST else pattern.first
    return lambda source: find(source.document.text, source.budget, group)


@compile_rule.register
def _(rule: config.AfterLabelRule) -> Finder:
    labels = Phrases(rule.labels)
    pattern = compile_pattern(rule.pattern, "pattern") if rule.pattern else None
    return lambda source: after_label(
        source.document.lines, labels, within=rule.within, pattern=pattern, budget=source.budget
    )


@compile_rule.register
def _(rule: config.CellRule) -> Finder:
    labels = [Phrases([label]) for label in rule.labels]
    pattern = compile_pattern(rule.pattern, "pattern")

    def find(source: Source) -> str | None:
        finder = CellFinder(source.document.cells, pattern=pattern, below=rule.below, budget=source.budget)
        return next((value for value in map(finder.find, labels) if value is not None), None)

    return find


@compile_rule.register
def _(rule: config.KeyValueRule) -> Finder:
    keys = frozenset(" ".join(key.lower().split()) for key in rule.keys)
    return lambda source: key_value(source.document.lines, keys, rule.separators)


@compile_rule.register
def _(rule: config.PathRule) -> Finder:
    return lambda source: look_up(source.data, rule.path)


@compile_rule.register
def _(rule: config.LinesRule) -> Finder:
    after, before, matching = (
        compile_pattern(text, name) if (text := getattr(rule, name)) else None
        for name in ("after", "before", "matching")
    )
    wanted = LineSelection(after, before, matching, rule.count)
    return lambda source: rule.join.join(select_lines(source.document.lines, wanted, source.budget))


@compile_rule.register
def _(rule: config.DateRule) -> Finder:
    prefer, avoid = Phrases(rule.labels), Phrases(rule.avoid)

    def find(source: Source) -> str | None:
        found = best_date(source.document.lines, prefer=prefer, avoid=avoid, order=rule.order, reach=rule.within)
        return found.printed if found else None

    return find


@compile_rule.register
def _(rule: config.MoneyRule) -> Finder:
    labels = tuple(LabelPoints(Phrases(label.words), label.points) for label in rule.labels)
    pattern = amount_pattern(rule.currencies)
    rules = MoneyRules(pattern, labels, Phrases(rule.ignore_below), rule.arithmetic)

    def find(source: Source) -> str | None:
        found = MoneyFinder(source.document.lines, rules).find()
        return show(found, rule.currency) if found else None

    return find


@compile_rule.register
def _(rule: config.CompanyRule) -> Finder:
    rules = NameRules(
        Phrases(rule.legal_forms), Phrases(rule.business), Phrases(rule.rest), Phrases(rule.skip),
        Phrases(rule.details), Phrases(rule.owner), rule.top,
    )  # fmt: skip
    return lambda source: find_company(source.document.lines, rules)


@compile_rule.register
def _(rule: config.AddressRule) -> Finder:
    rules = AddressRules(Phrases(rule.street), Phrases(rule.stop), rule.top, rule.most)
    return lambda source: rule.join.join(find_address(source.document.lines, rules))


@compile_rule.register
def _(rule: config.ChoiceRule) -> Finder:
    choices = tuple(
        Choice(choice.value, Phrases(choice.words), choice.points, frozenset(choice.hashes), choice.base)
        for choice in rule.choices
    )
    return lambda source: choose(source.document.text, choices)


@compile_rule.register
def _(rule: config.FieldRule) -> Finder:
    return lambda source: source.fields.get(rule.name)


@compile_rule.register
def _(rule: config.ConstantRule) -> Finder:
    return lambda source: rule.value
