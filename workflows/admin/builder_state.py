"""What the builder shows: the draft as it is now, its steps as rows, and which part is open."""

from dataclasses import dataclass, field

from django.http import QueryDict

from workflows.admin.palette import KindCard, card_of
from workflows.domain.definition import Problem
from workflows.domain.drafts import FIRST, DraftContent, DraftStep, fingerprint
from workflows.models import Workflow, WorkflowVersion
from workflows.queries import get_draft, get_draft_content
from workflows.services.draft_edits import Conflict
from workflows.services.findings import Findings, find_problems


@dataclass(frozen=True, slots=True)
class StepRow:
    """A step in the list. `up` and `down` are the keys to put it behind, None at the end of the list."""

    step: DraftStep
    number: int
    card: KindCard
    opened: str
    mistakes: int
    warnings: int
    up: str | None
    down: str | None


@dataclass(frozen=True, slots=True)
class Panel:
    """Which part is open, and, where saving it failed, what was typed and why."""

    name: str = "overview"
    step: str = ""
    posted: QueryDict | None = None
    errors: dict[str, str] = field(default_factory=dict)
    conflict: Conflict | None = None
    problems: tuple[Problem, ...] = ()

    @property
    def failed(self) -> bool:
        return self.conflict is not None or bool(self.errors) or bool(self.problems)


@dataclass(frozen=True, slots=True)
class Shown:
    """The draft as it is in the database now, and what was found in it."""

    workflow: Workflow
    draft: WorkflowVersion | None
    content: DraftContent
    findings: Findings

    @property
    def revision(self) -> int:
        return 0 if self.draft is None else self.draft.revision


def look_at(workflow: Workflow) -> Shown:
    """Return the draft of a workflow with what is wrong in it."""
    draft = get_draft(workflow)
    content = get_draft_content(workflow, draft)
    return Shown(workflow, draft, content, find_problems(workflow, content))


def step_rows(shown: Shown) -> list[StepRow]:
    """Return the draft's steps as the list shows them."""
    mistakes = shown.findings.by_step(shown.findings.mistakes)
    warnings = shown.findings.by_step(shown.findings.warnings)
    keys = shown.content.keys
    return [
        StepRow(
            step=step,
            number=index + 1,
            card=card_of(step.kind),
            opened=fingerprint(step),
            mistakes=mistakes[index],
            warnings=warnings[index],
            up=None if index == 0 else FIRST if index == 1 else keys[index - 2],
            down=keys[index + 1] if index + 1 < len(keys) else None,
        )
        for index, step in enumerate(shown.content.steps)
    ]
