"""How the jobs of a version fared: counts and figures over its latest jobs, never over all of a large table."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import Any

from django.db.models import Sum

from jobs.domain.states import FINAL, State
from jobs.models import Job, Review, StepRun
from workflows.domain.fields import Role, read_fields
from workflows.models import Workflow, WorkflowVersion

#: Figures are over at most this many of the latest jobs.
MOST_JOBS = 1_000
#: Values of results are counted over at most this many.
MOST_RESULTS = 300
MOST_VALUES = 6
GONE_WRONG = (State.FAILED.value, State.DEAD.value)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """How many of a version's latest jobs are in which state; `capped` where there are more than were looked at."""

    states: dict[str, int]
    capped: bool

    @property
    def total(self) -> int:
        return sum(self.states.values())

    @property
    def succeeded(self) -> int:
        return self.states.get(State.SUCCEEDED, 0)

    @property
    def failed(self) -> int:
        return sum(self.states.get(state, 0) for state in GONE_WRONG)

    @property
    def cancelled(self) -> int:
        return self.states.get(State.CANCELLED, 0)

    @property
    def open(self) -> int:
        return self.total - sum(self.states.get(state, 0) for state in FINAL)

    @property
    def success_rate(self) -> float | None:
        """Of those that came to an end by themselves, the part that succeeded; None where none did."""
        over = self.succeeded + self.failed
        return self.succeeded / over if over else None


@dataclass(frozen=True, slots=True)
class Figures:
    """What a version's latest jobs took. `reviewed` is the part that asked a person, `cost` is US dollars a job."""

    outcomes: Outcomes
    seconds: float | None
    cost: float
    reviewed: float | None
    values: dict[str, list[tuple[str, float]]] = field(default_factory=dict)


def outcomes_of(version_id: int) -> Outcomes:
    """Return in which states the version's latest jobs are."""
    return _outcomes([state for _, state, *_ in _latest(version_id)])


def figures_of(version: WorkflowVersion) -> Figures:
    """Return how the version's latest jobs fared, with the values of its choices."""
    rows = _latest(version.pk)
    ids = [pk for pk, *_ in rows]
    spans = [(finished - started).total_seconds() for _, _, started, finished in rows if started and finished]
    over = len(spans)
    cost = StepRun.objects.filter(job_id__in=ids).aggregate(all=Sum("cost"))["all"] or 0.0
    asked = Review.objects.filter(job_id__in=ids).values("job_id").distinct().count()
    return Figures(
        _outcomes([state for _, state, *_ in rows]),
        seconds=median(spans) if spans else None,
        cost=cost / over if over else 0.0,
        reviewed=asked / len(ids) if ids else None,
        values=_values(version, ids),
    )


Row = tuple[int, str, datetime | None, datetime | None]


def _latest(version_id: int) -> Sequence[Row]:
    rows = Job.objects.filter(version=version_id).order_by("-pk")
    return list(rows.values_list("pk", "state", "started_at", "finished_at")[: MOST_JOBS + 1])


def _outcomes(states: list[str]) -> Outcomes:
    return Outcomes(dict(Counter(states[:MOST_JOBS])), capped=len(states) > MOST_JOBS)


def _values(version: WorkflowVersion, ids: list[int]) -> dict[str, list[tuple[str, float]]]:
    """Return how the results are spread over the choices of each output field, the most frequent first."""
    fields = [each for each in read_fields(version.fields) if each.role is Role.OUTPUT and each.choices]
    if not fields:
        return {}
    results = Job.objects.filter(pk__in=ids[:MOST_RESULTS], state=State.SUCCEEDED.value).values_list(
        "result", flat=True
    )
    known = [result for result in results if isinstance(result, dict)]
    return {each.shown_label: _spread([result.get(each.key) for result in known]) for each in fields}


def _spread(values: list[Any]) -> list[tuple[str, float]]:
    counted = Counter(str(value) for value in values if value is not None)
    return [(value, count / len(values)) for value, count in counted.most_common(MOST_VALUES)]


def count_not_begun(workflow: Workflow, *, but: WorkflowVersion | None, limit: int) -> int:
    """Return how many jobs wait for their first step on other versions than `but`, counted up to `limit`."""
    rows = Job.objects.filter(workflow=workflow, state__in=(State.PENDING.value, State.SCHEDULED.value), attempts=0)
    if but is not None:
        rows = rows.exclude(version=but)
    return rows.order_by()[:limit].count()


@dataclass(frozen=True, slots=True)
class Estimate:
    """What running a job again from some step on may take, by what the latest jobs took."""

    cost: float
    seconds: float


def estimate_rerun(version: WorkflowVersion, position: int, *, sample: int = 200) -> Estimate | None:
    """Return what the steps from `position` on took of a job of `version`, on average over the latest `sample`."""
    ids = list(
        Job.objects.filter(version=version, state__in=[state.value for state in FINAL])
        .order_by("-pk")
        .values_list("pk", flat=True)[:sample]
    )
    if not ids:
        return None
    spent = StepRun.objects.filter(job_id__in=ids, position__gte=position).aggregate(
        cost=Sum("cost"), seconds=Sum("seconds")
    )
    return Estimate((spent["cost"] or 0.0) / len(ids), (spent["seconds"] or 0.0) / len(ids))
