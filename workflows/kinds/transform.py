"""The `transform` step: makes fields from templates and expressions."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from workflows.domain.expressions import Expression
from workflows.domain.hints import Computed, EitherOf, Templated, Wording
from workflows.domain.outcomes import Done, Outcome
from workflows.kinds.base import StepConfig, StepContext, StepKind
from workflows.kinds.language import OutputName, text_of, value_of
from workflows.templating import Template

MAX_FIELDS = 100


class NewField(StepConfig):
    """A field to make, from a template (text) or from an expression (any value)."""

    name: Annotated[OutputName, Field(title="Name")]
    template: Annotated[str | None, Field(title="Text"), Templated()] = None
    expression: Annotated[
        str | None, Field(title="Computed value", description="As in number(record.total) * 1.2"), Computed()
    ] = None
    either: ClassVar[EitherOf] = EitherOf("Made from", ("template", "expression"))

    @model_validator(mode="after")
    def _one_source(self) -> "NewField":
        if (self.template is None) == (self.expression is None):
            raise ValueError("needs a template or an expression, and not both")
        return self


class TransformConfig(StepConfig):
    """What a transform step makes."""

    fields: Annotated[
        tuple[NewField, ...],
        Field(
            title="Fields", min_length=1, max_length=MAX_FIELDS, description="Later ones see earlier ones in `record`."
        ),
    ]
    existing: Annotated[
        Literal["replace", "keep"],
        Field(title="Fields that have a value already"),
        Wording((("replace", "Make them anew"), ("keep", "Leave them as they are"))),
    ] = "replace"


class Transform(StepKind[TransformConfig]):
    """Makes fields from templates and expressions."""

    name = "transform"
    title = "Make fields"
    Config = TransformConfig
    builds_on_itself = True

    def prepare(self) -> None:
        self.templates: dict[str, Template] = {}
        self.expressions: dict[str, Expression] = {}
        for index, field in enumerate(self.config.fields):
            if field.name in self.templates or field.name in self.expressions:
                self.problem(f"fields.{index}.name", f"'{field.name}' is made twice")
            if field.template is not None:
                self.templates[field.name] = self.template(f"fields.{index}.template", field.template)
            if field.expression is not None:
                self.expressions[field.name] = self.expression(f"fields.{index}.expression", field.expression)

    def run(self, context: StepContext) -> Outcome:
        record = dict(context.record)
        names = context.names() | {"record": record}
        output: dict[str, Any] = {}
        for field in self.config.fields:
            if self.config.existing == "keep" and record.get(field.name) not in (None, ""):
                continue
            output[field.name] = record[field.name] = self._make(field.name, names)
        return Done(output)

    def _make(self, name: str, names: dict[str, Any]) -> Any:
        if name in self.templates:
            return text_of(self.templates[name], names)
        return value_of(self.expressions[name], names)

    def output_schema(self) -> dict[str, Any]:
        made = {field.name: {"type": "string"} if field.template is not None else {} for field in self.config.fields}
        schema: dict[str, Any] = {"type": "object", "properties": made}
        return schema if self.config.existing == "keep" else schema | {"required": list(made)}
