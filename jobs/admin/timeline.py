"""A job's log as a story: its events and the runs of its steps, in the order they happened."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jobs.domain.states import EventKind
from jobs.models import Event, StepRun
from jobs.queries.story import JobStory

#: Kind of event -> what happened, the icon, and its tone.
WORDS: dict[str, tuple[str, str, str]] = {
    EventKind.CREATED: ("Created", "add_circle", ""),
    EventKind.PROMOTED: ("Became due", "alarm", ""),
    EventKind.STARTED: ("Started", "play_arrow", "run"),
    EventKind.SUCCEEDED: ("Succeeded", "check_circle", "good"),
    EventKind.FAILED: ("Failed for good", "error", "bad"),
    EventKind.DEAD: ("Given up", "skull", "bad"),
    EventKind.RETRY_SCHEDULED: ("Failed, will try again", "restart_alt", "warn"),
    EventKind.SNOOZED: ("Put off", "snooze", ""),
    EventKind.WAITING: ("Waits for an answer", "pause_circle", "wait"),
    EventKind.ANSWERED: ("Answered", "reply", ""),
    EventKind.RELEASED: ("Given back by its worker", "undo", ""),
    EventKind.WORKER_LOST: ("Its worker died", "heart_broken", "warn"),
    EventKind.CANCEL_REQUESTED: ("Asked to cancel", "cancel", "warn"),
    EventKind.CANCELLED: ("Cancelled", "block", "warn"),
    EventKind.RETRIED: ("Retried by hand", "replay", "run"),
    EventKind.REQUEUED: ("Requeued", "replay", "run"),
    EventKind.SPAWNED: ("Made sub-jobs", "account_tree", ""),
    EventKind.STEP_FAILED: ("A step failed and was passed over", "warning", "warn"),
    EventKind.DECIDED: ("A reviewer decided", "how_to_reg", ""),
    EventKind.UNDONE: ("The decision was undone", "undo", "warn"),
    EventKind.ESCALATED: ("The review is overdue", "notification_important", "warn"),
    EventKind.MOVED: ("Moved to another version before it began", "swap_horiz", ""),
    EventKind.RERUN: ("Run again on another version, as a new job", "published_with_changes", "run"),
    EventKind.LEASE_LOST: ("A late worker was turned away", "do_not_disturb_on", "warn"),
}
LABELS = {
    "reason": "Reason",
    "error": "Error",
    "message": "Message",
    "step": "Step",
    "from_step": "From step",
    "failures": "Failures",
    "delay": "Delay in seconds",
    "jobs": "Jobs",
    "refused": "Refused",
    "decision": "Decision",
    "comment": "Comment",
    "role": "For the role",
    "due": "Due",
    "version": "Version",
    "before": "Before",
    "job": "Job",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the story. `who` is the worker or person behind it; `details` are (label, value) pairs."""

    at: datetime
    title: str
    icon: str
    tone: str
    who: str = ""
    attempt: int = 0
    details: tuple[tuple[str, Any], ...] = ()


def timeline_of(story: JobStory) -> list[Line]:
    """Return the lines of a job's story, oldest first; of equal moments the step comes before the event it led to."""
    lines = [(run.finished_at, 0, _step_line(run)) for run in story.step_runs]
    lines += [(event.at, 1, _event_line(event)) for event in story.events]
    return [
        line for _, _, line in sorted(lines, key=lambda item: (item[0], item[1] if item[2].title != "Created" else -1))
    ]


def _event_line(event: Event) -> Line:
    title, icon, tone = WORDS.get(event.kind, (event.kind, "circle", ""))
    data = event.data if isinstance(event.data, dict) else {}
    details = tuple((LABELS[key], value) for key, value in data.items() if key in LABELS and value not in ("", None))
    return Line(event.at, title, icon, tone, event.actor, event.attempt, details)


def _step_line(run: StepRun) -> Line:
    error = run.error if isinstance(run.error, dict) else {}
    details = tuple((LABELS[key], value) for key, value in error.items() if key in LABELS)
    title = f"Step '{run.step_key}' was passed over" if run.error else f"Step '{run.step_key}' done"
    return Line(
        run.finished_at,
        title,
        "step_over" if run.error else "task_alt",
        "warn" if run.error else "step",
        "",
        run.attempt,
        details,
    )
