"""The `approve` step: the job waits until a person says yes, or no, or puts right what is wrong."""

from typing import Annotated

from pydantic import Field

from workflows.domain.hints import DataPath
from workflows.domain.outcomes import Done, Outcome, Record, Wait
from workflows.domain.reviewing import Assignment, Question, editable_fields
from workflows.kinds.base import StepConfig, StepContext, StepKind
from workflows.kinds.language import is_path, text_of, value_at

MAX_SHOWN = 50
ANSWERED = {"approved": True}


class ApproveConfig(StepConfig, Assignment):
    """The question, what to judge it by, and what may be edited; the rest is who, until when, and what a no means."""

    show: Annotated[
        tuple[Annotated[str, DataPath()], ...],
        Field(
            title="Show",
            max_length=MAX_SHOWN,
            description="Paths like total or payload.items[0].name; empty: everything the steps before found.",
        ),
    ] = ()


class Approve(StepKind[ApproveConfig]):
    """Asks a person, and goes on with what they say."""

    name = "approve"
    title = "Ask a person"
    Config = ApproveConfig

    def prepare(self) -> None:
        for index, path in enumerate(self.config.show):
            if not is_path(path):
                self.problem(f"show.{index}", f"'{path}' is not a path like total or payload.items[0].name")
            elif path.startswith("steps."):
                self.refer(f"show.{index}", (path.split(".")[1],))
        asked = self.config.question or "Is this right?"
        self.question = self.template("question", asked)

    def run(self, context: StepContext) -> Outcome:
        question = self._ask(context)
        return Wait(question.title, question=question)

    def dry_run(self, context: StepContext) -> Outcome:
        """Go on as if a person had said yes."""
        return Done(dict(self._ask(context).proposal) | ANSWERED)

    def _ask(self, context: StepContext) -> Question:
        config, record = self.config, context.record
        shown = {path: value_at(context, path) for path in config.show} if config.show else dict(record)
        proposal: Record = {field.key: value_at(context, field.key) for field in config.fields}
        return Question(
            title=text_of(self.question, context.names()).strip(),
            reason="",
            proposal=proposal,
            fields=editable_fields(config.fields, context.fields, {}, proposal) if config.fields else (),
            shown=shown,
            stamp=ANSWERED,
            assignment=config,
        )

    def output_schema(self) -> Record:
        properties: Record = {"approved": {"type": "boolean"}}
        properties |= {field.key: {} for field in self.config.fields}
        return {"type": "object", "properties": properties, "required": ["approved"]}
