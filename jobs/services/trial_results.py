"""Storing what came of the items of a test run, each once."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F

from jobs.domain.comparing import Comparison, Status
from jobs.domain.trials import COUNTED, TrialState, Turn
from jobs.models import Trial, TrialItem
from jobs.services.llm import count_test_calls
from jobs.services.trial_turns import pay
from taskflow.lib.db import in_transaction
from workflows.domain.calls import ModelCall
from workflows.models import WorkflowVersion


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What came of one item. `seconds` and `cost` are what it took this time; `recorded` is what it may reuse.

    Without a `comparison` it is not over: it is tried again, at `until` at the soonest, for the reason that `note`
    gives. `spared` says that this try does not count. `calls` are those to language models, of the live version and of
    the draft.
    """

    item_id: int
    seconds: float
    cost: float
    recorded: dict[str, Any] | None = None
    comparison: Comparison | None = None
    live: dict[str, Any] | None = None
    draft: dict[str, Any] | None = None
    live_asks: bool = False
    asks: bool = False
    reused: bool = False
    until: datetime | None = None
    note: str = ""
    spared: bool = False
    live_calls: tuple[ModelCall, ...] = ()
    draft_calls: tuple[ModelCall, ...] = ()


def store_results(*, trial: Trial, results: Sequence[ItemResult], lane_id: int, turn: Turn, now: datetime) -> bool:
    """Store results of a run that this process holds, with its counts and what its lane pays, in one transaction.

    Returns False, and stores nothing, where the run is over or another process has it. An item that was stored before
    is not counted again.
    """
    return in_transaction(lambda: _store(trial, results, lane_id, turn, now))


def _store(trial: Trial, results: Sequence[ItemResult], lane_id: int, turn: Turn, now: datetime) -> bool:
    seconds = sum(result.seconds for result in results)
    pay(lane_id=lane_id, turn=turn, seconds=seconds)
    count_calls(trial, results)
    held = Trial.objects.select_for_update().filter(pk=trial.pk, token=trial.token, state=TrialState.RUNNING.value)
    row = held.first()
    if row is None:
        return False
    counts: Counter[str] = Counter()
    for result in results:
        counts.update(_store_item(result, now))
    done = counts.pop("done", 0)
    over = row.done + done >= row.total
    ending = {"state": TrialState.DONE.value, "finished_at": now, "token": None} if over else {}
    Trial.objects.filter(pk=row.pk).update(
        done=F("done") + done,
        cost=F("cost") + sum(result.cost for result in results),
        seconds=F("seconds") + seconds,
        worked_at=now,
        served_at=now,
        contends=trial.contends,
        **{name: F(name) + count for name, count in counts.items()},
        **ending,
    )
    trial.served_at, trial.done = now, row.done + done
    return not over


def count_calls(trial: Trial, results: Iterable[ItemResult]) -> None:
    """Add what the results asked of language models to the tenant's daily sums, under the versions that asked."""
    results = [result for result in results if result.live_calls or result.draft_calls]
    if not results:
        return
    draft_id = WorkflowVersion.objects.filter(draft_of=trial.workflow_id).values_list("pk", flat=True).first()
    versions = ((trial.live_version_id, "live_calls"), (draft_id or trial.live_version_id, "draft_calls"))
    count_test_calls(
        tenant_id=trial.tenant_id,
        calls=[
            (version_id, call)
            for version_id, name in versions
            if version_id is not None
            for result in results
            for call in getattr(result, name)
        ],
    )


def _store_item(result: ItemResult, now: datetime) -> Counter[str]:
    """Store one result and return what it adds to the run's counts."""
    rows = TrialItem.objects.filter(pk=result.item_id, done_at=None)
    taken: dict[str, Any] = {"seconds": F("seconds") + result.seconds, "cost": F("cost") + result.cost}
    if result.recorded is not None:
        taken["recorded"] = result.recorded
    if result.comparison is None:
        rows.update(**taken, **({"tries": F("tries") - 1} if result.spared else {}))
        return Counter()
    comparison = result.comparison
    stored = rows.update(
        **taken,
        done_at=now,
        status=comparison.status.value,
        live=result.live,
        draft=result.draft,
        fields=fields_data(comparison),
        asks=result.asks,
    )
    if not stored:
        return Counter()
    return Counter(
        {
            "done": 1,
            COUNTED[comparison.status]: 1,
            "live_reviews": int(result.live_asks),
            "draft_reviews": int(result.asks),
            "reused": int(result.reused),
        }
    )


def fields_data(comparison: Comparison) -> list[dict[str, Any]]:
    """Return what there is to tell of the fields, without their values: those stand in the outputs."""
    plain = (Status.SAME, Status.NEW)
    return [
        {"key": key, "status": field.status.value, "counts": field.counts}
        for key, field in comparison.fields.items()
        if field.status not in plain or field.known
    ]
