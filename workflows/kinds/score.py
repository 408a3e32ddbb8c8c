"""The `score` step: a number for an item by a rubric, with the reasons, by a language model."""

from collections.abc import Mapping, Sequence
from statistics import median_low
from typing import Annotated, Any

from pydantic import Field, model_validator

from workflows.domain.hints import Templated
from workflows.domain.outcomes import Outcome, Record
from workflows.kinds.base import Effect, StepConfig, StepContext, StepKind
from workflows.kinds.language import OutputName
from workflows.kinds.llm.asking import Question, ask
from workflows.kinds.llm.prompt import make_prompt, prompt_template
from workflows.kinds.llm.question import SURE, Form
from workflows.kinds.llm.settings import LlmSettings

REASONS = "reasons"
#: Answers agree when they lie within this part of the range.
AGREEMENT = 0.1


class Criterion(StepConfig):
    """One thing to judge, and how much it counts."""

    name: OutputName = Field(title="Name")
    description: str = Field("", max_length=2000, title="What earns points")
    weight: float = Field(1.0, gt=0, le=1000, title="Weight")


class ScoreConfig(StepConfig):
    """The rubric and its bounds."""

    instruction: Annotated[
        str,
        Field(title="Rubric", min_length=1, max_length=20_000, description="What is judged, and what earns points."),
        Templated(),
    ]
    criteria: tuple[Criterion, ...] = Field(
        (), title="Criteria", max_length=20, description="Each is scored by itself; the score is their weighted mean."
    )
    input: Annotated[str, Templated()] = Field(
        "{{ payload.text }}", title="Item", max_length=20_000, description="The text that is scored."
    )
    least: float = Field(0, title="Lowest score")
    most: float = Field(100, title="Highest score")
    whole: bool = Field(True, title="Whole numbers only")
    field: OutputName = Field("score", title="Name of the output", description="Later steps read it as record.NAME.")
    llm: LlmSettings = Field(default_factory=LlmSettings, title="Language model")

    @model_validator(mode="after")
    def _bounds_fit(self) -> "ScoreConfig":
        if not self.least < self.most:
            raise ValueError("the lowest score must be less than the highest")
        return self


class Score(StepKind[ScoreConfig]):
    """Scores an item. Gives `{score: number, score_reasons: text}`, and each criterion's score in `score_criteria`."""

    name = "score"
    title = "Score"
    Config = ScoreConfig
    effect = Effect.COSTLY

    def prepare(self) -> None:
        self.instruction = prompt_template(self, "instruction", self.config.instruction)
        self.input = prompt_template(self, "input", self.config.input)
        self.scored = tuple(criterion.name for criterion in self.config.criteria) or (self.config.field,)
        for index, name in enumerate(self.scored):
            if name in self.scored[:index]:
                self.problem(f"criteria.{index}.name", f"there are two criteria '{name}'")
            if name in (REASONS, SURE):
                place = f"criteria.{index}.name" if self.config.criteria else "field"
                self.problem(place, f"'{name}' has a meaning of its own here")
        reasons = {"type": "string", "minLength": 1, "description": "Why, in a few sentences that name what counted."}
        properties = {REASONS: reasons} | {name: self._number(name) for name in self.scored}
        self.form = Form(properties, confidence=self.config.llm.confidence)

    def _number(self, name: str) -> dict[str, Any]:
        said = next((each.description for each in self.config.criteria if each.name == name), "")
        schema = {"type": "integer" if self.config.whole else "number", "description": said}
        return schema | {"minimum": self.config.least, "maximum": self.config.most}

    def run(self, context: StepContext) -> Outcome:
        prompt = make_prompt(context, self._system(), self.instruction, self.input)
        question = Question(prompt, self.form, decisive=self.scored, joint=True, vote=self._vote)
        answered = ask(context, self.config.llm, question)
        return answered.done(self._output(answered.data))

    def _output(self, data: Mapping[str, Any]) -> Record:
        name = self.config.field
        output: Record = {name: self._total(data), f"{name}_reasons": data[REASONS]}
        if self.config.criteria:
            output[f"{name}_criteria"] = {each: data[each] for each in self.scored}
        return output

    def _total(self, data: Mapping[str, Any]) -> float | int:
        if not self.config.criteria:
            total: float = data[self.config.field]
        else:
            weights = sum(each.weight for each in self.config.criteria)
            total = sum(data[each.name] * each.weight for each in self.config.criteria) / weights
        return round(total) if self.config.whole else round(total, 4)

    def _vote(self, answers: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], float]:
        """Return the answer with the median score, and the share of answers near it."""
        totals = [self._total(answer) for answer in answers]
        middle = median_low(totals)
        near = AGREEMENT * (self.config.most - self.config.least)
        return answers[totals.index(middle)], sum(abs(total - middle) <= near for total in totals) / len(totals)

    def _system(self) -> str:
        bounds = f"from {self.config.least:g} (worst) to {self.config.most:g} (best)"
        lines = [f"You score one item by the rubric you are given, {bounds}. First say why, then give the score."]
        if self.config.criteria:
            lines.append("Score each of these by itself:")
            lines += [f"- {each.name}: {each.description}".rstrip(": ") for each in self.config.criteria]
        return "\n".join(lines) + "\n\n" + self.form.told()

    def output_schema(self) -> dict[str, Any]:
        name, number = self.config.field, "integer" if self.config.whole else "number"
        properties: dict[str, Any] = {name: {"type": number}, f"{name}_reasons": {"type": "string"}}
        if self.config.criteria:
            properties[f"{name}_criteria"] = {"type": "object"}
        return {"type": "object", "properties": properties, "required": list(properties)}
