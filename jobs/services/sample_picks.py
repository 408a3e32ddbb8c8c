"""Making samples of live jobs: the last ones, those that failed, those a person looked at, or one by hand.

Values of redacted fields do not come along, for samples are kept for good and go out with workflow files.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet

from jobs.domain.comparing import explains
from jobs.domain.redaction import redact_record
from jobs.domain.reviews import Decision, ReviewState
from jobs.domain.states import FINAL, State
from jobs.models import Job, Review, StepRun
from jobs.queries.trials import FROM_JOB
from workflows.domain.fields import InputField
from workflows.domain.outcomes import Record
from workflows.domain.samples import NewSample
from workflows.models import Sample, Workflow
from workflows.services.samples import SamplesInvalid, add_samples, check_samples, fields_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MOST_PICKED = 500
#: Among how many of the last jobs those are looked for that were not sure.
LOOKED_AT = 2_000


class Pick(StrEnum):
    """Which jobs."""

    LAST = "last"
    FAILED = "failed"
    REVIEWED = "reviewed"
    CORRECTED = "corrected"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Picked:
    """What a pick did. `known` were samples already, `unfit` do not fit the fields of the draft."""

    added: list[Sample]
    known: int = 0
    unfit: int = 0


def pick_jobs(*, workflow: Workflow, pick: Pick, most: int, below: float = 0.8, user: "User | None" = None) -> Picked:
    """Make samples of at most `most` of the workflow's latest jobs; of UNSURE those with a step less sure than `below`.

    What a person decided is what is expected of a job that was reviewed or corrected. Raises SamplesInvalid where there
    is no room for them.
    """
    return _add(workflow, _found(workflow, pick, min(most, MOST_PICKED), below), user)


def pick_job(*, workflow: Workflow, job: Job, user: "User | None") -> Picked:
    """Make a sample of one job of the workflow."""
    return _add(workflow, [job], user)


def _found(workflow: Workflow, pick: Pick, most: int, below: float) -> list[Job]:
    jobs: QuerySet[Job] = Job.objects.filter(workflow=workflow).order_by("-pk")
    if pick is Pick.LAST:
        return list(jobs.filter(state__in=[state.value for state in FINAL])[:most])
    if pick is Pick.FAILED:
        return list(jobs.filter(state__in=[State.FAILED.value, State.DEAD.value])[:most])
    if pick is Pick.UNSURE:
        recent = list(jobs.values_list("pk", flat=True)[:LOOKED_AT])
        unsure = StepRun.objects.filter(job_id__in=recent, confidence__lt=below).values_list("job_id", flat=True)
        return list(jobs.filter(pk__in=sorted(set(unsure), reverse=True)[:most]))
    reviews = Review.objects.filter(workflow=workflow, state=ReviewState.DECIDED.value)
    wanted = [Decision.EDIT.value] if pick is Pick.CORRECTED else [Decision.EDIT.value, Decision.APPROVE.value]
    ids = list(reviews.filter(decision__in=wanted).order_by("-pk").values_list("job_id", flat=True)[: most * 2])
    return list(jobs.filter(pk__in=list(dict.fromkeys(ids))[:most]))


def _add(workflow: Workflow, jobs: Sequence[Job], user: "User | None") -> Picked:
    origins = [f"{FROM_JOB}{job.uid}" for job in jobs]
    there = set(Sample.objects.filter(workflow=workflow, origin__in=origins).values_list("origin", flat=True))
    fields = fields_of(workflow)
    decided = _decided([job.pk for job in jobs])
    samples = [
        _sample(job, fields, decided.get(job.pk)) for job in reversed(jobs) if f"{FROM_JOB}{job.uid}" not in there
    ]
    fitting = [sample for sample in samples if _fits(fields, sample)]
    added = add_samples(workflow=workflow, samples=fitting, user=user) if fitting else []
    return Picked(added, known=len(there), unfit=len(samples) - len(fitting))


def _fits(fields: Sequence[InputField], sample: NewSample) -> bool:
    try:
        check_samples(fields, [sample])
    except SamplesInvalid:
        return False
    return True


def _decided(job_ids: Iterable[int]) -> dict[int, Record]:
    """Return by job what people decided about its outputs, of several reviews the later over the earlier."""
    decisions = (Decision.EDIT.value, Decision.APPROVE.value)
    reviews = Review.objects.filter(job_id__in=list(job_ids), decision__in=decisions, state=ReviewState.DECIDED.value)
    found: dict[int, Record] = {}
    for review in reviews.order_by("run_number", "position"):
        output: Any = review.output if isinstance(review.output, dict) else review.proposal
        said = {key: value for key, value in output.items() if key not in review.stamp and not explains(key)}
        found[review.job_id] = found.get(review.job_id, {}) | said
    return found


def _sample(job: Job, fields: Sequence[InputField], decided: Record | None) -> NewSample:
    told = [job.payload, job.result or {}, decided or {}]
    expected = None if decided is None else redact_record(decided, fields, told)
    return NewSample(
        redact_record(job.payload, fields, told),
        expected or None,
        name=f"Job {str(job.uid)[-8:]}",
        origin=f"{FROM_JOB}{job.uid}",
        place=f"Job {job.uid}",
    )
