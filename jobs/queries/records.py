"""Reading what columns, filters and the index ask of jobs: only the parts that are asked for."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Sum

from jobs.domain.values import JobRecord
from jobs.models import Job, Review, StepRun
from jobs.queries.labels import queue_slug, version_number

_JOB_COLUMNS = (
    "id",
    "uid",
    "state",
    "workflow_id",
    "version_id",
    "queue_id",
    "correlation_id",
    "created_at",
    "started_at",
    "finished_at",
    "error_class",
)


def load_records(ids: Sequence[int], paths: Collection[str]) -> dict[int, JobRecord]:
    """Return what is needed of these jobs to answer for `paths`, by id."""
    roots = {path.split(".")[0] for path in paths}
    large = [name for name in ("payload", "result") if name in roots]
    jobs = Job.objects.filter(pk__in=ids).only(*_JOB_COLUMNS, *large)
    return records_of(list(jobs), paths)


def records_of(jobs: Sequence[Job], paths: Collection[str]) -> dict[int, JobRecord]:
    """Return what is needed of jobs that were read already, by id."""
    roots = {path.split(".")[0] for path in paths}
    ids = [job.pk for job in jobs]
    records = {
        job.pk: JobRecord(
            payload=job.payload if "payload" in roots else None,
            result=job.result if "result" in roots else None,
            job=job_facts(job),
        )
        for job in jobs
    }
    if "steps" in roots:
        _add_steps(records, ids)
    if "review" in roots:
        _add_reviews(records, ids)
    if "job.cost" in paths:
        _add_costs(records, ids)
    return records


def job_facts(job: Job) -> dict[str, Any]:
    """Return what is known of a job itself."""
    return {
        "state": job.state,
        "created": job.created_at,
        "finished": job.finished_at,
        "duration": duration(job.started_at, job.finished_at),
        "cost": None,
        "version": version_number(job.version_id),
        "queue": queue_slug(job.queue_id),
        "correlation_id": job.correlation_id,
        "error": job.error_class,
    }


def duration(started_at: datetime | None, finished_at: datetime | None) -> float | None:
    """Return the seconds from start to end; None while one of them is not known."""
    if started_at is None or finished_at is None:
        return None
    return round(max((finished_at - started_at).total_seconds(), 0.0), 3)


def _add_steps(records: dict[int, JobRecord], ids: Sequence[int]) -> None:
    """Add each step's output; of one that ran again, the latest."""
    runs = StepRun.objects.filter(job_id__in=ids).order_by("job_id", "run_number", "pk")
    for job_id, key, output in runs.values_list("job_id", "step_key", "output"):
        records[job_id].steps[key] = output


def _add_reviews(records: dict[int, JobRecord], ids: Sequence[int]) -> None:
    """Add what was decided last, or that a question is open."""
    columns = ("job_id", "state", "decision", "decided_by", "decided_at", "comment")
    for job_id, state, decision, by, at, comment in (
        Review.objects.filter(job_id__in=ids).order_by("job_id", "pk").values_list(*columns)
    ):
        records[job_id].review = {"decision": decision or state, "by": by, "at": at, "comment": comment}


def _add_costs(records: dict[int, JobRecord], ids: Sequence[int]) -> None:
    sums = StepRun.objects.filter(job_id__in=ids).values("job_id").order_by("job_id").annotate(cost=Sum("cost"))
    for row in sums:
        records[row["job_id"]].job["cost"] = round(row["cost"], 9)
