"""The `validate` step: checks what earlier steps found, and says everything that is wrong with it."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from workflows.domain.expressions import Expression
from workflows.domain.hints import Advanced, Condition, DataPath, Wording
from workflows.domain.outcomes import Done, Outcome, PermanentError
from workflows.domain.regexes import RegexError, compile_regex
from workflows.kinds.base import StepConfig, StepContext, StepKind
from workflows.kinds.checks import Check, failed_check
from workflows.kinds.language import at_path, is_path, test, value_at

MAX_RULES = 100
BUILT_IN = ("pattern", "min", "max", "max_length", "one_of", "occurs_in")


class Rule(StepConfig):
    """One thing that must hold. The built-in checks look at `field` and pass where it has no value."""

    field: Annotated[
        str | None,
        Field(title="Field", description="total, or payload.items[0].name; looked up in the record, then the payload."),
        DataPath(),
    ] = None
    when: Annotated[str | None, Field(title="Only when", description="Empty: always."), Condition(), Advanced()] = None
    that: Annotated[str | None, Field(title="This must be true"), Condition(), Advanced()] = None
    required: Annotated[bool, Field(title="Must have a value")] = False
    pattern: Annotated[
        str | None,
        Field(title="Must look like", description="A regular expression that fits the whole value."),
        Advanced(),
    ] = None
    min: Annotated[float | None, Field(title="At least")] = None
    max: Annotated[float | None, Field(title="At most")] = None
    max_length: Annotated[int | None, Field(title="Longest text", ge=0), Advanced()] = None
    one_of: Annotated[tuple[str | float, ...], Field(title="Must be one of", max_length=500), Advanced()] = ()
    occurs_in: Annotated[
        str | None,
        Field(title="Must occur in", description="The field, or output of a step, whose text it was found in."),
        DataPath(),
        Advanced(),
    ] = None
    message: Annotated[
        str | None, Field(title="Message", max_length=500, description="What to say when it does not hold.")
    ] = None

    @model_validator(mode="after")
    def _checks_something(self) -> "Rule":
        built_in = self.required or any(getattr(self, name) not in (None, ()) for name in BUILT_IN)
        if self.that is None and not built_in:
            raise ValueError("checks nothing; give that, required, pattern, min, max, max_length, one_of or occurs_in")
        if built_in and self.field is None:
            raise ValueError("needs a field to check")
        return self


class ValidateConfig(StepConfig):
    """The rules, and what becomes of a job that breaks one."""

    rules: Annotated[tuple[Rule, ...], Field(title="Rules", min_length=1, max_length=MAX_RULES)]
    on_invalid: Annotated[
        Literal["fail", "flag"],
        Field(title="If a rule is broken"),
        Wording((("fail", "Fail the job"), ("flag", "Go on, and note what is wrong"))),
    ] = "fail"


class Validate(StepKind[ValidateConfig]):
    """Checks rules, and reports every one that is broken."""

    name = "validate"
    title = "Check"
    Config = ValidateConfig

    def prepare(self) -> None:
        self.rules = [self._compile(f"rules.{index}", rule) for index, rule in enumerate(self.config.rules)]

    def _compile(self, place: str, rule: Rule) -> tuple[Rule, Expression | None, Check]:
        when = None if rule.when is None else self.expression(f"{place}.when", rule.when)
        that = None if rule.that is None else self.expression(f"{place}.that", rule.that)
        pattern = None
        if rule.pattern is not None:
            try:
                pattern = compile_regex(rule.pattern)
            except RegexError as error:
                self.problem(f"{place}.pattern", str(error))
        for name, path in (("field", rule.field), ("occurs_in", rule.occurs_in)):
            if path is not None and not is_path(path):
                self.problem(f"{place}.{name}", f"'{path}' is not a path like total or payload.items[0].name")
            if path is not None and path.startswith("steps."):
                self.refer(f"{place}.{name}", (path.split(".")[1],))
        check = Check(rule.required, pattern, rule.min, rule.max, rule.max_length, rule.one_of, that)
        return rule, when, check

    def run(self, context: StepContext) -> Outcome:
        names = context.names()
        problems = []
        for rule, when, check in self.rules:
            if when is not None and not test(when, names):
                continue
            value = None if rule.field is None else value_at(context, rule.field)
            text = "" if rule.occurs_in is None else _place(context, rule.occurs_in)
            reason = failed_check(check, value, rule.occurs_in, text, names)
            if reason:
                problems.append({"field": rule.field, "message": rule.message or reason})
        if problems and self.config.on_invalid == "fail":
            raise PermanentError(_summary(problems), details={"problems": problems})
        return Done(
            {"valid": not problems, "problems": problems} if self.config.on_invalid == "flag" else {"valid": True}
        )

    def output_schema(self) -> dict[str, Any]:
        problem = {
            "type": "object",
            "properties": {"field": {"type": ["string", "null"]}, "message": {"type": "string"}},
        }
        properties: dict[str, Any] = {"valid": {"type": "boolean"}}
        if self.config.on_invalid == "flag":
            properties["problems"] = {"type": "array", "items": problem}
        return {"type": "object", "properties": properties, "required": list(properties)}


def _place(context: StepContext, path: str) -> Any:
    """Return where a value must occur: in an earlier step's output, or in the payload, never in what was made of it."""
    if path.startswith("steps."):
        return value_at(context, path)
    return at_path(context.payload, path.removeprefix("payload."))


def _summary(problems: list[dict[str, Any]]) -> str:
    return "; ".join(
        f"{problem['field']}: {problem['message']}" if problem["field"] else str(problem["message"])
        for problem in problems
    )
