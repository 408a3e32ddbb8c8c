"""Test runs: a row that workers go through item by item, as bulk actions are; taken up again if a worker dies.

What a run takes of workers is told in jobs/services/trial_turns.py, running an item in jobs/runtime/trial_item.py.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import F, Q

from jobs.domain.trials import TrialState
from jobs.models import Queue, Trial, TrialItem
from taskflow.lib import wake
from taskflow.lib.db import in_transaction
from workflows.domain.definition import MAX_SAMPLES, Definition, DefinitionError, Problem
from workflows.domain.recording import content_print, fingerprint
from workflows.models import Sample, Workflow, WorkflowVersion
from workflows.services.checking import check_definition
from workflows.services.files import data_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User

TASK = "jobs.work_trial"
#: A run that nobody has worked on for this long is taken up by the tick.
STALE = timedelta(seconds=15)
#: A hint that has led to nothing for this long is sent again.
HINT_EXPIRES = timedelta(seconds=5)


class NothingToTest(ValueError):
    """A run cannot start; says why, in words for the person who asked for it."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A draft as it is now: its plain data without samples, what it does as a fingerprint, its revision."""

    data: dict[str, Any]
    definition: Definition
    content: str
    revision: int


def snapshot_of(workflow: Workflow) -> Snapshot:
    """Return the workflow's draft as it is. Raises DefinitionError with everything that keeps it from running."""
    draft = WorkflowVersion.objects.filter(draft_of=workflow).select_related("workflow").first()
    if draft is None:
        raise DefinitionError([Problem("", "there is no draft to test")])
    data = data_of(draft) | {"samples": None}
    return Snapshot(data, check_definition(data), content_print(data), draft.revision)


def golden_samples(workflow: Workflow) -> list[Sample]:
    """Return the samples of which it is known what must come out."""
    return [sample for sample in workflow.samples.order_by("pk") if isinstance(sample.expected, dict)]


def golden_print(samples: Iterable[Sample]) -> str:
    """Return the fingerprint of golden samples: another one where any was added, changed or deleted."""
    return fingerprint([[sample.pk, sample.input, sample.expected] for sample in samples])


def start_trial(
    *,
    workflow: Workflow,
    samples: Sequence[Sample],
    user: "User | None",
    now: datetime,
    step_key: str = "",
    source: str = "",
    anew: bool = False,
    estimate: Mapping[str, Any] | None = None,
) -> Trial:
    """Store a run of the draft over `samples`, beside the live version, and send it on its way.

    With `step_key` only that step is tried; `anew` reuses no answers from before. Raises NothingToTest, or
    DefinitionError where the draft cannot run.
    """
    snapshot = snapshot_of(workflow)
    _require(snapshot, samples, step_key)
    trial = _new_trial(workflow, snapshot, now)
    trial.golden = "" if step_key else _golden_among(workflow, samples)
    trial.step_key, trial.source, trial.anew, trial.estimate = step_key, source[:200], anew, estimate
    trial.total, trial.created_by = len(samples), user
    with transaction.atomic():
        trial.save(force_insert=True)
        TrialItem.objects.bulk_create((_item(trial, place, sample) for place, sample in enumerate(samples)), 100)
        transaction.on_commit(lambda: hint(trial))
    return trial


def _new_trial(workflow: Workflow, snapshot: Snapshot, now: datetime) -> Trial:
    live = workflow.live_version
    return Trial(
        tenant_id=workflow.tenant_id,
        workflow=workflow,
        live_version=live,
        live_number=None if live is None else live.number,
        draft=snapshot.data,
        revision=snapshot.revision,
        content=snapshot.content,
        state=TrialState.RUNNING.value,
        created_at=now,
        due_at=now + HINT_EXPIRES,
    )


def _golden_among(workflow: Workflow, samples: Iterable[Sample]) -> str:
    """Return the fingerprint of the workflow's golden samples where all of them are among `samples`, else nothing."""
    golden = golden_samples(workflow)
    covered = {sample.pk for sample in golden} <= {sample.pk for sample in samples}
    return golden_print(golden) if golden and covered else ""


def _require(snapshot: Snapshot, samples: Sequence[Sample], step_key: str) -> None:
    if not samples:
        raise NothingToTest("There are no samples to test on: add some, or choose others.")
    if len(samples) > MAX_SAMPLES:
        raise NothingToTest(f"A test runs over {MAX_SAMPLES:,} samples at most.")
    keys = [step.key for step in snapshot.definition.steps if step.enabled]
    if step_key and step_key not in keys:
        raise NothingToTest(f"The draft has no step '{step_key}' that is switched on.")


