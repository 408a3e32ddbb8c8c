"""What can go wrong between a step and a language model."""

from collections.abc import Mapping
from datetime import datetime

from workflows.domain.outcomes import PermanentError, StepError, TransientError, Usage
from workflows.kinds.answers import retry_after

MAX_WORDS = 500
#: Statuses besides 5xx that may pass: a slow request, a conflict, too early, too many.
_PASSING = frozenset({408, 409, 425, 429})


class ModelUnavailable(TransientError):
    """The provider could not be reached, broke off, or asked to come back later."""


class ModelTimeout(TransientError):
    """The model did not answer in time."""


class ModelRefused(PermanentError):
    """The provider refused the request: the key, the model's name or the request is wrong."""


class ContentRefused(PermanentError):
    """The model or its provider would not answer to this content; `usage` is what that took."""

    def __init__(self, message: str, *, usage: Usage) -> None:
        super().__init__(message)
        self.usage = usage


ModelError = ModelUnavailable | ModelTimeout | ModelRefused | ContentRefused


def status_error(place: str, status: int, words: str, headers: Mapping[str, str], now: datetime) -> StepError:
    """Return the error for an answer with this HTTP status, with the provider's words in it."""
    message = f"{place} answered {status}: {shown(words)}" if words else f"{place} answered {status}."
    if status in _PASSING or status >= 500:
        return ModelUnavailable(message, status=status, retry_after=_wait(headers, now))
    return ModelRefused(message, status=status)


def _wait(headers: Mapping[str, str], now: datetime) -> float | None:
    try:
        return max(float(headers["retry-after-ms"]) / 1000, 0.0)
    except (KeyError, ValueError):
        return retry_after(headers.get("retry-after"), now)


def shown(words: str) -> str:
    """Return a provider's words on one line, not too many."""
    text = " ".join(str(words).split())
    return text if len(text) <= MAX_WORDS else text[: MAX_WORDS - 3] + "..."
