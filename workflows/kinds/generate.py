"""The `generate` step: a text by a language model."""

from typing import Annotated, Any

from pydantic import Field

from workflows.domain.hints import Templated
from workflows.domain.outcomes import Outcome
from workflows.kinds.base import Effect, StepConfig, StepContext, StepKind
from workflows.kinds.language import OutputName
from workflows.kinds.llm.asking import Question, ask
from workflows.kinds.llm.prompt import make_prompt, prompt_template
from workflows.kinds.llm.settings import LlmSettings


class GenerateConfig(StepConfig):
    """What to write."""

    instruction: Annotated[
        str,
        Field(title="Instruction", min_length=1, max_length=20_000, description="What to write, and about what."),
        Templated(),
    ]
    role: str = Field("", title="Who writes", max_length=2000, description="As in: You answer for a bank's support.")
    field: OutputName = Field("text", title="Name of the output", description="Later steps read it as record.NAME.")
    llm: LlmSettings = Field(default_factory=LlmSettings, title="Language model")


class Generate(StepKind[GenerateConfig]):
    """Writes a text. Gives `{text: ...}`. What is written is data: it is never run, nor used as a template."""

    name = "generate"
    title = "Write a text"
    Config = GenerateConfig
    effect = Effect.COSTLY

    def prepare(self) -> None:
        self.instruction = prompt_template(self, "instruction", self.config.instruction)

    def run(self, context: StepContext) -> Outcome:
        system = " ".join(filter(None, (self.config.role, "Answer with the text that is asked for, and nothing else.")))
        answered = ask(context, self.config.llm, Question(make_prompt(context, system, self.instruction)))
        return answered.done({self.config.field: answered.text.strip()})

    def output_schema(self) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": {self.config.field: {"type": "string"}},
            "required": [self.config.field],
        }
