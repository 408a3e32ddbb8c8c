"""What is to be fixed in a draft before it is published, and what looks like an oversight in it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from workflows.domain.definition import DefinitionError, Problem, read_steps
from workflows.domain.drafts import DraftContent
from workflows.models import Workflow
from workflows.services.checking import check_definition
from workflows.services.files import draft_data, forgive_switched_off
from workflows.services.linting import lint

NO_STEP = Problem("steps", "There is no step yet: add the first.")


@dataclass(frozen=True, slots=True)
class Findings:
    """Mistakes, for which publishing is refused, and warnings, for which it is not."""

    mistakes: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()

    def by_step(self, problems: Sequence[Problem]) -> Counter[int]:
        """Return how many of `problems` each step has, by its position."""
        return Counter(int(parts[1]) for one in problems if (parts := one.place.split("."))[0] == "steps" and parts[1:])

    def at(self, prefix: str) -> dict[str, str]:
        """Return the mistakes and warnings below a place, by what remains of theirs; mistakes win."""
        found: dict[str, str] = {}
        for problem in (*self.mistakes, *self.warnings):
            if problem.place == prefix or problem.place.startswith(f"{prefix}."):
                found.setdefault(problem.place[len(prefix) + 1 :], problem.message)
        return found


def find_problems(workflow: Workflow, content: DraftContent) -> Findings:
    """Return what is wrong with a draft and what looks odd; the latter only once nothing is wrong."""
    samples = [{"name": sample.name, "input": sample.input} for sample in workflow.samples.order_by("id")]
    data = draft_data(workflow, content) | {"samples": samples or None}
    if not content.steps:
        return Findings((NO_STEP,))
    data = forgive_switched_off(data)
    try:
        definition = check_definition(data)
    except DefinitionError as error:
        return Findings(tuple(_all_mistakes(data, error)))
    return Findings((), tuple(lint(definition)))


def _all_mistakes(data: dict[str, Any], error: DefinitionError) -> Iterator[Problem]:
    """Yield every mistake, also of steps that the check leaves out because a policy or rule has not even the form."""
    broken = [index for index, step in enumerate(data["steps"]) if not read_steps({"steps": [step]})]
    if not broken:
        yield from error.problems
        return
    places = tuple(f"steps.{index}.{part}" for index in broken for part in ("retry", "review"))
    yield from (problem for problem in error.problems if problem.place.startswith(places))
    steps = [
        step | {"retry": None, "review": None} if index in broken else step for index, step in enumerate(data["steps"])
    ]
    try:
        check_definition(data | {"steps": steps})
    except DefinitionError as rest:
        yield from rest.problems
