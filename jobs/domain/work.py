"""Jobs in the hands of a worker: what was claimed, and what is to be written about it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from jobs.domain.reviews import NewReview
from jobs.domain.submission import NewJob
from jobs.domain.transitions import Transition
from workflows.domain.calls import ModelCall
from workflows.domain.outcomes import Record, Usage


@dataclass(slots=True, eq=False)
class ClaimedJob:
    """A job that this process holds. `attempt` is the number of this try; `expected` is in seconds.

    `position` is where it goes on, `outputs` what the steps before gave.
    """

    id: int
    uid: UUID
    tenant_id: int
    workflow_id: int
    version_id: int
    queue_id: int
    lane_id: int
    claim_token: int
    position: int
    attempt: int
    failures: int
    crashes: int
    run_number: int
    priority: int
    payload: Record
    retry_policy: dict[str, Any] | None
    correlation_id: str
    traceparent: str
    due_at: datetime
    created_at: datetime
    started_at: datetime
    expected: float = 0.0
    outputs: dict[str, Record] = field(default_factory=dict)
    cancelled: bool = False

    def idempotency_key(self, step_key: str) -> str:
        """Return the key an outside system can recognise a repeated call by."""
        return f"{self.uid}:{step_key}:{self.run_number}"


@dataclass(slots=True)
class StepRecord:
    """One step as it will be stored. `output_json` is JSON text; `error` is what `on_error: continue` passed over."""

    position: int
    key: str
    kind: str
    output_json: str
    seconds: float
    finished_at: datetime
    error: dict[str, Any] | None = None
    usage: Usage = field(default_factory=Usage)
    confidence: float | None = None
    confidence_by: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class CallRecord:
    """A call to a language model as it will be stored, and the step that made it."""

    position: int
    key: str
    call: ModelCall


@dataclass(slots=True)
class Report:
    """What is to be written about a claimed job: finished steps, where it stands, and how it ended, if it did.

    `join` says that it waits for its children, and what follows if one fails. `seconds` is how long it kept a thread
    busy since the report before.
    """

    job: ClaimedJob
    position: int
    at: datetime
    steps: list[StepRecord] = field(default_factory=list)
    calls: list[CallRecord] = field(default_factory=list)
    children: list[NewJob] = field(default_factory=list)
    review: NewReview | None = None
    join: str | None = None
    ending: Transition | None = None
    step_key: str = ""
    seconds: float = 0.0
