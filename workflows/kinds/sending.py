"""Making a step's call: what goes wrong with it becomes the right kind of error, and a connection's limits hold."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from taskflow.lib import webhooks
from taskflow.lib.fields import dump_json
from taskflow.lib.http import Answer, AnswerTooLarge, Call, CallRefused, CallTimeout, Unreachable, get_client
from taskflow.lib.ids import new_uid
from tenants.domain.connections import Connection
from tenants.services.calls import answer_without_secrets, host_of, without_secrets
from workflows.domain.outcomes import PermanentError
from workflows.kinds.answers import HttpTimeout, HttpUnreachable, read_answer
from workflows.kinds.base import StepContext

#: Seconds that posting a message may take.
POST_SECONDS = 20.0
#: Nobody reads what a webhook answers, but for the first words of an error.
MOST_BYTES = 256 * 1024
TRACE_HEADER = "traceparent"


def send(call: Call) -> Answer:
    """Make a call. Raises PermanentError where it may not be made, and a transient error where that may pass."""
    try:
        return get_client().send(call)
    except (CallRefused, AnswerTooLarge) as error:
        raise PermanentError(str(error)) from error
    except CallTimeout as error:
        raise HttpTimeout(str(error)) from error
    except Unreachable as error:
        raise HttpUnreachable(str(error)) from error


def send_over(context: StepContext, connection: Connection, call: Call) -> Answer:
    """Make a call by way of a connection: within its limits, and without its secrets in what comes back."""
    with leave_of(context, connection):
        try:
            answer = send(call)
        except (HttpTimeout, HttpUnreachable, PermanentError) as error:
            raise type(error)(without_secrets(str(error), connection)) from None
    return answer_without_secrets(answer, connection)


@contextmanager
def leave_of(context: StepContext, connection: Connection) -> Iterator[None]:
    """Hold the connection's leave for a block. Raises LimitReached where it may not be used now."""
    permit = context.gate.enter(connection, now=context.now)
    try:
        yield
    finally:
        permit.leave()


def post_json(
    context: StepContext, connection: Connection, url: str, data: Any, headers: dict[str, str] | None = None
) -> int:
    """Post JSON to the address of a connection, which may be a secret itself; returns the status.

    Raises a step error for any answer but 200 to 299.
    """
    return _post(context, connection, url, _encoded(data), headers or {})


def post_webhook(context: StepContext, connection: Connection, event: dict[str, Any], *, event_id: str) -> int:
    """Post an event to a connection of kind webhook, signed where it has a secret; returns the status."""
    body, secret = _encoded(event), connection.secrets.get("signing_secret")
    signed = webhooks.sign(secret, message_id=event_id, now=context.now, body=body) if secret else {}
    return _post(context, connection, connection.config["url"], body, signed)


def traced(context: StepContext, headers: Mapping[str, str]) -> dict[str, str]:
    """Return a call's headers with the trace that the job came with, unless they name one themselves.

    It is sent on as it came, as those do who note no spans of their own (W3C Trace Context, section 4.3): who is called
    then stands below who sent the job.
    """
    trace = str(context.job.get("traceparent") or "")
    if not trace or any(name.lower() == TRACE_HEADER for name in headers):
        return dict(headers)
    return {**headers, TRACE_HEADER: trace}


def message_id(context: StepContext) -> str:
    """Return the id of a message: the idempotency key, which is the same at every repetition of the step."""
    return context.idempotency_key or f"msg_{new_uid().hex}"


def _encoded(data: Any) -> bytes:
    try:
        return dump_json(data).encode()
    except (TypeError, ValueError) as error:
        raise PermanentError(f"The message cannot be sent as JSON: {error}") from error


def _post(context: StepContext, connection: Connection, url: str, body: bytes, headers: dict[str, str]) -> int:
    label = f"POST to {host_of(url)} over '{connection.slug}'"
    given = traced(context, {"Content-Type": "application/json"} | headers)
    call = Call("POST", url, given, body, POST_SECONDS, MOST_BYTES, label=label)
    answer = send_over(context, connection, call)
    if not 200 <= answer.status <= 299:
        read_answer(answer, call, (), (), context.now)
    return answer.status
