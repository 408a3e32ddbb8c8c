"""The `review` block of a step, ready to use: says whether what the step gave is put to a person, and how."""

from collections.abc import Callable, Mapping
from typing import Any

from workflows.domain.expressions import ExpressionError
from workflows.domain.fields import InputField
from workflows.domain.outcomes import Done, Outcome, PermanentError, Record, Spawn, StepError, Stop
from workflows.domain.reviewing import Question, ReviewRule, editable_fields
from workflows.kinds.base import StepContext, StepKind
from workflows.kinds.language import text_of
from workflows.templating import Template

EXTRA = ("output", "confidence")
#: Kinds whose output nobody can be asked about.
NEVER_REVIEWED = {"approve": "asks a person already", "spawn": "makes its sub-jobs at once"}


class Gate(StepKind[ReviewRule]):  # type: ignore[type-var]  # the rule is no kind's config, but is compiled like one
    """Decides by a step's `review` block."""

    name = "review"
    title = "Review"
    Config = ReviewRule  # type: ignore[assignment]

    def prepare(self) -> None:
        rule = self.config
        self.when = None if rule.when is None else self.expression("when", rule.when, extra=EXTRA)
        self.question = self.template("question", rule.question, extra=EXTRA) if rule.question else None

    def asks(self, outcome: Outcome, context: StepContext, *, step: str, schema: Record) -> Question | None:
        """Return the question about a step's outcome, or None where the job simply goes on."""
        if isinstance(outcome, Spawn):
            raise PermanentError("A step that makes sub-jobs cannot be reviewed.")
        if not isinstance(outcome, (Done, Stop)):
            return None
        output = outcome.output if isinstance(outcome, Done) else outcome.result
        confidence = outcome.confidence if isinstance(outcome, Done) else None
        names = context.names() | {"output": output, "confidence": confidence}
        reasons = [*self._unsure(confidence), *self._invalid(output), *self._condition(names)]
        if not reasons:
            return None
        return self._ask(
            "; ".join(filter(None, reasons)), output, names, editable=self._editable(context, schema), step=step
        )

    def asks_about(self, error: StepError, context: StepContext, *, step: str, schema: Record) -> Question | None:
        """Return the question about a check that failed, or None for another error."""
        problems = error.details.get("problems")
        if not self.config.on_invalid or not problems:
            return None
        output = {"valid": False, "problems": problems}
        names = context.names() | {"output": output, "confidence": None}
        return self._ask(_summary(problems), output, names, editable=self._editable(context, schema), step=step)

    def _unsure(self, confidence: float | None) -> list[str]:
        least = self.config.confidence_below
        if least is None or confidence is None or confidence >= least:
            return []
        return [f"{confidence:.0%} sure, less than {least:.0%}"]

    def _invalid(self, output: Record) -> list[str]:
        if not self.config.on_invalid or output.get("valid") is not False:
            return []
        return [_summary(output.get("problems"))]

    def _condition(self, names: Mapping[str, Any]) -> list[str]:
        if self.when is None:
            return []
        try:
            if not self.when.test(names):
                return []
            # A rule that always asks needs no reason.
            return ["" if self.when.source == "true" else f"it holds that {self.when.source}"]
        except ExpressionError as error:
            # The step's work is done and paid for: a person looks at it, where a failure would throw it away.
            return [f"the condition could not be judged: {error}"]

    def _editable(self, context: StepContext, schema: Record) -> Callable[[Record], tuple[InputField, ...]]:
        return lambda proposal: editable_fields(self.config.fields, context.fields, schema, proposal)

    def _ask(
        self,
        reason: str,
        output: Record,
        names: Mapping[str, Any],
        *,
        editable: Callable[[Record], tuple[InputField, ...]],
        step: str,
    ) -> Question:
        record = names["record"]
        named = {field.key: record[field.key] for field in self.config.fields if field.key in record}
        proposal = named | output
        return Question(
            title=_title(self.question, names) or f"{step}: is this right?",
            reason=reason,
            proposal=proposal,
            fields=editable(proposal),
            shown={},
            stamp={"valid": True} if output.get("valid") is False else {},
            assignment=self.config,
        )


def _title(template: Template | None, names: Mapping[str, Any]) -> str:
    """Return the question, or nothing where its template does not fit the data: the work behind it is not lost."""
    if template is None:
        return ""
    try:
        return text_of(template, names).strip()
    except PermanentError:
        return ""


def _summary(problems: Any) -> str:
    """Return what a failed check found, as far as it tells."""
    listed = problems if isinstance(problems, list) else []
    told = [
        f"{one.get('field')}: {one.get('message')}" if one.get("field") else str(one.get("message"))
        for one in listed
        if isinstance(one, dict)
    ]
    return "; ".join(told[:5]) or "a check failed"
