"""Everything there is to tell about one job, in a bounded number of queries."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet

from jobs.domain.explain import QueueSituation, ReviewSituation, Situation, explain
from jobs.domain.states import EventKind, State
from jobs.models import Attempt, Event, File, Job, Lane, LlmCall, Queue, Review, StepRun, WorkerLease
from jobs.queries.files import list_files
from jobs.queries.labels import step_at
from jobs.queries.llm import list_calls
from workflows.domain.outcomes import Usage

#: How many of each are told; of more, the latest.
MOST = 500


@dataclass(frozen=True, slots=True)
class Child:
    """A sub-job, in short."""

    uid: UUID
    state: str


@dataclass(frozen=True, slots=True)
class JobStory:
    """A job with its history, oldest first, and why it stands where it does. `step` is the key of the step it is at."""

    job: Job
    step: str
    attempts: list[Attempt]
    step_runs: list[StepRun]
    events: list[Event]
    children: list[Child]
    files: list[File]
    calls: list[LlmCall]
    situation: Situation
    explanation: str

    @property
    def usage(self) -> Usage:
        """What the job took of language models: its finished steps, and calls of attempts that failed, while kept."""
        finished = {(run.position, run.run_number, run.attempt) for run in self.step_runs}
        lost = [call for call in self.calls if (call.position, call.run_number, call.attempt) not in finished]
        spent: list[StepRun | LlmCall] = [*self.step_runs, *lost]
        return Usage(
            sum(each.input_tokens for each in spent),
            sum(each.output_tokens for each in spent),
            sum(each.cost for each in spent),
        )


def find_job(tenant_id: int, uid: UUID) -> Job | None:
    """Return the tenant's job with this uid, its parent with it, or None."""
    return Job.objects.for_tenant(tenant_id).select_related("parent").filter(uid=uid).first()


def get_job_story(job: Job, *, now: datetime, zone: tzinfo = UTC, texts: bool = False) -> JobStory:
    """Return the story of `job` as of `now`, its explanation with times in `zone`; at most eleven queries.

    With `texts` its calls to language models come with prompts and answers.
    """
    events = _latest(Event.objects.filter(job=job), "id")
    children = Job.objects.filter(parent=job, tenant_id=job.tenant_id).order_by("id").values_list("uid", "state")
    situation = get_situation(job, events, now=now, zone=zone)
    return JobStory(
        job=job,
        step=situation.step,
        attempts=_latest(Attempt.objects.filter(job=job), "number"),
        step_runs=_latest(StepRun.objects.filter(job=job), "id"),
        events=events,
        children=[Child(uid, state) for uid, state in children[:MOST]],
        files=list_files(job),
        calls=list_calls(job, texts=texts),
        situation=situation,
        explanation=explain(situation),
    )


def get_situation(job: Job, events: list[Event], *, now: datetime, zone: tzinfo = UTC) -> Situation:
    """Return what the explanation of `job` is made of; `events` are its log's lines, oldest first."""
    last = next((event for event in reversed(events) if event.state), None)
    held = job.state == State.RUNNING and job.lease_id is not None
    lease = WorkerLease.objects.filter(pk=job.lease_id or 0).first() if held else None
    return Situation(
        state=State(job.state),
        now=now,
        queue=_queue_situation(job, now),
        step=step_at(job.version_id, job.position),
        attempts=job.attempts,
        failures=job.failures,
        crashes=job.crashes,
        due_at=job.due_at,
        wake_at=job.wake_at,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        cancel_requested_at=job.cancel_requested_at,
        error_class=job.error_class,
        error_message=job.error_message or "",
        event=EventKind(last.kind) if last else None,
        event_at=last.at if last else None,
        actor=_actor(last, events),
        data=_data(last),
        worker=str(lease) if lease else "",
        worker_alive=job.state != State.RUNNING or (lease is not None and _is_fresh(lease, now)),
        review=_review_situation(job, now) if job.state == State.WAITING else None,
        zone=zone,
    )


def _review_situation(job: Job, now: datetime) -> ReviewSituation | None:
    review = Review.objects.filter(job=job, run_number=job.run_number, position=job.position).first()
    if review is None:
        return None
    claimed = review.claimed_until is not None and review.claimed_until > now
    return ReviewSituation(
        title=review.title,
        role=review.role,
        assignee=review.assignee,
        reason=review.reason,
        due_at=review.due_at,
        escalate_role=review.escalate_role,
        escalated_at=review.escalated_at,
        claimed_by=review.claimed_by if claimed else "",
        decision=review.decision,
        decided_by=review.decided_by,
        applies_at=review.wake_at if review.is_pending else None,
    )


def _latest(rows: QuerySet[Any], key: str) -> list[Any]:
    return list(reversed(rows.order_by(f"-{key}")[:MOST]))


def _data(event: Event | None) -> dict[str, Any]:
    return event.data if event is not None and isinstance(event.data, dict) else {}


def _actor(last: Event | None, events: list[Event]) -> str:
    """Return who brought the job where it is: of a cancelled one who asked for it, not the worker that stopped."""
    if last is None:
        return ""
    asked = [event for event in events if event.kind == EventKind.CANCEL_REQUESTED]
    return asked[-1].actor if last.kind == EventKind.CANCELLED and asked else last.actor


def _is_fresh(lease: WorkerLease, now: datetime) -> bool:
    return lease.ended_at is None and lease.heartbeat_at >= now - timedelta(seconds=settings.LEASE_SECONDS)


def _queue_situation(job: Job, now: datetime) -> QueueSituation:
    queue = Queue.objects.get(pk=job.queue_id)
    if job.state != State.PENDING:
        return QueueSituation(name=queue.slug, pool=queue.pool)
    lane = Lane.objects.filter(queue=queue, tenant_id=job.tenant_id).first()
    running = Job.objects.filter(queue=queue, state=State.RUNNING.value)
    return QueueSituation(
        name=queue.slug,
        pool=queue.pool,
        paused_at=queue.paused_at,
        lane_paused_at=lane.paused_at if lane else None,
        cap=queue.cap,
        running=running.count() if queue.cap is not None else 0,
        lane_cap=lane.cap if lane else None,
        lane_running=running.filter(tenant_id=job.tenant_id).count() if lane and lane.cap is not None else 0,
        rate=queue.rate,
        workers=count_workers(queue.pool, now=now),
    )


def count_workers(pool: str, *, now: datetime) -> int:
    """Return how many living workers of `pool` take in work."""
    fresh = now - timedelta(seconds=settings.LEASE_SECONDS)
    living = WorkerLease.objects.filter(pool=pool, ended_at__isnull=True, stopping_at__isnull=True)
    return living.filter(heartbeat_at__gte=fresh).count()
