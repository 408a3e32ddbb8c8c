"""Why a job is in its state and what happens next, in plain words; for the API and the admin alike."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any

from jobs.domain.states import EventKind, State
from jobs.domain.wording import clause, duration, instant, times

LONGEST_MESSAGE = 300


@dataclass(frozen=True, slots=True)
class QueueSituation:
    """What may keep a due job from starting: pauses, caps with the jobs running under them, and missing workers."""

    name: str
    pool: str = "default"
    paused_at: datetime | None = None
    lane_paused_at: datetime | None = None
    cap: int | None = None
    running: int = 0
    lane_cap: int | None = None
    lane_running: int = 0
    rate: float | None = None
    workers: int = 1


@dataclass(frozen=True, slots=True)
class ReviewSituation:
    """The review a job waits for: who may answer it, who is at it, and what was decided but can still be undone."""

    title: str
    role: str
    assignee: str = ""
    reason: str = ""
    due_at: datetime | None = None
    escalate_role: str = ""
    escalated_at: datetime | None = None
    claimed_by: str = ""
    decision: str = ""
    decided_by: str = ""
    applies_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """A job as it stands at `now`, with the line of its log that brought it there.

    `event` is the kind of its last transition, `event_at`, `actor` and `data` belong to that line. `step` is the key of
    the step it stands at. `worker_alive` says whether the worker that holds it is still heard of.
    """

    state: State
    now: datetime
    queue: QueueSituation
    step: str = ""
    attempts: int = 0
    failures: int = 0
    crashes: int = 0
    due_at: datetime | None = None
    wake_at: datetime | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    error_class: str = ""
    error_message: str = ""
    event: EventKind | None = None
    event_at: datetime | None = None
    actor: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    worker: str = ""
    worker_alive: bool = True
    review: ReviewSituation | None = None
    zone: tzinfo = UTC


def explain(situation: Situation) -> str:
    """Return why the job is in this state and what happens next, as a few sentences."""
    return " ".join(sentence for sentence in _BY_STATE[situation.state](situation) if sentence)


def _succeeded(it: Situation) -> list[str]:
    took = (
        f", {duration(it.finished_at - it.started_at)} after it was started" if it.finished_at and it.started_at else ""
    )
    retries = f" on attempt {it.attempts}" if it.attempts > 1 else ""
    return [f"It finished{retries}{_at(it, it.finished_at)}{took}.", "Nothing more happens to it."]


def _failed(it: Situation) -> list[str]:
    reason = str(it.data.get("reason", ""))
    because = f" It was not tried again: {clause(reason)}." if reason else ""
    return [
        f"It failed for good{_where(it)}{_with_error(it)}{_at(it, it.finished_at)}.{because}",
        "It stays as it is until somebody or a rule retries it, from this step or an earlier one.",
    ]


def _dead(it: Situation) -> list[str]:
    reason = str(it.data.get("reason", "")) or "its attempts are spent"
    last = f" The last error{_where(it)} was {_error(it)}." if it.error_class else ""
    return [
        f"It was given up{_at(it, it.finished_at)}: {clause(reason)}.{last}",
        "It stays in the dead-letter queue until somebody or a rule retries it.",
    ]


def _cancelled(it: Situation) -> list[str]:
    who = f" by {it.actor}" if it.actor else ""
    reason = f" ({clause(str(it.data['reason']))})" if it.data.get("reason") else ""
    return [
        f"It was cancelled{who}{_at(it, it.finished_at)}{reason}.",
        "It runs no more unless somebody or a rule retries it.",
    ]


def _waiting(it: Situation) -> list[str]:
    if it.review is not None:
        return _reviewed(it, it.review)
    if children := it.data.get("children"):
        jobs = "its sub-job" if children == 1 else f"its {children} sub-jobs"
        return [f"Step '{it.step}' waits for {jobs} and goes on when all are final.", "Meanwhile it holds no worker."]
    reason = str(it.data.get("reason", ""))
    asked = f": {clause(reason)}" if reason else ""
    lines = [f"Step '{it.step}' waits for an answer from outside{asked}.", "Meanwhile it holds no worker."]
    if it.wake_at is None:
        return [*lines, "When the answer comes it goes on with the next step."]
    return [*lines, f"It goes on when the answer comes, and fails if none has come {_when(it, it.wake_at)}."]


def _reviewed(it: Situation, review: ReviewSituation) -> list[str]:
    if review.applies_at is not None:
        said = {"approve": "approved", "edit": "edited and approved", "reject": "rejected"}[review.decision]
        return [f"{review.decided_by} {said} step '{it.step}'.", f"That takes effect {_when(it, review.applies_at)}."]
    who = review.assignee or f"somebody with the role {review.role} or a higher one"
    lines = [f"Step '{it.step}' waits for a reviewer: {_question(review.title)}"]
    if review.reason:
        lines.append(f"It asks because {clause(review.reason)}.")
    lines.append(f"It is for {who}{f'; {review.claimed_by} is on it' if review.claimed_by else ''}.")
    if review.escalated_at is not None:
        lines.append(f"It was due{_at(it, review.due_at)} and is overdue.")
    elif review.due_at is not None:
        then = f", then it goes to the role {review.escalate_role}" if review.escalate_role else ""
        lines.append(f"It is due {_when(it, review.due_at)}{then}.")
    return [*lines, "Meanwhile it holds no worker."]


def _question(title: str) -> str:
    return title if title.endswith(("?", "!", ".")) else f"{title}."


def _scheduled(it: Situation) -> list[str]:
    then = _when(it, it.due_at)
    if it.event is EventKind.RETRY_SCHEDULED:
        of = f" of {it.data['max_attempts']}" if it.data.get("max_attempts") else ""
        tried = f" on attempt {it.failures}{of}" if it.failures else ""
        return [f"It failed{_where(it)}{_with_error(it)}{tried} and will be tried again {then}."]
    if it.event is EventKind.SNOOZED:
        reason = str(it.data.get("reason", ""))
        if it.data.get("limited"):
            return [f"{reason.rstrip('.')}.", f"Step '{it.step}' tries again {then}. No attempt was charged."]
        why = f" ({clause(reason)})" if reason else ""
        return [f"Step '{it.step}' had nothing to do yet{why} and runs again {then}. No attempt was charged."]
    return [f"It was asked to run later and becomes due {then}."]


def _pending(it: Situation) -> list[str]:
    return [_how_it_became_due(it), _what_it_waits_for(it)]


def _how_it_became_due(it: Situation) -> str:
    if it.event is EventKind.WORKER_LOST:
        budget = f" of {it.data['budget']}" if it.data.get("budget") else ""
        return f"The worker that ran it died (crash {it.crashes}{budget}), so it was put back."
    if it.event is EventKind.RELEASED:
        reason = str(it.data.get("reason", ""))
        return f"Its worker gave it back{': ' + clause(reason) if reason else ''}. No attempt was charged."
    if it.event in (EventKind.RETRIED, EventKind.REQUEUED):
        by = f" by {it.actor}" if it.actor else ""
        return f"It was retried{by}{_at(it, it.event_at)} and goes on from step '{it.step}'."
    if it.event is EventKind.ANSWERED:
        return f"Its answer came{_at(it, it.event_at)} and it goes on{_with_step(it)}."
    if it.failures:
        return f"It failed {times(it.failures)} and is due for another attempt{_at_step(it)}."
    waited = duration(it.now - it.due_at) if it.due_at and it.now > it.due_at else ""
    return f"It has been due for {waited}." if waited else "It is due."


def _what_it_waits_for(it: Situation) -> str:
    queue = it.queue
    if queue.paused_at is not None:
        return (
            f"The queue '{queue.name}' was paused{_at(it, queue.paused_at)}: it starts when somebody resumes the queue."
        )
    if queue.lane_paused_at is not None:
        since = _at(it, queue.lane_paused_at)
        return (
            f"This tenant's jobs in the queue '{queue.name}' were paused{since}: it starts when somebody resumes them."
        )
    if queue.workers == 0:
        return f"No worker serves the pool '{queue.pool}' at the moment: it starts when one comes up."
    if queue.lane_cap is not None and queue.lane_running >= queue.lane_cap:
        return _full(queue.lane_running, f"that this tenant may run at once in the queue '{queue.name}'") + "."
    if queue.cap is not None and queue.running >= queue.cap:
        return _full(queue.running, f"that the queue '{queue.name}' may run at once") + " and it is this tenant's turn."
    if queue.rate is not None:
        return f"The queue '{queue.name}' starts at most {queue.rate:g} jobs a second: it starts when its turn comes."
    return "It starts as soon as a worker has a free slot and the jobs before it have started."


def _running(it: Situation) -> list[str]:
    worker = f" on {it.worker}" if it.worker else ""
    attempt = f" (attempt {it.attempts})" if it.attempts > 1 else ""
    lines = [f"It is running{_at_step(it)}{worker}{attempt} since it was started{_at(it, it.started_at)}."]
    if not it.worker_alive:
        lines.append("Its worker has not been heard of lately: if that lasts, it is put back and run by another one.")
    if it.cancel_requested_at is not None:
        lines.append(
            f"Somebody asked to cancel it{_at(it, it.cancel_requested_at)}: it stops after the present step, "
            "or when that step's time limit is over."
        )
    elif it.failures:
        lines.append(f"Before this it failed {times(it.failures)}{_with_error(it)}.")
    return lines


_BY_STATE: dict[State, Callable[[Situation], list[str]]] = {
    State.PENDING: _pending,
    State.SCHEDULED: _scheduled,
    State.RUNNING: _running,
    State.WAITING: _waiting,
    State.SUCCEEDED: _succeeded,
    State.FAILED: _failed,
    State.DEAD: _dead,
    State.CANCELLED: _cancelled,
}


def _where(it: Situation) -> str:
    key = it.data.get("step") or it.step
    return f" at step '{key}'" if key else ""


def _at_step(it: Situation) -> str:
    return f" at step '{it.step}'" if it.step else ""


def _with_step(it: Situation) -> str:
    return f" with step '{it.step}'" if it.step else ""


def _error(it: Situation) -> str:
    message = it.error_message.strip()
    if len(message) > LONGEST_MESSAGE:
        message = message[:LONGEST_MESSAGE].rstrip() + "…"
    return f"{it.error_class} ({clause(message)})" if message else it.error_class


def _with_error(it: Situation) -> str:
    return f" with {_error(it)}" if it.error_class else ""


def _full(running: int, which: str) -> str:
    if running == 1:
        return f"The one job {which} is running: it starts when it ends"
    return f"All {running} jobs {which} are running: it starts when one of them ends"


def _at(it: Situation, moment: datetime | None) -> str:
    return "" if moment is None else f" at {instant(moment, now=it.now, zone=it.zone)}"


def _when(it: Situation, moment: datetime | None) -> str:
    if moment is None or moment <= it.now:
        return "in a moment"
    return f"at {instant(moment, now=it.now, zone=it.zone)}, in {duration(moment - it.now)}"
