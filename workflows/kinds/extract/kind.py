"""Extracting: for each field the first rule that finds a value of its type, or what a language model reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workflows.domain.extraction.patterns import Budget, PatternTimeout
from workflows.domain.extraction.text import Document
from workflows.domain.extraction.values import FieldType, Value
from workflows.domain.outcomes import Done, Outcome, PermanentError, Record
from workflows.kinds.base import ConfigError, Effect, StepContext, StepKind
from workflows.kinds.extract.config import AnyRule, ExtractConfig, FieldConfig, FieldRule, PathRule
from workflows.kinds.extract.model import FieldReader
from workflows.kinds.extract.rules import Finder, Source, check_path, compile_rule, look_up
from workflows.kinds.extract.values import schema_of, value_of
from workflows.kinds.llm.asking import has_connection
from workflows.kinds.llm.prompt import prompt_template
from workflows.kinds.llm.question import SURE
from workflows.kinds.llm.settings import By


@dataclass(frozen=True, slots=True)
class PlannedField:
    """A field with its rules compiled, each with the name of its type."""

    config: FieldConfig
    finders: tuple[tuple[str, Finder], ...]


class Extract(StepKind[ExtractConfig]):
    """Finds fields in a text and in the job's data. Gives `{field: value}`, null where nothing is found."""

    name = "extract"
    title = "Extract fields"
    Config = ExtractConfig
    effect = Effect.PURE

    def prepare(self) -> None:
        self.fields: list[PlannedField] = []
        if self.config.source is not None:
            self._check_path(self.config.source, "source")
        for index, field in enumerate(self.config.fields):
            self._check_names(field, index)
            finders = [self._finder(rule, f"fields.{index}.rules.{place}") for place, rule in enumerate(field.rules)]
            self.fields.append(PlannedField(field, tuple(finder for finder in finders if finder)))
            self._check_field(field, f"fields.{index}")
        if self.config.by.asks:
            self.effect = Effect.COSTLY
            self.model = FieldReader(self.config, prompt_template(self, "instruction", self.config.instruction))

    def _check_field(self, field: FieldConfig, place: str) -> None:
        if not field.rules and self.config.by is By.RULES:
            self.problem(f"{place}.rules", "needs at least one rule, or a model that finds the field")
        if field.choices and field.type is not FieldType.TEXT:
            self.problem(f"{place}.choices", "only a text is one of some choices")
        if field.name == SURE:
            self.problem(f"{place}.name", f"'{SURE}' has a meaning of its own here")

    def _check_path(self, path: str, place: str) -> None:
        try:
            check_path(path, place)
        except ConfigError as error:
            self.problem(error.field, error.message)
        if path.startswith("steps."):
            self.refer(place, (path.split(".")[1],))

    def _check_names(self, field: FieldConfig, index: int) -> None:
        above = {planned.config.name for planned in self.fields}
        if field.name in above:
            self.problem(f"fields.{index}.name", f"there are two fields '{field.name}'")
        for place, rule in enumerate(field.rules):
            if isinstance(rule, FieldRule) and rule.name not in above:
                self.problem(f"fields.{index}.rules.{place}.name", f"there is no field '{rule.name}' above this one")

    def _finder(self, rule: AnyRule, place: str) -> tuple[str, Finder] | None:
        if isinstance(rule, PathRule):
            self._check_path(rule.path, f"{place}.path")
        try:
            return rule.rule, compile_rule(rule)
        except ConfigError as error:
            self.problem(f"{place}.{error.field}", error.message)
            return None

    def run(self, context: StepContext) -> Outcome:
        by = self.config.by
        if by is By.LLM_OR_RULES:
            by = By.LLM if has_connection(context, self.config.llm) else By.RULES
        found: Record = self._by_rules(context) if by.ruled else {}
        if by is not By.RULES:
            wanted = tuple(field for field in self.config.fields if found.get(field.name) is None)
            if wanted:
                answered = self.model.ask(context, wanted, self._text)
                return answered.done(
                    {field.name: found.get(field.name) for field in self.config.fields} | answered.data
                )
        missing = [field.name for field in self.config.fields if field.required and found[field.name] is None]
        if missing:
            raise PermanentError(f"Nothing was found for {', '.join(missing)}.", details={"fields": missing})
        return Done(found)

    def _by_rules(self, context: StepContext) -> Record:
        data = {"payload": context.payload, "steps": context.steps, "record": context.record}
        document, budget = Document(self._text(data)), Budget(self.config.pattern_seconds)
        found: Record = {}
        for field in self.fields:
            found[field.config.name] = self._extract(field, Source(document, data, found, budget))
        return found

    def _extract(self, field: PlannedField, source: Source) -> Value | None:
        """Return the first value of the field's type that a rule finds."""
        for place, (name, finder) in enumerate(field.finders, start=1):
            try:
                value = value_of(field.config, finder(source))
            except PatternTimeout:
                where = f"Rule {place} ({name}) of field '{field.config.name}'"
                limit = f"patterns may take {self.config.pattern_seconds:g} s for one text"
                raise PermanentError(f"{where} was stopped: {limit}.") from None
            if value is not None:
                return value
        return None

    def _text(self, data: Mapping[str, Any]) -> str:
        if self.config.source is None:
            return ""
        text = look_up(data, self.config.source)
        if not isinstance(text, str):
            raise PermanentError(f"There is no text at {self.config.source}.")
        if len(text) > self.config.max_length:
            raise PermanentError(f"{self.config.source} is longer than {self.config.max_length:,} characters.")
        return text

    def output_schema(self) -> dict[str, Any]:
        properties = {field.name: schema_of(field) for field in self.config.fields}
        return {"type": "object", "properties": properties, "required": list(properties)}
