"""The `classify` step: which label fits an item, or which labels, found by words or by a language model."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from workflows.domain.extraction.choices import Choice, choose, points_of
from workflows.domain.extraction.text import Phrases
from workflows.domain.hints import Templated
from workflows.domain.outcomes import Done, Outcome
from workflows.kinds.base import Effect, StepConfig, StepContext, StepKind
from workflows.kinds.extract.config import WORDS_HELP, Words
from workflows.kinds.language import OutputName
from workflows.kinds.llm.asking import Question, ask, has_connection
from workflows.kinds.llm.prompt import make_prompt, prompt_template, unfenced
from workflows.kinds.llm.question import SURE, Form
from workflows.kinds.llm.settings import BY_HELP, BY_WORDS, By, LlmSettings

REASON = "reason"
LabelName = Annotated[str, Field(min_length=1, max_length=100)]
Example = Annotated[str, Field(min_length=1, max_length=2000)]


class LabelWords(StepConfig):
    """Words that speak for a label."""

    words: Words = Field(title="Words", description=WORDS_HELP, min_length=1)
    points: float = Field(1.0, ge=-100, le=100, title="Points for each different word")


class Label(StepConfig):
    """A label an item may get."""

    name: LabelName = Field(title="Name")
    description: str = Field("", max_length=2000, title="When it fits", description="For a language model.")
    examples: tuple[Example, ...] = Field((), title="Examples", max_length=50, description="For a language model.")
    rules: tuple[LabelWords, ...] = Field((), title="Words that speak for it", max_length=100, description="For rules.")


class ClassifyConfig(StepConfig):
    """The labels, and how they are found."""

    labels: tuple[Label, ...] = Field(title="Labels", min_length=1, max_length=200)
    many: bool = Field(False, title="An item may have several")
    input: Annotated[str, Templated()] = Field(
        "{{ payload.text }}", title="Item", max_length=20_000, description="The text that gets a label."
    )
    instruction: Annotated[str, Templated()] = Field(
        "", title="Instruction", max_length=20_000, description="What else a language model should know."
    )
    field: OutputName = Field("label", title="Name of the output", description="Later steps read it as record.NAME.")
    reason: bool = Field(False, title="Say why", description="In a second output, NAME_reason.")
    otherwise: LabelName | None = Field(
        None, title="If no rule finds one", description="One of the labels. Empty: no label. For rules."
    )
    by: Annotated[By, BY_WORDS] = Field(By.LLM, title="Found by", description=BY_HELP)
    llm: LlmSettings = Field(default_factory=LlmSettings, title="Language model")


class Classify(StepKind[ClassifyConfig]):
    """Gives an item the label that fits, with `many` every label that does: `{label: name}`, or a list of names."""

    name = "classify"
    title = "Classify"
    Config = ClassifyConfig

    def prepare(self) -> None:
        config = self.config
        self.effect = Effect.COSTLY if config.by.asks else Effect.PURE
        self.names = [label.name for label in config.labels]
        self.input = prompt_template(self, "input", config.input)
        self.instruction = prompt_template(self, "instruction", config.instruction)
        self.choices = [
            Choice(label.name, Phrases(rule.words), rule.points) for label in config.labels for rule in label.rules
        ]
        self._check_labels()
        self.form = Form(self._properties(), confidence=config.llm.confidence)

    def _check_labels(self) -> None:
        for index, name in enumerate(self.names):
            if name in self.names[:index]:
                self.problem(f"labels.{index}.name", f"there are two labels '{name}'")
        if self.config.field in (REASON, SURE):
            self.problem("field", f"'{self.config.field}' has a meaning of its own here")
        if self.config.otherwise is not None and self.config.otherwise not in self.names:
            self.problem("otherwise", f"'{self.config.otherwise}' is not one of the labels")
        if self.config.by.ruled and not self.choices:
            self.problem("labels", "no label has words, so rules cannot find one")

    def _properties(self) -> dict[str, Any]:
        one = {"type": "string", "enum": self.names}
        several = {"type": "array", "items": one, "uniqueItems": True}
        why = {REASON: {"type": "string", "description": "In one sentence, why."}} if self.config.reason else {}
        return why | {self.config.field: several if self.config.many else one}

    def run(self, context: StepContext) -> Outcome:
        by = self.config.by
        if by is By.LLM_OR_RULES:
            by = By.LLM if has_connection(context, self.config.llm) else By.RULES
        if by.ruled:
            found = self._by_rules(context)
            if by is By.RULES or found:
                return Done(self._output(found, "found by its words"))
        return self._by_model(context)

    def _by_rules(self, context: StepContext) -> list[str]:
        text = unfenced(self.input(context.names()))
        if not self.config.many:
            best = choose(text, self.choices)
            return [] if best is None else [best]
        points = points_of(text, self.choices)
        return [name for name in self.names if points.get(name, 0) > 0]

    def _output(self, found: Sequence[str], reason: str) -> dict[str, Any]:
        if not found:
            found, reason = [self.config.otherwise] if self.config.otherwise else [], "no words were found"
        value: Any = list(found) if self.config.many else next(iter(found), None)
        return {self.config.field: value} | ({f"{self.config.field}_reason": reason} if self.config.reason else {})

    def _by_model(self, context: StepContext) -> Outcome:
        prompt = make_prompt(context, self._system(), self.instruction, self.input)
        question = Question(prompt, self.form, decisive=(self.config.field,), joint=True)
        answered = ask(context, self.config.llm, question)
        labels = answered.data[self.config.field]
        found = sorted(labels, key=self.names.index) if self.config.many else [labels]
        if self.config.many and not found:
            output: dict[str, Any] = {self.config.field: []}
            output |= {f"{self.config.field}_reason": answered.data[REASON]} if self.config.reason else {}
            return answered.done(output)
        return answered.done(self._output(found, answered.data.get(REASON, "")))

    def _system(self) -> str:
        several = (
            "Give every label that fits, none if none does." if self.config.many else "Give the one that fits best."
        )
        lines = [f"You classify one item. {several} The labels are:"]
        for label in self.config.labels:
            lines.append(f"- {label.name}: {label.description}" if label.description else f"- {label.name}")
            lines += [f"  Example: {example}" for example in label.examples]
        return "\n".join(lines) + "\n\n" + self.form.told()

    def output_schema(self) -> dict[str, Any]:
        properties = dict(self.form.schema["properties"])
        shown = {self.config.field: properties[self.config.field]}
        if self.config.by.ruled and not self.config.many and self.config.otherwise is None:
            shown = {self.config.field: {"type": ["string", "null"], "enum": [*self.names, None]}}
        if self.config.reason:
            shown[f"{self.config.field}_reason"] = {"type": "string"}
        return {"type": "object", "properties": shown, "required": list(shown)}
