"""The durable engine's rows."""

from jobs.models.bulk import BulkAction
from jobs.models.intake import ImportedRow, ImportProblem, ImportState, ListImport
from jobs.models.jobs import Attempt, Event, IdempotencyKey, Job, StepPace, StepRun
from jobs.models.llm import LlmAnswer, LlmCall, LlmUsage
from jobs.models.queues import EngineTick, Lane, Queue, QueueWake, WorkerLease

__all__ = [
    "Attempt",
    "BulkAction",
    "EngineTick",
    "Event",
    "IdempotencyKey",
    "ImportProblem",
    "ImportState",
    "ImportedRow",
    "Job",
    "Lane",
    "ListImport",
    "LlmAnswer",
    "LlmCall",
    "LlmUsage",
    "Queue",
    "QueueWake",
    "StepPace",
    "StepRun",
    "WorkerLease",
]
