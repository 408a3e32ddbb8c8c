"""Samples of a workflow: adding, changing and deleting them."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from taskflow.lib.db import in_transaction
from workflows.domain.definition import MAX_SAMPLES
from workflows.domain.fields import InputField, check_payload, read_fields
from workflows.domain.outcomes import Record
from workflows.domain.samples import NewSample
from workflows.models import Sample, Workflow, WorkflowVersion

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MOST_PROBLEMS = 20


class SamplesInvalid(ValueError):
    """Samples cannot be stored so; `problems` are sentences, each with its place."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        super().__init__(" ".join(self.problems))


def fields_of(workflow: Workflow) -> tuple[InputField, ...]:
    """Return the fields that samples have: the draft's, else those of the live version; none where they are wrong."""
    draft = WorkflowVersion.objects.filter(draft_of=workflow).first() or workflow.live_version
    try:
        return () if draft is None else read_fields(draft.fields)
    except ValidationError:
        return ()


def add_samples(*, workflow: Workflow, samples: Sequence[NewSample], user: "User | None") -> list[Sample]:
    """Store samples, all or none. Raises SamplesInvalid."""
    check_samples(fields_of(workflow), samples)

    def work() -> list[Sample]:
        # The row is the lock under which the number of its samples is counted.
        Workflow.objects.select_for_update().get(pk=workflow.pk)
        there = workflow.samples.count()
        if there + len(samples) > MAX_SAMPLES:
            more = f"{len(samples)} more" if len(samples) > 1 else "one more"
            raise SamplesInvalid([f"A workflow has {MAX_SAMPLES:,} samples at most; it has {there:,}, and not {more}."])
        return [
            Sample.objects.create(
                workflow=workflow,
                name=sample.name[:200],
                input=sample.input,
                expected=sample.expected,
                origin=sample.origin[:200],
                created_by=user,
            )
            for sample in samples
        ]

    return in_transaction(work)


def check_samples(fields: Sequence[InputField], samples: Iterable[NewSample]) -> None:
    """Raise SamplesInvalid where inputs do not fit the workflow's fields."""
    labels = {field.key: field.shown_label for field in fields}
    problems: list[str] = []
    for sample in samples:
        for problem in check_payload(fields, sample.input):
            place = f"{sample.place}: " if sample.place else ""
            problems.append(f"{place}{labels.get(problem.field, problem.field)} {problem.message}.")
    if problems:
        more = len(problems) - MOST_PROBLEMS
        raise SamplesInvalid(problems[:MOST_PROBLEMS] + ([f"And {more} more."] if more > 0 else []))


def update_sample(*, sample: Sample, name: str, input: Record, expected: Record | None) -> Sample:
    """Change a sample. Raises SamplesInvalid where its input does not fit."""
    check_samples(fields_of(sample.workflow), [NewSample(input)])
    sample.name, sample.input, sample.expected = name[:200], input, expected
    sample.save(update_fields=["name", "input", "expected"])
    return sample


def expect(*, sample: Sample, expected: Record | None) -> None:
    """Say what must come of a sample, which makes it golden; None takes that back."""
    Sample.objects.filter(pk=sample.pk).update(expected=expected)
    sample.expected = expected


def delete_samples(*, workflow: Workflow, ids: Iterable[int]) -> list[dict[str, Any]]:
    """Delete these samples of the workflow; returns them in the form that `restore_samples` takes."""

    def work() -> list[dict[str, Any]]:
        rows = list(workflow.samples.filter(pk__in=list(ids)).order_by("pk"))
        kept = [{name: getattr(row, name) for name in ("name", "input", "expected", "origin")} for row in rows]
        workflow.samples.filter(pk__in=[row.pk for row in rows]).delete()
        return kept

    return in_transaction(work)


def restore_samples(*, workflow: Workflow, kept: Sequence[dict[str, Any]], user: "User | None") -> int:
    """Bring back what `delete_samples` took away, as it was; returns how many."""
    room = MAX_SAMPLES - workflow.samples.count()
    Sample.objects.bulk_create(Sample(workflow=workflow, created_by=user, **row) for row in kept[: max(room, 0)])
    return min(len(kept), max(room, 0))
