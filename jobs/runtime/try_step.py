"""Trying one step of a draft at once, on one input: for the builder, where a person waits for the answer."""

from dataclasses import dataclass
from datetime import datetime

from jobs.domain.comparing import Comparison
from jobs.models import Trial, TrialItem
from jobs.queries.trials import files_of_items, recordings_of_items, source_jobs
from jobs.runtime.trial_item import ItemWork, try_item
from jobs.runtime.trials import setting_of
from jobs.services.trial_results import ItemResult, count_calls
from jobs.services.trials import NothingToTest, snapshot_of
from taskflow.lib.db import in_transaction
from taskflow.lib.ids import new_uid
from workflows.domain.outcomes import Record
from workflows.domain.recording import Recordings
from workflows.models import Sample, Workflow

#: Later than every run there is, so that the answers of all of them may be reused.
LATEST = 2**62


@dataclass(frozen=True, slots=True)
class StepTried:
    """What came of it. `limited` says why it could not be tried now, where a limit was reached."""

    item: TrialItem
    comparison: Comparison | None
    limited: str = ""


def try_step(*, workflow: Workflow, step_key: str, sample: Sample | None, payload: Record, now: datetime) -> StepTried:
    """Run the draft's step over a sample, or another payload, with the outputs before it from the live version.

    Nothing is stored but the sums of what language models were asked. Raises NothingToTest, or DefinitionError where
    the draft cannot run.
    """
    snapshot = snapshot_of(workflow)
    if step_key not in {step.key for step in snapshot.definition.steps if step.enabled}:
        raise NothingToTest(f"The draft has no step '{step_key}' that is switched on.")
    trial = Trial(
        pk=LATEST,
        uid=new_uid(),
        tenant_id=workflow.tenant_id,
        workflow=workflow,
        live_version=workflow.live_version,
        draft=snapshot.data,
        step_key=step_key,
        created_at=now,
    )
    known = sample.expected if sample is not None and isinstance(sample.expected, dict) else None
    origin = "" if sample is None else sample.origin
    item = TrialItem(pk=0, trial=trial, position=0, sample=sample, input=payload, expected=known, origin=origin)
    result = _run(trial, item)
    in_transaction(lambda: count_calls(trial, [result]))
    if result.comparison is None:
        return StepTried(item, None, result.note or "It could not be tried just now.")
    item.live, item.draft, item.status = result.live, result.draft, result.comparison.status.value
    item.seconds, item.cost = result.seconds, result.cost
    return StepTried(item, result.comparison)


def _run(trial: Trial, item: TrialItem) -> ItemResult:
    setting = setting_of(trial, lease_id=0)
    jobs = source_jobs(trial.tenant_id, {item.origin})
    files = files_of_items(trial.tenant_id, [item], jobs)
    known = recordings_of_items(trial, [item], jobs, files)[item.pk]
    tries = 100  # an error that may pass is told at once: a person waits
    return try_item(
        ItemWork(item.pk, item.input, item.expected, Recordings(known), files.get(item.pk, ()), tries), setting
    )
