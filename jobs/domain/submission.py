"""What somebody asks for when they send a job, and what is wrong with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from workflows.domain.retry import RetryPolicy

DEFAULT_PRIORITY = 100
LOWEST_PRIORITY = 1000


@dataclass(frozen=True, slots=True)
class NewJob:
    """One job to create. `workflow` and `queue` are slugs; `source` says who asks ("api:key", "rule:7", "job:UID").

    `uid` is given where the id must be known beforehand; else a fresh one is made. `file_ids` are the stored files that
    become the job's own, and `file_uids` are the public ids of those that come with it.
    """

    workflow: str
    payload: dict[str, Any]
    queue: str | None = None
    priority: int | None = None
    run_at: datetime | None = None
    correlation_id: str | None = None
    traceparent: str = ""
    retry_policy: RetryPolicy | None = None
    parent_id: int | None = None
    source: str = ""
    uid: UUID | None = None
    file_ids: tuple[int, ...] = ()
    file_uids: frozenset[UUID] = frozenset()


class SubmissionError(ValueError):
    """A job was refused. `problems` lists (field, reason), the first of which is the message."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        self.problems = list(problems)
        self.field, self.message = self.problems[0]
        super().__init__(f"{self.field}: {self.message}")


class IdempotencyConflict(Exception):
    """The Idempotency-Key was used before with another body."""
