"""The durable engine's rows."""

from jobs.models.bulk import BulkAction
from jobs.models.figures import FigureMark, FigureSlot, JobCount, UncountedJob
from jobs.models.files import File
from jobs.models.intake import ImportedRow, ImportProblem, ImportState, ListImport
from jobs.models.jobs import Attempt, Event, IdempotencyKey, Job, StepPace, StepRun
from jobs.models.joins import Join
from jobs.models.llm import LlmAnswer, LlmCall, LlmUsage
from jobs.models.mail import InboundMessage, Mailbox
from jobs.models.queues import EngineTick, Lane, Queue, QueueWake, WorkerLease
from jobs.models.reports import ReportDelivery, ReportSubscription
from jobs.models.reviews import Review
from jobs.models.test_runs import Trial, TrialItem
from jobs.models.views import DefaultView, IndexedField, JobExport, JobValue, SavedView, ValueIndex

__all__ = [
    "Attempt",
    "BulkAction",
    "DefaultView",
    "EngineTick",
    "Event",
    "FigureMark",
    "FigureSlot",
    "File",
    "IdempotencyKey",
    "ImportProblem",
    "ImportState",
    "ImportedRow",
    "InboundMessage",
    "IndexedField",
    "Job",
    "JobCount",
    "JobExport",
    "JobValue",
    "Join",
    "Lane",
    "ListImport",
    "LlmAnswer",
    "LlmCall",
    "LlmUsage",
    "Mailbox",
    "Queue",
    "QueueWake",
    "ReportDelivery",
    "ReportSubscription",
    "Review",
    "SavedView",
    "StepPace",
    "StepRun",
    "Trial",
    "TrialItem",
    "UncountedJob",
    "ValueIndex",
    "WorkerLease",
]
