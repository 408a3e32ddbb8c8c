"""The durable engine's rows."""

from jobs.models.bulk import BulkAction
from jobs.models.files import File
from jobs.models.jobs import Attempt, Event, IdempotencyKey, Job, StepPace, StepRun
from jobs.models.mail import InboundMessage, Mailbox
from jobs.models.queues import EngineTick, Lane, Queue, QueueWake, WorkerLease

__all__ = [
    "Attempt",
    "BulkAction",
    "EngineTick",
    "Event",
    "File",
    "IdempotencyKey",
    "InboundMessage",
    "Job",
    "Lane",
    "Mailbox",
    "Queue",
    "QueueWake",
    "StepPace",
    "StepRun",
    "WorkerLease",
]
