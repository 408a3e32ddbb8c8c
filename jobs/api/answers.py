"""What the job endpoints answer, in the shapes of shapes.py: plain dicts, as a page of jobs is on the hot path."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from jobs.domain.states import State
from jobs.models import Attempt, Event, File, Job, LlmCall, StepRun
from jobs.queries.figures import QueueFigures
from jobs.queries.labels import queue_slug, step_at, version_number, workflow_slug
from jobs.queries.story import Child, JobStory
from taskflow.lib.problems import FieldError

Record = dict[str, Any]


def instant(moment: datetime | None) -> str | None:
    """Return `moment` as ISO 8601 in UTC, with a Z."""
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def job_answer(job: Job) -> Record:
    """Return a job as the API shows it; the names behind its keys come from memory."""
    return {
        "id": str(job.uid),
        "state": job.state,
        "workflow": workflow_slug(job.workflow_id),
        "version": version_number(job.version_id),
        "queue": queue_slug(job.queue_id),
        "priority": job.priority,
        "payload": job.payload,
        "result": job.result,
        "error": _failure(job.error_class, job.error_message, job),
        "correlation_id": job.correlation_id,
        "traceparent": job.traceparent,
        "source": job.source,
        "parent": None if job.parent_id is None or job.parent is None else str(job.parent.uid),
        "attempt_count": job.attempts,
        "due_at": instant(job.due_at),
        "cancel_requested_at": instant(job.cancel_requested_at),
        "created_at": instant(job.created_at),
        "started_at": instant(job.started_at),
        "finished_at": instant(job.finished_at),
    }


def _failure(name: str, message: str | None, job: Job) -> Record | None:
    return {"class": name, "message": message or "", "step": step_at(job.version_id, job.position)} if name else None


def story_answer(story: JobStory) -> Record:
    """Return a job with everything there is to tell about it."""
    return job_answer(story.job) | {
        "step": story.step,
        "explanation": story.explanation,
        "attempts": [_attempt(attempt) for attempt in story.attempts],
        "step_runs": [_step_run(run) for run in story.step_runs],
        "events": [_event(event) for event in story.events],
        "children": [_child(child) for child in story.children],
        "files": [file_answer(file) for file in story.files],
        "model_calls": [_call(call) for call in story.calls],
        "usage": {
            "input_tokens": story.usage.input_tokens,
            "output_tokens": story.usage.output_tokens,
            "cost": story.usage.cost,
        },
    }


def file_answer(file: File) -> Record:
    """Return a file as the API shows it."""
    return {
        "id": str(file.uid),
        "name": file.name,
        "type": file.content_type,
        "size": file.size,
        "sha256": file.sha256,
        "created_at": instant(file.created_at),
    }


def _attempt(attempt: Attempt) -> Record:
    failure = {"class": attempt.error_class, "message": attempt.error_message or "", "step": attempt.step_key}
    return {
        "number": attempt.number,
        "outcome": attempt.outcome,
        "worker": attempt.worker,
        "step": attempt.step_key,
        "error": failure if attempt.error_class else None,
        "traceback": attempt.traceback,
        "started_at": instant(attempt.started_at),
        "finished_at": instant(attempt.finished_at),
    }


def _step_run(run: StepRun) -> Record:
    return {
        "step": run.step_key,
        "run": run.run_number,
        "attempt": run.attempt,
        "output": run.output,
        "error": run.error,
        "seconds": run.seconds,
        "input_tokens": run.input_tokens,
        "output_tokens": run.output_tokens,
        "cost": run.cost,
        "confidence": run.confidence,
        "confidence_by": run.confidence_by,
        "model": run.model,
        "finished_at": instant(run.finished_at),
    }


def _call(call: LlmCall) -> Record:
    return {
        "at": instant(call.at),
        "step": call.step_key,
        "run": call.run_number,
        "attempt": call.attempt,
        "purpose": call.purpose,
        "connection": call.connection,
        "model": call.model,
        "cached": call.cached,
        "error": call.error or None,
        "finish_reason": call.finish_reason,
        "input_tokens": call.input_tokens,
        "output_tokens": call.output_tokens,
        "cost": call.cost,
        "seconds": call.seconds,
    }


def _event(event: Event) -> Record:
    return {
        "at": instant(event.at),
        "kind": event.kind,
        "state": event.state or None,
        "attempt": event.attempt,
        "actor": event.actor,
        "data": event.data,
    }


def _child(child: Child) -> Record:
    return {"id": str(child.uid), "state": child.state}


def errors_answer(faults: Iterable[FieldError]) -> list[Record]:
    """Return faults as the API shows them."""
    return [{"field": field, "reason": reason} for field, reason in faults]


def queue_answer(figures: QueueFigures, *, now: datetime) -> Record:
    """Return a queue as the API shows it."""
    queue, lane = figures.queue, figures.lane
    oldest = figures.oldest_due_at
    return {
        "queue": queue.slug,
        "name": queue.name,
        "pool": queue.pool,
        "depth": figures.depth,
        "running": figures.depth[State.RUNNING],
        "oldest_due_seconds": None if oldest is None else max((now - oldest).total_seconds(), 0.0),
        "cap": queue.cap,
        "rate": queue.rate,
        "paused": queue.paused_at is not None,
        "lane_cap": lane.cap if lane else None,
        "lane_weight": lane.weight if lane else None,
        "lane_paused": lane.paused_at is not None if lane else None,
    }
