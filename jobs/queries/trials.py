"""What the items of a test run need of the database before they run: earlier answers, and files."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from uuid import UUID

from django.db.models import Max
from pydantic import ValidationError

from jobs.models import Job, Review, StepRun, Trial, TrialItem
from jobs.queries.files import files_for
from workflows.domain.files import StoredFile, references_in
from workflows.domain.recording import Recording
from workflows.kinds.base import ConfigError, Effect
from workflows.models import WorkflowVersion
from workflows.runtime import Plan, get_plan

FROM_JOB = "job:"
Known = dict[str, Recording]


def source_job_uid(origin: str) -> UUID | None:
    """Return the id of the job that a sample was made of; None where it was not made of one."""
    try:
        return UUID(origin.removeprefix(FROM_JOB)) if origin.startswith(FROM_JOB) else None
    except ValueError:
        return None


def source_jobs(tenant_id: int, origins: Iterable[str]) -> dict[str, Job]:
    """Return the tenant's jobs that samples of these origins were made of, as far as they are still there."""
    uids = {uid for origin in origins if (uid := source_job_uid(origin)) is not None}
    rows = Job.objects.for_tenant(tenant_id).filter(uid__in=uids) if uids else ()
    return {f"{FROM_JOB}{job.uid}": job for job in rows}


def files_of_items(
    tenant_id: int, items: Sequence[TrialItem], jobs: dict[str, Job]
) -> dict[int, tuple[StoredFile, ...]]:
    """Return by item the stored files that it refers to, or that came with the job its sample was made of."""
    found: dict[int, tuple[StoredFile, ...]] = {}
    for item in items:
        job, named = jobs.get(item.origin), list(references_in(item.input))
        if job is not None or named:
            rows = files_for(job_id=job.pk if job else 0, tenant_id=tenant_id, named=named)
            found[item.pk] = tuple(row.plain() for row in rows)
    return found


def recordings_of_items(
    trial: Trial, items: Sequence[TrialItem], jobs: dict[str, Job], files: dict[int, tuple[StoredFile, ...]]
) -> dict[int, Known]:
    """Return by item the answers that are known: of its own earlier tries, of earlier runs, of its sample's job.

    A run that asks anew knows only those of its own tries.
    """
    known: dict[int, Known] = {item.pk: _read(item.recorded) for item in items}
    if trial.anew:
        return known
    earlier, replayed = _of_earlier_runs(trial, items), _of_jobs(list(jobs.values()), items, files)
    for item in items:
        known[item.pk] = {**replayed.get(item.origin, {}), **earlier.get(item.sample_id or 0, {}), **known[item.pk]}
    return known


def _read(stored: dict[str, dict[str, object]] | None) -> Known:
    return {key: Recording.from_data(data) for key, data in (stored or {}).items()}


def _of_earlier_runs(trial: Trial, items: Sequence[TrialItem]) -> dict[int, Known]:
    rows = TrialItem.objects.filter(
        sample_id__in=[item.sample_id for item in items if item.sample_id],
        trial__workflow_id=trial.workflow_id,
        trial_id__lt=trial.pk,
        recorded__isnull=False,
    )
    last = rows.order_by().values("sample_id").annotate(last=Max("pk")).values_list("last", flat=True)
    found = TrialItem.objects.filter(pk__in=list(last)).values_list("sample_id", "recorded")
    return {sample_id: _read(recorded) for sample_id, recorded in found if sample_id}


def _of_jobs(
    jobs: Sequence[Job], items: Sequence[TrialItem], files: dict[int, tuple[StoredFile, ...]]
) -> dict[str, Known]:
    """Return by origin what the costly and external steps of jobs gave, under the keys of what they saw.

    A person's correction is not what the step gave: of a step that was reviewed, it is what was proposed.
    """
    runs: dict[int, list[StepRun]] = defaultdict(list)
    for run in StepRun.objects.filter(job__in=jobs, error__isnull=True).order_by("position", "run_number"):
        runs[run.job_id].append(run)
    proposals = {
        (review.job_id, review.step_key): review.proposal
        for review in Review.objects.filter(job__in=jobs).order_by("run_number")
    }
    files_by_origin = {item.origin: files.get(item.pk, ()) for item in items}
    found = {}
    for job in jobs:
        plan = plan_or_none(job.version_id)
        if plan is not None and any(step.effect is not Effect.PURE for step in plan.steps):
            origin = f"{FROM_JOB}{job.uid}"
            found[origin] = _replay(job, plan, runs[job.pk], proposals, files_by_origin.get(origin, ()))
    return found


def plan_or_none(version_id: int) -> Plan | None:
    """Return the plan of a published version; None where it cannot run here."""
    try:
        return get_plan(version_id)
    except (ConfigError, ValidationError, WorkflowVersion.DoesNotExist):
        return None


def _replay(
    job: Job,
    plan: Plan,
    runs: Sequence[StepRun],
    proposals: dict[tuple[int, str], dict[str, object]],
    files: Sequence[StoredFile],
) -> Known:
    by_key = {run.step_key: run for run in runs}
    outputs: dict[str, dict[str, object]] = {}
    known: Known = {}
    for step in plan.steps:
        run = by_key.get(step.key)
        if run is None:
            continue
        output = run.output or {}
        if step.effect is not Effect.PURE:
            given = proposals.get((job.pk, step.key), output)
            key = step.recording_key(job.payload, outputs, files)
            known[key] = Recording(given, run.confidence, run.confidence_by, run.model)
        outputs[step.key] = output
    return known
