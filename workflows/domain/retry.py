"""Retry policies: when a failed attempt is tried again, and when it is given up."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from workflows.domain.hints import Advanced, Wording

Seconds = Annotated[float, Field(ge=0, le=30 * 86400)]
RETRY_AFTER_STATUSES = frozenset({429, 503})
LONGEST = 30 * 86400.0


class Strategy(StrEnum):
    """How the delay grows from one failure to the next."""

    FIXED = "fixed"
    LINEAR = "linear"
    EXPONENTIAL = "exponential"


class Jitter(StrEnum):
    """How much of the delay is left to chance, so that failures do not come back in step."""

    NONE = "none"
    FULL = "full"
    EQUAL = "equal"


GROWTH = Wording(
    (("fixed", "Not at all"), ("linear", "By the same time again"), ("exponential", "To the double each time"))
)
CHANCE = Wording((("none", "Nothing"), ("full", "All of it"), ("equal", "Half of it")))


class RetryPolicy(BaseModel):
    """How often and how patiently a job is tried again after an error of its work.

    Delays are in seconds. `cooldowns` maps an error class ("ConnectTimeout") or HTTP status ("429") to a least delay.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_attempts: Annotated[int, Field(ge=1, le=100, title="Attempts at most")] = 5
    strategy: Annotated[Strategy, Field(title="The wait grows"), GROWTH] = Strategy.EXPONENTIAL
    base_delay: Annotated[Seconds, Field(title="First wait", description="Seconds.")] = 2.0
    max_delay: Annotated[Seconds, Field(title="Longest wait", description="Seconds.")] = 600.0
    jitter: Annotated[
        Jitter,
        Field(title="Left to chance", description="Keeps jobs that failed together from coming back together."),
        CHANCE,
        Advanced(),
    ] = Jitter.EQUAL
    cooldowns: Annotated[
        dict[str, Seconds],
        Field(
            title="Least wait after an error",
            description="Seconds by HTTP status (429) or by the error's name (ConnectTimeout).",
        ),
        Advanced(),
    ] = {}
    non_retryable: Annotated[
        tuple[str, ...], Field(title="Never tried again", description="Names of errors."), Advanced()
    ] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as the engine keeps it. `name` is the class name; `retry_after` is in seconds."""

    name: str
    message: str
    permanent: bool = False
    status: int | None = None
    retry_after: float | None = None
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Try again at `at`, after `delay` seconds."""

    at: datetime
    delay: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Do not try again; `permanent` when retrying cannot help, else the attempts are spent."""

    reason: str
    permanent: bool


def decide(policy: RetryPolicy, *, failures: int, failure: Failure, now: datetime, chance: float) -> RetryAt | GiveUp:
    """Decide what follows the `failures`-th failed attempt (1 is the first). `chance` is a random number in [0, 1)."""
    if failure.permanent:
        return GiveUp(f"{failure.name}: retrying cannot help", permanent=True)
    if failure.name in policy.non_retryable:
        return GiveUp(f"{failure.name} is not retried by the policy", permanent=True)
    if failures >= policy.max_attempts:
        return GiveUp(f"all {policy.max_attempts} attempts failed", permanent=False)
    delay = min(max(backoff(policy, failures=failures, chance=chance), cooldown(policy, failure)), LONGEST)
    return RetryAt(at=now + timedelta(seconds=delay), delay=delay)


def backoff(policy: RetryPolicy, *, failures: int, chance: float) -> float:
    """Return the seconds to wait after the `failures`-th failure.

    Full and equal jitter as in "Exponential Backoff And Jitter" (M. Brooker, AWS Architecture Blog, 2015).
    """
    if policy.strategy is Strategy.FIXED:
        full = policy.base_delay
    elif policy.strategy is Strategy.LINEAR:
        full = policy.base_delay * failures
    else:
        full = policy.base_delay * 2.0 ** min(failures - 1, 60)
    full = min(full, policy.max_delay)
    if policy.jitter is Jitter.FULL:
        return full * chance
    if policy.jitter is Jitter.EQUAL:
        return full / 2 + full / 2 * chance
    return full


def cooldown(policy: RetryPolicy, failure: Failure) -> float:
    """Return the least seconds to wait after `failure`: by class, by status, and what a 429 or 503 asked for."""
    status = "" if failure.status is None else str(failure.status)
    least = max(policy.cooldowns.get(failure.name, 0.0), policy.cooldowns.get(status, 0.0))
    if failure.retry_after is not None and (failure.status is None or failure.status in RETRY_AFTER_STATUSES):
        least = max(least, failure.retry_after)
    return least
