"""Making a step's call: what goes wrong with it becomes the right kind of error, and a connection's limits hold."""

from collections.abc import Callable
from typing import TypeVar

from taskflow.lib.http import Answer, AnswerTooLarge, Call, CallRefused, CallTimeout, Unreachable, get_client
from tenants.domain.connections import Connection
from tenants.services.calls import answer_without_secrets, without_secrets
from workflows.domain.outcomes import PermanentError
from workflows.kinds.answers import HttpTimeout, HttpUnreachable
from workflows.kinds.base import StepContext

T = TypeVar("T")


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
    return within_limits(context, connection, lambda: answer_without_secrets(_sent(call, connection), connection))


def within_limits(context: StepContext, connection: Connection, work: Callable[[], T]) -> T:
    """Do `work` with the connection's leave. Raises LimitReached where it may not be used now."""
    permit = context.gate.enter(connection, now=context.now)
    try:
        return work()
    finally:
        permit.leave()


def _sent(call: Call, connection: Connection) -> Answer:
    try:
        return send(call)
    except (HttpTimeout, HttpUnreachable, PermanentError) as error:
        raise type(error)(without_secrets(str(error), connection)) from None
