"""What a person says of a row of a test run: it makes the row's sample golden, and can be taken back."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from django.db.models import F

from jobs.domain.comparing import Comparison, Side, Status, compare, explains
from jobs.domain.trials import COUNTED
from jobs.models import Trial, TrialItem
from jobs.services.trial_results import fields_data
from taskflow.lib.db import in_transaction
from workflows.domain.fields import Role, read_fields
from workflows.domain.outcomes import Record
from workflows.domain.samples import NewSample
from workflows.models import Sample
from workflows.services.samples import add_samples, expect

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Verdict = Literal["live", "draft", "edit"]


class CannotJudge(ValueError):
    """A row cannot be judged so; says why."""


def judge(*, item: TrialItem, verdict: Verdict, user: "User | None", expected: Record | None = None) -> TrialItem:
    """Make the item's sample golden: what the live version or the draft gave is right, or `expected` is (edit).

    Its comparison and the run's counts follow. A sample that was deleted is made again. Raises CannotJudge, and
    SamplesInvalid where there is no room for it.
    """

    def work(row: TrialItem) -> None:
        sample = row.sample or _again(row, user)
        wanted = dict(expected or {}) if verdict == "edit" else _right(row, verdict)
        if row.judged == "":
            row.before = {"expected": sample.expected}
        row.sample, row.judged = sample, verdict
        row.expected = wanted or None
        expect(sample=sample, expected=row.expected)

    return _change(item, work)


def unjudge(*, item: TrialItem) -> TrialItem:
    """Take back what was said of a row: its sample expects what it did before. Raises CannotJudge."""

    def work(row: TrialItem) -> None:
        if not row.judged:
            raise CannotJudge("Nothing was said of this row.")
        before = (row.before or {}).get("expected")
        if row.sample is not None:
            expect(sample=row.sample, expected=before)
        row.expected = before if isinstance(before, dict) else None
        row.judged, row.before = "", None

    return _change(item, work)


def _change(item: TrialItem, work: Callable[[TrialItem], None]) -> TrialItem:
    def change() -> TrialItem:
        # The run before its items, as in storing results.
        trial = Trial.objects.select_for_update().get(pk=item.trial_id)
        row = TrialItem.objects.select_for_update().get(pk=item.pk)
        if row.done_at is None:
            raise CannotJudge("This row has not been run yet.")
        row.trial = trial
        work(row)
        was = Status(row.status)
        comparison = compare_again(row)
        row.status, row.fields = comparison.status.value, fields_data(comparison)
        row.save(update_fields=["sample", "judged", "before", "expected", "status", "fields"])
        if comparison.status is not was:
            gained, lost = COUNTED[comparison.status], COUNTED[was]
            Trial.objects.filter(pk=trial.pk).update(**{gained: F(gained) + 1, lost: F(lost) - 1})
        return row

    return in_transaction(change)


def compare_again(item: TrialItem) -> Comparison:
    """Compare an item's outputs, as far as they are kept, with what is expected of it now."""
    live = None if item.live is None else Side(item.live["record"], item.live["error"])
    draft = item.draft or {"record": {}, "error": ""}
    expected = item.expected
    if item.trial.step_key and expected is not None:
        given = {**draft["record"], **(live.record if live else {})}
        expected = {key: value for key, value in expected.items() if key in given} or None
    return compare(live, Side(draft["record"], draft["error"]), expected)


def _again(item: TrialItem, user: "User | None") -> Sample:
    new = NewSample(item.input, name=item.name, origin=item.origin)
    return add_samples(workflow=item.trial.workflow, samples=[new], user=user)[0]


def _right(item: TrialItem, verdict: Verdict) -> Record:
    """Return what is expected from now on where one version's output is right: what was before, with that over it."""
    side: Mapping[str, Any] | None = item.live if verdict == "live" else item.draft
    who = "The live version" if verdict == "live" else "The draft"
    if side is None:
        raise CannotJudge("There is no live version to be right.")
    if side["error"]:
        raise CannotJudge(f"{who} failed on this row, so its output cannot be right.")
    return {**(item.expected or {}), **result_of(side["record"], item.trial)}


def result_of(record: Record, trial: Trial) -> Record:
    """Return what of an output is the result: the workflow's output fields, or all that does not only explain.

    Texts that were cut when they were kept cannot be expected.
    """
    known = {field.key for field in read_fields(trial.draft.get("fields") or ()) if field.role is Role.OUTPUT}
    found = known & set(record)
    return {
        key: value
        for key, value in record.items()
        if (key in found if found else not explains(key) and not key.startswith("would_")) and not _is_cut(value)
    }


def _is_cut(value: Any) -> bool:
    return isinstance(value, str) and value.endswith("…") and len(value) > 5_000