def _item(trial: Trial, place: int, sample: Sample) -> TrialItem:
    return TrialItem(
        trial=trial,
        position=place,
        sample=sample,
        name=sample.name,
        origin=sample.origin,
        input=sample.input,
        expected=sample.expected if isinstance(sample.expected, dict) else None,
    )


def cancel_trial(*, trial: Trial, actor: str, now: datetime) -> bool:
    """End a run; what is done stays. False where it was over already."""
    rows = Trial.objects.filter(pk=trial.pk, state=TrialState.RUNNING.value)
    note = f"Cancelled by {actor}."[:500]
    return _update(rows, state=TrialState.CANCELLED.value, finished_at=now, token=None, note=note)


def hint(trial: Trial) -> None:
    """Tell a worker of the workflow's pool that the run has work; the tick makes up for a hint that is lost."""
    pool = Queue.objects.filter(slug=trial.workflow.queue).values_list("pool", flat=True).first()
    wake.send(TASK, pool=pool or "default", trial_id=trial.pk)


def continue_due(now: datetime) -> int:
    """Send a hint for every run whose time has come and that nobody works on; returns how many there were."""
    idle = Q(worked_at=None) | Q(worked_at__lt=now - STALE)
    rows = Trial.objects.filter(idle, state=TrialState.RUNNING.value, due_at__lte=now).select_related("workflow")
    sent = 0
    for trial in rows.order_by("due_at")[:100]:
        sent += call_worker(trial=trial, now=now)
    return sent


def call_worker(*, trial: Trial, now: datetime) -> bool:
    """Send a hint for the run, unless somebody else did since it was read."""
    rows = Trial.objects.filter(pk=trial.pk, due_at=trial.due_at)
    if not _update(rows, due_at=now + HINT_EXPIRES):
        return False
    hint(trial)
    return True


def take_trial(*, trial_id: int, now: datetime) -> Trial | None:
    """Make this process the one that works on the run; None when it is over or another one is at it."""
    free = Q(worked_at=None) | Q(worked_at__lt=now - STALE)
    token = random.getrandbits(62)
    rows = Trial.objects.filter(free, pk=trial_id, state=TrialState.RUNNING.value)
    if not _update(rows, worked_at=now, token=token, due_at=now + STALE):
        return None
    # It may have been cancelled, or taken by another one, in between.
    return Trial.objects.select_related("workflow", "tenant").filter(pk=trial_id, token=token).first()


def beat_trial(*, trial: Trial, now: datetime) -> bool:
    """Say that this process is still at the run; False when it is not its any more."""
    return _update(_held(trial), worked_at=now, due_at=now + STALE)


def release_trial(*, trial: Trial, now: datetime, due_at: datetime, note: str = "") -> None:
    """Let any process go on with the run: at once, or when the tick finds that `due_at` has come."""
    later = max(due_at, now)
    released = _update(_held(trial), worked_at=None, token=None, due_at=later, note=note[:500], contends=trial.contends)
    if released and due_at <= now:
        hint(trial)


def fail_trial(*, trial: Trial, reason: str, now: datetime) -> None:
    """End a run that cannot go on."""
    _update(_held(trial), state=TrialState.FAILED.value, finished_at=now, token=None, note=reason[:500])


def _update(rows: Any, **values: Any) -> bool:
    """Change the rows that are still as was asked for, and say whether there were any.

    Even one statement can meet a deadlock: one process comes to a run by its key, another by the index of what is due.
    """
    return bool(in_transaction(lambda: rows.update(**values)))


def _held(trial: Trial) -> Any:
    return Trial.objects.filter(pk=trial.pk, token=trial.token, state=TrialState.RUNNING.value)


def next_items(*, trial: Trial, busy: Iterable[int], most: int) -> list[TrialItem]:
    """Return the next items of a run that this process holds, and count that they are tried.

    What was tried before without coming to an end may have ended its worker: such items come last, and one by one.
    """
    open_rows = TrialItem.objects.filter(trial_id=trial.pk, done_at=None).exclude(pk__in=list(busy))
    found = list(open_rows.order_by("tries", "position").values_list("pk", "tries")[:most])
    fresh = [pk for pk, tries in found if not tries] or [pk for pk, _ in found[:1]]

    def work() -> list[TrialItem]:
        if not _held(trial).select_for_update().exists():
            return []
        TrialItem.objects.filter(pk__in=fresh).update(tries=F("tries") + 1)
        return list(TrialItem.objects.filter(pk__in=fresh).order_by("position"))

    return in_transaction(work) if fresh else []
