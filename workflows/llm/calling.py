"""What the clients of all providers share: one guarded call, and its errors in our terms."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from taskflow.lib.clock import utcnow
from taskflow.lib.http import AnswerTooLarge, CallRefused, HttpError
from taskflow.lib.http.sdk import within
from tenants.domain.connections import Connection
from workflows.llm.errors import ModelRefused, ModelTimeout, ModelUnavailable, status_error

T = TypeVar("T")
MASK = "***"
#: What not every model or server knows -> the words in which they say so.
OPTIONAL = {
    "response_format": ("response_format", "json_schema", "structured output"),
    "output_config": ("output_config", "output_format", "structured output"),
    "logprobs": ("logprobs",),
}
_unknown: set[tuple[str, str, str]] = set()


def adapted(base_url: str, model: str, options: dict[str, Any], send: Callable[[dict[str, Any]], T]) -> T:
    """Send `options`, without those optional ones that this model or server has been found not to know.

    Some models know no log-probabilities, some servers no schemas. Remembered in this process, so that it is learnt
    once.
    """
    while True:
        known = {name: value for name, value in options.items() if (base_url, model, name) not in _unknown}
        try:
            return send(known)
        except ModelRefused as error:
            option = _complaint(error, known)
            if option is None:
                raise
            _unknown.add((base_url, model, option))


def _complaint(error: ModelRefused, options: dict[str, Any]) -> str | None:
    """Return which optional part of the request the provider does not know, if that is what it says."""
    if error.status not in (400, 403, 404, 422):
        return None
    words = str(error).lower()
    return next((name for name, signs in OPTIONAL.items() if name in options and any(s in words for s in signs)), None)


def forget_unknown() -> None:
    """Ask every server for everything again."""
    _unknown.clear()


def call(connection: Connection, library: Any, timeout: float, send: Callable[[], T]) -> T:
    """Do `send`, which uses the provider's `library`, within `timeout` seconds; raises a model error."""
    place = f"The model provider of '{connection.slug}'"
    try:
        with within(timeout):
            return send()
    except library.APITimeoutError:
        raise ModelTimeout(f"{place} did not answer within {timeout:g} seconds.") from None
    except library.APIStatusError as error:
        words = hide_secrets(connection, _words(error))
        raise status_error(place, error.status_code, words, error.response.headers, utcnow()) from None
    except library.APIConnectionError as error:
        raise _broken(place, error) from None
    except (CallRefused, AnswerTooLarge) as error:
        raise ModelRefused(f"{place} cannot be called: {error}") from None
    except (library.APIError, ValueError) as error:
        raise ModelUnavailable(f"{place} gave an answer that cannot be read: {type(error).__name__}.") from None


def _broken(place: str, error: Exception) -> Exception:
    for cause in _causes(error):
        if isinstance(cause, (CallRefused, AnswerTooLarge)):
            return ModelRefused(f"{place} cannot be called: {cause}")
        if isinstance(cause, (HttpError, ValueError)):
            return ModelUnavailable(f"{place} gave an answer that cannot be read: {cause}")
    return ModelUnavailable(f"{place} could not be reached, or broke off: {error.__cause__ or error}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _words(error: Any) -> str:
    """Return what the provider said: its message, else the body."""
    body = error.body
    if isinstance(body, Mapping):
        inner = body.get("error", body)
        if isinstance(inner, Mapping) and isinstance(inner.get("message"), str):
            return str(inner["message"])
    return error.response.text if isinstance(body, str) or body is None else str(body)


def hide_secrets(connection: Connection, text: str) -> str:
    """Return `text` without the connection's secrets, which providers like to repeat."""
    for secret in connection.secrets.values():
        text = text.replace(secret, MASK) if len(secret) > 3 else text
    return text


@contextmanager
def readable(connection: Connection) -> Iterator[None]:
    """Raise ModelUnavailable where an answer has not the form that the provider's protocol says."""
    try:
        yield
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        place = f"The model provider of '{connection.slug}'"
        raise ModelUnavailable(f"{place} gave an answer that is not what its protocol says: {error}") from None
