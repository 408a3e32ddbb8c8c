"""The durable engine's rows."""

from jobs.models.bulk import BulkAction
from jobs.models.jobs import Attempt, Event, IdempotencyKey, Job, StepPace, StepRun
from jobs.models.joins import Join
from jobs.models.queues import EngineTick, Lane, Queue, QueueWake, WorkerLease
from jobs.models.reviews import Review

__all__ = [
    "Attempt",
    "BulkAction",
    "EngineTick",
    "Event",
    "IdempotencyKey",
    "Job",
    "Join",
    "Lane",
    "Queue",
    "QueueWake",
    "Review",
    "StepPace",
    "StepRun",
    "WorkerLease",
]
