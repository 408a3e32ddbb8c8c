"""What becomes of a running job: one constructor per transition, plain values in and out."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jobs.domain.states import AttemptOutcome, EventKind, State
from workflows.domain.retry import Failure, GiveUp, RetryPolicy, decide


@dataclass(frozen=True, slots=True)
class Transition:
    """How one attempt ends: the job's next state, its budgets, and the lines for its log.

    `outcome` is None where no attempt is charged. `wake_at` is set exactly when something must happen by itself later.
    """

    state: State
    event: EventKind
    outcome: AttemptOutcome | None
    due_at: datetime | None = None
    wake_at: datetime | None = None
    failure: Failure | None = None
    failures: int | None = None
    crashes: int | None = None
    result_json: str | None = None
    data: dict[str, Any] | None = None


def succeeded(result_json: str) -> Transition:
    """The last step is done; `result_json` is the job's record as JSON text."""
    return Transition(State.SUCCEEDED, EventKind.SUCCEEDED, AttemptOutcome.SUCCEEDED, result_json=result_json)


def failed(
    *, failure: Failure, step: str, failures: int, policy: RetryPolicy, now: datetime, chance: float
) -> Transition:
    """A step failed; `failures` counts the failed attempts before this one. Retry, or give up for good."""
    failures += 1
    decision = decide(policy, failures=failures, failure=failure, now=now, chance=chance)
    data = {"step": step, "error": failure.name, "message": failure.message[:500], "failures": failures}
    if isinstance(decision, GiveUp):
        state, event = (State.FAILED, EventKind.FAILED) if decision.permanent else (State.DEAD, EventKind.DEAD)
        return Transition(
            state,
            event,
            AttemptOutcome.FAILED,
            failure=failure,
            failures=failures,
            data=data | {"reason": decision.reason},
        )
    return Transition(
        State.SCHEDULED,
        EventKind.RETRY_SCHEDULED,
        AttemptOutcome.FAILED,
        due_at=decision.at,
        wake_at=decision.at,
        failure=failure,
        failures=failures,
        data=data | {"delay": round(decision.delay, 3), "max_attempts": policy.max_attempts},
    )


def failed_for_good(failure: Failure, *, step: str) -> Transition:
    """Something about the job itself makes it impossible, whatever a retry policy says."""
    data = {"step": step, "error": failure.name, "message": failure.message[:500], "reason": "retrying cannot help"}
    return Transition(State.FAILED, EventKind.FAILED, AttemptOutcome.FAILED, failure=failure, data=data)


def snoozed(*, until: datetime, reason: str, limited: bool = False) -> Transition:
    """The step has nothing to do before `until`, or, `limited`, may not do it; no error, no budget touched."""
    return Transition(
        State.SCHEDULED,
        EventKind.SNOOZED,
        AttemptOutcome.SNOOZED,
        due_at=until,
        wake_at=until,
        data={"reason": reason, "until": until.isoformat()} | ({"limited": True} if limited else {}),
    )


def waiting(*, reason: str, until: datetime | None, **told: Any) -> Transition:
    """The job waits for an answer from outside, until `until` at most; `told` joins the line in its log."""
    data = {"reason": reason, "until": until.isoformat() if until else None} | told
    return Transition(State.WAITING, EventKind.WAITING, AttemptOutcome.WAITING, wake_at=until, data=data)


def cancelled(*, reason: str) -> Transition:
    """Somebody asked for it, and the job came to a place where it could stop."""
    return Transition(State.CANCELLED, EventKind.CANCELLED, AttemptOutcome.CANCELLED, data={"reason": reason})


def released(*, reason: str) -> Transition:
    """The worker gives the job back unfinished and nobody is to blame: no attempt is charged."""
    return Transition(State.PENDING, EventKind.RELEASED, None, data={"reason": reason})


def worker_lost(*, crashes: int, budget: int, worker: str) -> Transition:
    """The worker died with the job in its hands; `crashes` counts those before. Again, or DEAD at `budget`."""
    crashes += 1
    failure = Failure("WorkerLost", f"The worker {worker} died while it ran this job ({crashes} of {budget}).")
    data = {"worker": worker, "crashes": crashes, "budget": budget}
    if crashes >= budget:
        reason = f"{crashes} workers died while they ran this job"
        return Transition(
            State.DEAD,
            EventKind.DEAD,
            AttemptOutcome.WORKER_LOST,
            failure=failure,
            crashes=crashes,
            data=data | {"error": failure.name, "message": failure.message, "reason": reason},
        )
    return Transition(
        State.PENDING, EventKind.WORKER_LOST, AttemptOutcome.WORKER_LOST, failure=failure, crashes=crashes, data=data
    )
