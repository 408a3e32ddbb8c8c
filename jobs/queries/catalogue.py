"""What a view of a workflow may show and ask for: its fields, and what its newest jobs hold besides, with examples."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jobs.domain.view_paths import JOB_PATHS, REVIEW_PATHS, index_problem, label_of, path_problem
from jobs.models import Job
from jobs.queries.indexed import fields_of, path_of, redacted_names
from jobs.queries.records import records_of
from workflows.domain.fields import FieldType
from workflows.models import Workflow

LOOKED_AT = 30
MOST = 150
DEEPEST = 2
LONGEST_EXAMPLE = 40
NUMERIC = (FieldType.INTEGER, FieldType.NUMBER)
GROUPS = {"payload": "Came in", "result": "Result", "steps": "Steps", "review": "Review", "job": "The job itself"}


@dataclass(slots=True)
class Known:
    """A field that can be shown: its path, name and group, an example, and why it cannot be asked by, if so."""

    path: str
    label: str
    example: str = ""
    refusal: str = ""
    numeric: bool = False

    @property
    def group(self) -> str:
        """The heading it stands under."""
        return GROUPS[self.path.split(".")[0]]

    @property
    def choice(self) -> str:
        """How it is offered."""
        where = f" ({self.path.split('.')[1]})" if self.path.startswith("steps.") else ""
        return f"{self.label}{where} — {self.example}" if self.example else f"{self.label}{where}"


def known_fields(workflow: Workflow) -> list[Known]:
    """Return what there is, in the order it is offered: declared fields first, then what the newest jobs hold."""
    redacted = redacted_names(workflow)
    found = {path_of(f): Known(path_of(f), f.shown_label, numeric=f.type in NUMERIC) for f in fields_of(workflow)}
    for path, value in _held(workflow):
        known = found.setdefault(path, Known(path, label_of(path)))
        if not known.example and value not in (None, "") and not index_problem(path, redacted):
            known.example = _example(value)
            known.numeric = known.numeric or (isinstance(value, (int, float)) and not isinstance(value, bool))
        if len(found) >= MOST:
            break
    for path, label in (REVIEW_PATHS | JOB_PATHS).items():
        found[path] = Known(path, label)
    for path, known in found.items():
        known.refusal = index_problem(path, redacted)
    roots = list(GROUPS)
    return sorted(found.values(), key=lambda known: roots.index(known.path.split(".")[0]))


def labels_of(workflow: Workflow) -> dict[str, str]:
    """Return the names of the workflow's declared fields by path."""
    return {path_of(field): field.shown_label for field in fields_of(workflow)}


def numeric_paths(workflow: Workflow) -> set[str]:
    """Return the paths that hold numbers, as far as that is declared."""
    declared = {path_of(field) for field in fields_of(workflow) if field.type in NUMERIC}
    return declared | {"job.cost", "job.duration", "job.version"}


def _held(workflow: Workflow) -> Iterator[tuple[str, Any]]:
    jobs = list(Job.objects.filter(workflow=workflow).order_by("-pk")[:LOOKED_AT])
    for record in records_of(jobs, ("payload", "result", "steps")).values():
        for root, held in (("payload", record.payload), ("result", record.result), ("steps", record.steps)):
            yield from _leaves(root, held, DEEPEST if root != "steps" else DEEPEST + 1)


def _leaves(path: str, held: Any, deep: int) -> Iterator[tuple[str, Any]]:
    if isinstance(held, Mapping) and deep:
        for key, value in held.items():
            yield from _leaves(f"{path}.{key}", value, deep - 1)
    elif not isinstance(held, Mapping) and not path_problem(path):
        yield path, held


def _example(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= LONGEST_EXAMPLE else f"{text[: LONGEST_EXAMPLE - 1]}…"
