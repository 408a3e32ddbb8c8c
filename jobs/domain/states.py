"""The lifecycle of a job: its states, and which follow which."""

from enum import StrEnum


class State(StrEnum):
    """Where a job stands. See docs/job-states.md for the picture."""

    PENDING = "PENDING"
    SCHEDULED = "SCHEDULED"
    RUNNING = "RUNNING"
    WAITING = "WAITING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    DEAD = "DEAD"
    CANCELLED = "CANCELLED"


FINAL = frozenset({State.SUCCEEDED, State.FAILED, State.DEAD, State.CANCELLED})
RETRYABLE = frozenset({State.FAILED, State.DEAD, State.CANCELLED})
CANCELLABLE = frozenset({State.PENDING, State.SCHEDULED, State.WAITING})

#: Every legal transition; a job is created as PENDING or SCHEDULED.
TRANSITIONS: dict[State | None, frozenset[State]] = {
    None: frozenset({State.PENDING, State.SCHEDULED}),
    State.PENDING: frozenset({State.RUNNING, State.CANCELLED}),
    State.SCHEDULED: frozenset({State.PENDING, State.CANCELLED}),
    State.WAITING: frozenset({State.PENDING, State.FAILED, State.CANCELLED}),
    State.RUNNING: frozenset(
        {
            State.PENDING,
            State.SCHEDULED,
            State.WAITING,
            State.SUCCEEDED,
            State.FAILED,
            State.DEAD,
            State.CANCELLED,
        }
    ),
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset({State.PENDING}),
    State.DEAD: frozenset({State.PENDING}),
    State.CANCELLED: frozenset({State.PENDING}),
}


class EventKind(StrEnum):
    """What a line of a job's log tells. Those that change the state carry the new state."""

    CREATED = "created"
    PROMOTED = "promoted"
    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    DEAD = "dead"
    RETRY_SCHEDULED = "retry_scheduled"
    SNOOZED = "snoozed"
    WAITING = "waiting"
    ANSWERED = "answered"
    RELEASED = "released"
    WORKER_LOST = "worker_lost"
    CANCEL_REQUESTED = "cancel_requested"
    CANCELLED = "cancelled"
    RETRIED = "retried"
    REQUEUED = "requeued"
    SPAWNED = "spawned"
    STEP_FAILED = "step_failed"
    LEASE_LOST = "lease_lost"
    DECIDED = "decided"
    UNDONE = "undone"
    ESCALATED = "escalated"
    MOVED = "moved"
    RERUN = "rerun"


class AttemptOutcome(StrEnum):
    """How one try at a job ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SNOOZED = "snoozed"
    WAITING = "waiting"
    CANCELLED = "cancelled"
    RELEASED = "released"
    WORKER_LOST = "worker_lost"
