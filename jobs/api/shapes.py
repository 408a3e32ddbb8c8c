"""The shapes of what the job endpoints answer, for the OpenAPI document; answers.py fills them."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from jobs.domain.states import State
from jobs.domain.view_spec import ViewSpec
from taskflow.lib.openapi import FieldErrorAnswer


class JobFailure(BaseModel):
    """The last error: its class, its message, and the key of the step it happened at."""

    class_: str = Field(alias="class")
    message: str
    step: str


class JobAnswer(BaseModel):
    """One job."""

    id: str = Field(description="A UUIDv7.")
    state: State
    workflow: str
    version: int | None
    queue: str
    priority: int
    payload: dict[str, Any]
    result: dict[str, Any] | None
    error: JobFailure | None
    correlation_id: str
    traceparent: str
    source: str = Field(description="Who sent it.")
    parent: str | None
    attempt_count: int = Field(description="How often it was started.")
    due_at: datetime = Field(description="When it became or becomes due.")
    cancel_requested_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class FileAnswer(BaseModel):
    """A file of a job; `GET /jobs/{id}/files/{file id}` downloads it. `type` is what its bytes say it is."""

    id: str
    name: str
    type: str
    size: int = Field(description="In bytes.")
    sha256: str
    created_at: datetime


class CreatedJobAnswer(JobAnswer):
    """The job, and the files that came with it."""

    files: list[FileAnswer]


class AttemptAnswer(BaseModel):
    """One try at running the job; listed when it has ended."""

    number: int
    outcome: str
    worker: str
    step: str
    error: JobFailure | None
    traceback: str | None
    started_at: datetime
    finished_at: datetime


class StepRunAnswer(BaseModel):
    """The recorded output of one step. `run` counts manual retries."""

    step: str
    run: int
    attempt: int
    output: Any
    error: Any
    seconds: float
    input_tokens: int
    output_tokens: int
    cost: float
    confidence: float | None = Field(description="From 0 to 1, where a language model answered.")
    confidence_by: str = Field(description="How the confidence was found: logprobs, samples or stated.")
    model: str = Field(description="The language model that answered.")
    finished_at: datetime


class EventAnswer(BaseModel):
    """One line of the job's log. `state` is the new state, where the line tells of a change."""

    at: datetime
    kind: str
    state: State | None
    attempt: int
    actor: str
    data: Any


class ChildAnswer(BaseModel):
    """A sub-job."""

    id: str
    state: State


class ModelCallAnswer(BaseModel):
    """A call to a language model, while it is kept. Cached ones were answered from memory, at no cost."""

    at: datetime
    step: str
    run: int
    attempt: int
    purpose: str = Field(description="answer, repair or sample.")
    connection: str
    model: str
    cached: bool
    error: str | None
    finish_reason: str
    input_tokens: int
    output_tokens: int
    cost: float = Field(description="US dollars.")
    seconds: float


class UsageAnswer(BaseModel):
    """What a job took of language models, in tokens and US dollars."""

    input_tokens: int
    output_tokens: int
    cost: float


class JobStoryAnswer(JobAnswer):
    """One job with its history, oldest first, and a plain-words explanation of where it stands."""

    step: str = Field(description="The key of the step it stands at; empty behind the last.")
    explanation: str
    attempts: list[AttemptAnswer]
    step_runs: list[StepRunAnswer]
    events: list[EventAnswer]
    children: list[ChildAnswer]
    files: list[FileAnswer]
    model_calls: list[ModelCallAnswer]
    usage: UsageAnswer


class JobPageAnswer(BaseModel):
    """A page of jobs, newest first. `next` is the address of the next page; null on the last one."""

    results: list[JobAnswer]
    next: str | None
    next_cursor: str | None


class BulkItemAnswer(BaseModel):
    """What became of one item: 201 with the job, or 400 with the errors."""

    status: Literal[201, 400]
    job: JobAnswer | None = None
    errors: list[FieldErrorAnswer] | None = None


class BulkAnswer(BaseModel):
    """What became of each item, in the order they were sent."""

    created: int
    refused: int
    results: list[BulkItemAnswer]


class QueueAnswer(BaseModel):
    """A queue: `depth` counts its jobs by active state, your own unless the whole was asked for."""

    queue: str
    name: str
    pool: str
    depth: dict[str, int] = Field(description="Counting stops at 50,001: that many or more.")
    running: int
    oldest_due_seconds: float | None = Field(description="How long the job that is due longest has been due.")
    cap: int | None = Field(description="Jobs the queue runs at once.")
    rate: float | None = Field(description="Jobs the queue starts a second.")
    paused: bool
    lane_cap: int | None = Field(description="Jobs of yours the queue runs at once.")
    lane_weight: float | None
    lane_paused: bool | None


class QueueListAnswer(BaseModel):
    """The queues."""

    results: list[QueueAnswer]


class ImportRowsAnswer(BaseModel):
    """How many rows were dealt with, and what became of them."""

    seen: int
    made: int
    already_there: int
    wrong: int


class ImportAnswer(BaseModel):
    """An uploaded list whose rows become jobs."""

    id: str = Field(description="A UUIDv7.")
    workflow: str
    state: Literal["new", "running", "paused", "done", "cancelled", "failed"]
    filename: str
    rows: ImportRowsAnswer
    progress: float = Field(description="0 to 1; of a workbook, 0 until it is done.")
    mapping: dict[str, str] = Field(description="From columns to fields.")
    key_column: str
    error: str = Field(description="Why it stopped, if it did.")
    correlation_id: str = Field(description="What its jobs have in common: filter the list of jobs by it.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class ExportAnswer(BaseModel):
    """A workflow's jobs that become a file."""

    id: str = Field(description="A UUIDv7.")
    workflow: str
    name: str = Field(description="The name of its view, or of the workflow's list.")
    format: Literal["csv", "xlsx", "jsonl"]
    state: Literal["running", "done", "cancelled", "failed"]
    rows: int = Field(description="How many are written so far.")
    expected: int | None = Field(description="How many there will be; null where they are more than 10,000.")
    size: int = Field(description="Bytes of the file; 0 until it is there.")
    error: str = Field(description="Why it stopped, if it did.")
    created_at: datetime
    finished_at: datetime | None


class ViewAnswer(ViewSpec):
    """A saved view of a workflow's jobs that is shared in the tenant."""

    id: str = Field(description="A UUIDv7.")
    name: str
    workflow: str


class ViewPageAnswer(BaseModel):
    """The shared views."""

    results: list[ViewAnswer]
