"""Estimating a test run: what the steps took of recent jobs and of the last run, times what is left to ask."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Avg, Count

from jobs.domain.trial_costs import MODEL_SECONDS, QUICK_SECONDS, Estimate
from jobs.models import Job, StepRun, Trial, TrialItem
from jobs.queries.trials import plan_or_none, source_job_uid
from jobs.services.trials import snapshot_of
from workflows.kinds.base import Effect
from workflows.models import Sample, Workflow
from workflows.runtime import Plan, PlannedStep, plan_of

#: How many jobs, and rows of so many runs, are looked at.
RECENT, LAST_RUNS = 50, 3


@dataclass(frozen=True, slots=True)
class Pace:
    """What a step takes on the average."""

    seconds: float
    cost: float


def estimate_of(*, workflow: Workflow, samples: Sequence[Sample], step_key: str = "", anew: bool = False) -> Estimate:
    """Estimate a run of the draft over `samples`. Raises DefinitionError where the draft cannot run."""
    draft = plan_of(snapshot_of(workflow).definition)
    live = plan_or_none(workflow.live_version_id) if workflow.live_version_id else None
    steps = _steps(draft, live, step_key)
    paces = _paces(workflow)
    asking = {step.print: step for step in steps if asks_model(step)}
    known = {} if anew or not asking else _known(workflow, samples)
    cost: float | None = 0.0
    seconds, asks, reused = 0.0, 0, 0
    for step in steps:
        pace = paces.get(step.key)
        usual = MODEL_SECONDS if asks_model(step) else QUICK_SECONDS
        seconds += (pace.seconds if pace else usual) * len(samples)
    for print_, step in asking.items():
        there = sum(print_ in known.get(sample.pk, ()) for sample in samples)
        pace = paces.get(step.key)
        reused, asks = reused + there, asks + len(samples) - there
        if len(samples) > there:
            cost = None if cost is None or pace is None else cost + pace.cost * (len(samples) - there)
        seconds -= (pace.seconds if pace else MODEL_SECONDS) * there
    return Estimate(len(samples), max(seconds, 0.0) / settings.WORKER_SLOTS, cost, asks, reused)


def asks_model(step: PlannedStep) -> bool:
    """Say whether a step costs money: reading a document costs time alone."""
    return step.effect is Effect.COSTLY and not step.runner.needs_files


def _steps(draft: Plan, live: Plan | None, step_key: str) -> list[PlannedStep]:
    """Return the steps that run: of two that are the same only one, for its output serves both versions."""
    before = [] if live is None else list(live.steps)
    there = {step.key for step in before}
    tried = [step for step in draft.steps if not step_key or step.key == step_key or step.key not in there]
    if step_key:
        keys = [step.key for step in draft.steps]
        tried = [step for step in tried if keys.index(step.key) <= keys.index(step_key)]
    prints = {step.print for step in before}
    return before + [step for step in tried if step.print not in prints]


def _paces(workflow: Workflow) -> dict[str, Pace]:
    """Return by step key what it took in recent jobs, else in the last runs."""
    recent = list(Job.objects.filter(workflow=workflow).order_by("-pk").values_list("pk", flat=True)[:RECENT])
    rows = StepRun.objects.filter(job_id__in=recent).order_by().values("step_key")
    sums = rows.annotate(mean_seconds=Avg("seconds"), mean_cost=Avg("cost"), count=Count("pk"))
    return _last_runs(workflow) | {row["step_key"]: Pace(row["mean_seconds"], row["mean_cost"]) for row in sums}


def _last_runs(workflow: Workflow) -> dict[str, Pace]:
    last = Trial.objects.filter(workflow=workflow, done__gt=0).order_by("-pk").values_list("pk", flat=True)[:LAST_RUNS]
    found: dict[str, list[Pace]] = {}
    for trial_id in last:
        rows = TrialItem.objects.filter(trial=trial_id, done_at__isnull=False).values_list("live", "draft")
        for sides in rows.order_by("position")[:RECENT]:
            for trace in (trace for side in sides for trace in (side or {}).get("steps", ())):
                if not trace["reused"]:
                    found.setdefault(trace["key"], []).append(Pace(trace["seconds"], trace["cost"]))
    return {
        key: Pace(_mean(pace.seconds for pace in paces), _mean(pace.cost for pace in paces))
        for key, paces in found.items()
    }


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return sum(numbers) / len(numbers)


def _known(workflow: Workflow, samples: Sequence[Sample]) -> dict[int, set[str]]:
    """Return by sample the steps whose answers are there from before: of earlier runs, or of the job it was made of."""
    known: dict[int, set[str]] = {sample.pk: set() for sample in samples}
    rows = TrialItem.objects.filter(trial__workflow=workflow, sample_id__in=list(known), recorded__isnull=False)
    for sample_id, recorded in rows.values_list("sample_id", "recorded").iterator():
        known[sample_id or 0] |= {key.partition(":")[0] for key in recorded or {}}
    for sample_id, version_id in _versions(workflow, samples):
        plan = plan_or_none(version_id)
        known[sample_id] |= {step.print for step in plan.steps} if plan is not None else set()
    return known


def _versions(workflow: Workflow, samples: Sequence[Sample]) -> Iterable[tuple[int, int]]:
    uids = {uid: sample.pk for sample in samples if (uid := source_job_uid(sample.origin)) is not None}
    jobs = Job.objects.for_tenant(workflow.tenant_id).filter(uid__in=list(uids), finished_at__isnull=False)
    for uid, version_id in jobs.values_list("uid", "version_id"):
        yield uids[uid], version_id
