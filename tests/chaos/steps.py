"""Steps that leave a trace outside the database, so that what ran can be told apart from what was recorded."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflows.domain.outcomes import TransientError
from workflows.kinds.base import Effect, StepContext
from workflows.kinds.python import step_function


@dataclass(frozen=True, slots=True)
class Mark:
    """One line of the ledger: a step that began, or came to its end."""

    what: str
    key: str
    attempt: int
    pid: int


def write(what: str, context: StepContext) -> None:
    """Add a line to the ledger; short appends are never mixed up with those of other processes."""
    line = f"{what} {context.idempotency_key} {context.job['attempt']} {os.getpid()}\n"
    ledger = os.open(os.environ["CHAOS_LEDGER"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(ledger, line.encode())
    finally:
        os.close(ledger)


def read(ledger: Path) -> list[Mark]:
    """Return what was written, in order."""
    lines = (line.split() for line in ledger.read_text().splitlines()) if ledger.exists() else ()
    return [Mark(what, key, int(attempt), int(pid)) for what, key, attempt, pid in lines]


@step_function("chaos.mark", effect=Effect.EXTERNAL)
def mark(context: StepContext, seconds: float = 0.0) -> dict[str, Any]:
    """Do something outside that cannot be undone: a line in the ledger."""
    write("begin", context)
    time.sleep(context.payload.get("seconds", seconds))
    write("end", context)
    return {"marked_by": os.getpid()}


@step_function("chaos.hang")
def hang(context: StepContext) -> dict[str, Any]:
    """Take far too long at the first attempt."""
    write("begin", context)
    if context.job["attempt"] == 1:
        time.sleep(3600)
    return {"attempt": context.job["attempt"]}


@step_function("chaos.flaky", effect=Effect.PURE)
def flaky(context: StepContext) -> dict[str, Any]:
    """Fail at the first attempts, as many as the payload says."""
    if context.job["attempt"] <= context.payload.get("failures", 0):
        raise TransientError("not yet")
    return {}
