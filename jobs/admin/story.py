"""The page of one job: why it stands where it does, what it did step by step, and what can be done about it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse

from jobs.admin.columns import as_text
from jobs.admin.timeline import timeline_of
from jobs.domain.states import CANCELLABLE, FINAL, RETRYABLE, State
from jobs.models import Job, LlmCall, StepRun
from jobs.queries.origin import origin_of
from jobs.queries.story import JobStory, get_job_story
from jobs.templatetags.jobs_admin import clip
from taskflow.lib.clock import utcnow
from tenants.admin.current import allowed, zone_of
from tenants.admin.frame import render_page
from tenants.domain.roles import Permission
from workflows.domain.fields import InputField, Role, read_fields
from workflows.models import Step

MOST_RELATED = 20
MOST_UNNAMED = 20


@dataclass(frozen=True, slots=True)
class StepCard:
    """One step of the job's version: what became of it, and what it saw and gave."""

    step: Step
    status: str
    run: StepRun | None
    earlier_runs: list[StepRun]
    seen: dict[str, Any] | None
    calls: list[LlmCall]


def story_view(request: HttpRequest, job: Job) -> HttpResponse:
    """Show one job; while it is not final the page keeps itself up to date."""
    now, zone = utcnow(), zone_of(job.tenant)
    story = get_job_story(job, now=now, zone=zone, texts=True)
    may_act = allowed(request, Permission.ACT_ON_JOBS, job.tenant_id)
    state = State(job.state)
    request.workflow_slug = job.workflow.slug  # type: ignore[attr-defined]  # for the sidebar
    return render_page(
        request,
        "story",
        title=f"{clip(job.workflow.label_singular, 60)} {str(job.uid)[-8:]}",
        zone=zone,
        part="parts/story_body",
        job=job,
        story=story,
        live=state not in FINAL,
        steps=step_cards(story),
        timeline=timeline_of(story),
        fields=_fields(job),
        totals=_totals(story),
        origin=origin_of(job),
        siblings=_siblings(job),
        may_retry=may_act and state in RETRYABLE,
        may_sample=allowed(request, Permission.EDIT_WORKFLOWS, job.tenant_id),
        may_cancel=may_act and (state in CANCELLABLE or (state is State.RUNNING and job.cancel_requested_at is None)),
    )


def step_cards(story: JobStory) -> list[StepCard]:
    """Return the steps of the job's version in order, each with its latest run."""
    runs: dict[int, list[StepRun]] = {}
    for run in story.step_runs:
        runs.setdefault(run.position, []).append(run)
    calls: dict[int, list[LlmCall]] = {}
    for call in story.calls:
        calls.setdefault(call.position, []).append(call)
    cards: list[StepCard] = []
    outputs: dict[str, Any] = {}
    for step in Step.objects.filter(version_id=story.job.version_id).order_by("position"):
        mine = runs.get(step.position, [])
        latest = mine[-1] if mine else None
        status = _status(story.job, step.position, latest)
        seen = {"payload": story.job.payload, "steps": dict(outputs)} if status != "ahead" else None
        cards.append(StepCard(step, status, latest, mine[:-1], seen, calls.get(step.position, [])))
        if latest is not None and latest.output is not None:
            outputs[step.key] = latest.output
    return cards


def _status(job: Job, position: int, run: StepRun | None) -> str:
    """Say where a step stands: done, passed over with an error, skipped, failed, current, or ahead."""
    if position < job.position or (job.state == State.SUCCEEDED and run is not None):
        if run is None:
            return "skipped"
        return "passed" if run.error else "done"
    if position > job.position:
        return "skipped" if job.state == State.SUCCEEDED else "ahead"
    if job.state in (State.FAILED, State.DEAD) or (job.state == State.SCHEDULED and job.failures):
        return "failed"
    return {State.RUNNING: "running", State.WAITING: "waiting", State.CANCELLED: "cancelled"}.get(
        State(job.state), "next"
    )


def _fields(job: Job) -> list[dict[str, str]]:
    """Return the fields that the job has, with their values as text: outputs, what else came out, inputs."""
    fields = read_fields(job.version.fields)
    return [*_named(fields, Role.OUTPUT, job.result), *_unnamed(fields, job), *_named(fields, Role.INPUT, job.payload)]


def _named(fields: Iterable[InputField], role: Role, record: Any) -> Iterator[dict[str, str]]:
    for field in fields:
        if field.role is role and isinstance(record, dict) and field.key in record:
            yield {"label": field.shown_label, "value": as_text(record[field.key])}


def _unnamed(fields: Iterable[InputField], job: Job) -> list[dict[str, str]]:
    """Return what came out that the version's fields do not name."""
    if not isinstance(job.result, dict):
        return []
    named = {field.key for field in fields}
    rest = [key for key in job.result if key not in named]
    return [{"label": key, "value": as_text(job.result[key])} for key in rest[:MOST_UNNAMED]]


def _totals(story: JobStory) -> dict[str, float]:
    """Return what the job's steps cost in all: seconds, tokens and US dollars."""
    used = story.usage
    return {
        "seconds": sum(run.seconds for run in story.step_runs),
        "tokens": used.input_tokens + used.output_tokens,
        "cost": used.cost,
    }


def _siblings(job: Job) -> list[Job]:
    """Return other jobs of the same request: those that share the correlation id, the newest first."""
    same = Job.objects.for_tenant(job.tenant_id).filter(correlation_id=job.correlation_id).exclude(pk=job.pk)
    if job.parent_id:
        same = same.exclude(pk=job.parent_id)
    same = same.exclude(parent=job)
    related = same.select_related("workflow").only("uid", "state", "created_at", "workflow__label_singular")
    return list(related.order_by("-pk")[:MOST_RELATED])
