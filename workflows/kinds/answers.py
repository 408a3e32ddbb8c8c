"""What the answer to an HTTP call means for a step: fields, or the right kind of error."""

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, Any

from pydantic import Field

from taskflow.lib.http import Answer, Call
from taskflow.lib.strictjson import BadJSON, parse_json
from workflows.domain.outcomes import PermanentError, Record, TransientError
from workflows.kinds.base import StepConfig
from workflows.kinds.language import MISSING, OutputName, at_path
from workflows.kinds.secrets import is_secret

FIRST_WORDS = 200
#: Statuses besides 5xx that may pass: a slow request, too early, too many.
_PASSING = frozenset({408, 425, 429})


class HttpTimeout(TransientError):
    """The other system did not answer in time."""


class HttpUnreachable(TransientError):
    """The other system could not be reached, or broke the connection off."""


class AnswerField(StepConfig):
    """A field to take from a JSON answer."""

    name: Annotated[OutputName, Field(title="Name")]
    path: Annotated[str, Field(title="Path", max_length=500, description="Where it stands: data.items[0].id")]
    required: Annotated[bool, Field(title="Fail if missing", description="Else it is null.")] = False


def read_answer(
    answer: Answer, call: Call, success: Sequence[int], fields: Sequence[AnswerField], now: datetime
) -> Record:
    """Return the step's output, or raise TransientError or PermanentError for an answer that is none."""
    if answer.status in success if success else 200 <= answer.status <= 299:
        return _taken(answer, fields) if fields else {"status": answer.status, "body": _body(answer)}
    message = f"{_place(call)} answered {answer.status}{_first_words(answer, call)}"
    if answer.status in _PASSING or answer.status >= 500:
        wait = retry_after(answer.headers.get("retry-after"), now)
        raise TransientError(message, status=answer.status, retry_after=wait)
    raise PermanentError(message, status=answer.status)


def retry_after(header: str | None, now: datetime) -> float | None:
    """Return the seconds a Retry-After header asks for (RFC 9110, 10.2.3), or None if it says nothing readable."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max((moment - now).total_seconds(), 0.0)


def _taken(answer: Answer, fields: Sequence[AnswerField]) -> Record:
    data = _json(answer)
    output: Record = {}
    for field in fields:
        value = at_path(data, field.path)
        if value is MISSING and field.required:
            raise PermanentError(f"The answer has nothing at {field.path}.", status=answer.status)
        output[field.name] = None if value is MISSING else value
    return output


def _body(answer: Answer) -> Any:
    if not answer.body:
        return None
    kind = answer.headers.get("content-type", "").split(";")[0].strip().lower()
    return _json(answer) if kind == "application/json" or kind.endswith("+json") else answer.text


def _json(answer: Answer) -> Any:
    try:
        return parse_json(answer.body)
    except BadJSON as error:
        raise PermanentError(f"The answer cannot be read: {error.reason}", status=answer.status) from None


def _place(call: Call) -> str:
    if call.label:
        return call.label
    address = call.url.partition("?")[0].partition("#")[0]
    return f"{call.method} {address}"


def _first_words(answer: Answer, call: Call) -> str:
    words = " ".join(answer.text[: FIRST_WORDS * 4].split())[:FIRST_WORDS]
    for name, value in call.headers.items():
        if is_secret(name):
            for secret in value.split():
                words = words.replace(secret, "***") if len(secret) > 3 else words
    return f": {words}" if words else ""
