"""Reading what final jobs add to the figures: a bounded number of queries for many jobs."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from jobs.domain.figures import BAD, CallFact, End, JobFacts, ReviewFact, StepFact, label_of
from jobs.domain.states import FINAL
from jobs.models import Event, Job, LlmCall, Review, StepRun
from workflows.kinds.base import ConfigError
from workflows.models import Step
from workflows.runtime import build_step

T = TypeVar("T")
#: Of a job that is counted before: the state it is counted under, and the runs that are.
Counted = tuple[str, int]
NEW: Counted = ("", 0)
FINAL_STATES = [state.value for state in FINAL]
#: Fields of a step that hold a value from a list, with the values on it.
Listed = dict[str, list[Any]]


def read_facts(jobs: Sequence[Job], counted: Mapping[int, Counted]) -> list[JobFacts]:
    """Return what is new of these final jobs; `counted` says what is counted of those that were before."""
    ends, steps, reviews, calls = _ends(jobs), _steps(jobs), _reviews(jobs), _calls(jobs)
    return [_facts(job, counted.get(job.pk, NEW), ends, steps, reviews, calls) for job in jobs]


def _facts(
    job: Job,
    counted: Counted,
    ends: dict[int, list[End]],
    steps: dict[int, list[tuple[int, StepFact]]],
    reviews: dict[int, list[tuple[int, ReviewFact]]],
    calls: dict[int, list[tuple[int, CallFact]]],
) -> JobFacts:
    was, runs = counted

    def new(found: dict[int, list[tuple[int, T]]]) -> list[T]:
        return [fact for run, fact in found.get(job.pk, ()) if run > runs]

    return JobFacts(
        workflow_id=job.workflow_id,
        state=job.state,
        was=was,
        created_at=job.created_at,
        due_at=job.due_at,
        started_at=job.started_at,
        finished_at=job.finished_at or job.created_at,
        ends=ends[job.pk][runs:],
        steps=new(steps),
        reviews=new(reviews),
        calls=new(calls),
    )


def _ends(jobs: Sequence[Job]) -> dict[int, list[End]]:
    """Return how each run of each job ended: by its log, where that may tell more than the job's row."""
    told = [job.pk for job in jobs if job.run_number > 1 or job.state in BAD]
    logged: dict[int, list[End]] = defaultdict(list)
    if told:
        lines = Event.objects.filter(job_id__in=told, state__in=FINAL_STATES).order_by("id")
        for job_id, state, at, data in lines.values_list("job_id", "state", "at", "data"):
            known = data if isinstance(data, dict) else {}
            texts = [str(known.get(name, "")) for name in ("error", "message", "step")]
            logged[job_id].append(End(state, at, *texts) if state in BAD else End(state, at))
    for job in jobs:
        missing = max(job.run_number - len(logged[job.pk]), 0)
        last = End(job.state, job.finished_at or job.created_at, job.error_class, job.error_message or "")
        logged[job.pk] += [last] * min(missing, 1)
    return logged


def _steps(jobs: Sequence[Job]) -> dict[int, list[tuple[int, StepFact]]]:
    listed = {job.pk: listed_outputs(job.version_id) for job in jobs}
    labels = _labels(listed)
    rows = StepRun.objects.filter(job_id__in=list(listed)).values_list(
        "job_id", "run_number", "step_key", "finished_at", "seconds", "error"
    )
    found: dict[int, list[tuple[int, StepFact]]] = defaultdict(list)
    for job_id, run, key, at, seconds, error in rows:
        given = labels.get((job_id, run, key), ())
        found[job_id].append((run, StepFact(key, at, seconds, error is not None, given)))
    return found


def _labels(listed: dict[int, dict[str, Listed]]) -> dict[tuple[int, int, str], list[tuple[str, str]]]:
    """Return the values from lists that steps gave. Other outputs, which may be long, are not read."""
    having = {job_id: keys for job_id, keys in listed.items() if keys}
    if not having:
        return {}
    keys = {key for keys in having.values() for key in keys}
    rows = StepRun.objects.filter(job_id__in=list(having), step_key__in=keys)
    found = {}
    for job_id, run, key, output in rows.values_list("job_id", "run_number", "step_key", "output"):
        fields = having[job_id].get(key)
        if fields and isinstance(output, dict):
            found[job_id, run, key] = list(_values(fields, output))
    return found


def _values(fields: Listed, output: dict[str, Any]) -> list[tuple[str, str]]:
    found = []
    for name, known in fields.items():
        if name in output:
            values = output[name] if isinstance(output[name], list) else [output[name]]
            found += [(name, label_of(value, known)) for value in values]
    return found


def _reviews(jobs: Sequence[Job]) -> dict[int, list[tuple[int, ReviewFact]]]:
    rows = Review.objects.filter(job_id__in=[job.pk for job in jobs])
    found: dict[int, list[tuple[int, ReviewFact]]] = defaultdict(list)
    names = ("job_id", "run_number", "created_at", "decided_at", "decided_by", "decision", "due_at")
    for job_id, run, asked_at, decided_at, by, decision, due_at in rows.values_list(*names):
        late = decided_at is not None and due_at is not None and decided_at > due_at
        found[job_id].append((run, ReviewFact(asked_at, decided_at, by, decision, late)))
    return found


def _calls(jobs: Sequence[Job]) -> dict[int, list[tuple[int, CallFact]]]:
    rows = LlmCall.objects.filter(job_id__in=[job.pk for job in jobs])
    found: dict[int, list[tuple[int, CallFact]]] = defaultdict(list)
    names = ("job_id", "run_number", "at", "model", "cost", "input_tokens", "output_tokens")
    for job_id, run, at, model, cost, read, written in rows.values_list(*names):
        found[job_id].append((run, CallFact(at, model, cost, read + written)))
    return found


@lru_cache(maxsize=1024)
def listed_outputs(version_id: int) -> dict[str, Listed]:
    """Return the steps of a published version that give values from a list, by key: each field with its values."""
    found = {}
    for step in Step.objects.filter(version_id=version_id).order_by("position"):
        try:
            schema = build_step(step).runner.output_schema() or {}
        except ConfigError:
            continue
        fields = {name: known for name, one in schema.get("properties", {}).items() if (known := _known(one))}
        if fields:
            found[step.key] = fields
    return found


def _known(schema: Any) -> list[Any]:
    """Return the values on a field's list; a yes or no is one too. Nothing for other fields."""
    items = schema.get("items") if isinstance(schema, dict) else None
    one = items if isinstance(items, dict) else schema
    if not isinstance(one, dict):
        return []
    if one.get("type") == "boolean":
        return [True, False]
    known = one.get("enum")
    return known if isinstance(known, list) else []
