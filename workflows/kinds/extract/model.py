"""Fields as a language model reads them, each held to its type."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from workflows.domain.extraction.values import FieldType
from workflows.kinds.base import StepContext
from workflows.kinds.extract.config import ExtractConfig, FieldConfig
from workflows.kinds.extract.values import schema_of, value_of
from workflows.kinds.llm.asking import Answered, Question, ask
from workflows.kinds.llm.prompt import Part, fence, make_prompt
from workflows.kinds.llm.question import Form

FORMS = {
    FieldType.DATE: "as YYYY-MM-DD",
    FieldType.MONEY: "the amount as a number, without the currency",
    FieldType.LIST: "a list of texts",
}
AS_PRINTED = "exactly as it is printed"
ReadText = Callable[[Mapping[str, Any]], str]


class FieldReader:
    """Asks a model for fields. Shared by threads."""

    def __init__(self, config: ExtractConfig, instruction: Part) -> None:
        self.config = config
        self.instruction = instruction
        self.form = lru_cache(maxsize=64)(self._form)

    def ask(self, context: StepContext, wanted: tuple[FieldConfig, ...], read_text: ReadText) -> Answered:
        """Return the `wanted` fields as the model reads them in the step's text, or in the payload without one."""

        def material(names: Mapping[str, Any]) -> str:
            if self.config.source is None:
                return fence(json.dumps(names["payload"], ensure_ascii=False, default=str))
            return fence(read_text(names))

        names = tuple(field.name for field in wanted)
        form = self.form(names)
        prompt = make_prompt(context, self._system(wanted, form), self.instruction, material)
        answered = ask(context, self.config.llm, Question(prompt, form, decisive=names))
        return replace(answered, data={name: answered.data[name] for name in names})

    def _form(self, names: tuple[str, ...]) -> Form:
        fields = [field for field in self.config.fields if field.name in names]
        properties = {field.name: _told(field) for field in fields}
        return Form(properties, check=lambda data: _check(fields, data), confidence=self.config.llm.confidence)

    def _system(self, wanted: Sequence[FieldConfig], form: Form) -> str:
        lines = [
            "You read one text and note down what it says. Guess nothing: what it does not say is null.",
            "Fields:",
        ]
        for field in wanted:
            said = f"- {field.name}: {field.description}".rstrip(": ")
            form_of = AS_PRINTED if field.as_printed else FORMS.get(field.type, "")
            lines.append(f"{said} ({form_of})" if form_of else said)
        return "\n".join(lines) + "\n\n" + form.told()


def _told(field: FieldConfig) -> dict[str, Any]:
    schema = schema_of(field)
    return schema | {"minLength": 1} if field.required and schema["type"] == "string" else schema


def _check(fields: Sequence[FieldConfig], data: dict[str, Any]) -> list[str]:
    """Make each value its field's type, and say which cannot be."""
    problems = []
    for field in fields:
        given = data[field.name]
        value = None if given is None else value_of(field, given)
        if given not in (None, "") and value is None:
            problems.append(f"{field.name}: {str(given)[:60]!r} is not of the type {field.type.value}")
        elif value is None and field.required:
            problems.append(f"{field.name}: has no value")
        data[field.name] = value
    return problems
