"""Functions for `python` steps in tests; worker processes import them by `STEP_FUNCTION_MODULES`."""

import os
import signal
import time
from typing import Any

from workflows.domain.outcomes import PermanentError, TransientError
from workflows.kinds.base import Effect, StepContext
from workflows.kinds.python import step_function


@step_function("echo", effect=Effect.PURE)
def echo(context: StepContext, **params: Any) -> dict[str, Any]:
    """Return the payload and the params."""
    return dict(context.payload) | params


@step_function("sleep", effect=Effect.PURE)
def sleep(context: StepContext, seconds: float = 0.0) -> dict[str, Any]:
    """Take `seconds` (of the payload, else of the params)."""
    time.sleep(context.payload.get("seconds", seconds))
    return {}


@step_function("fail_transiently")
def fail_transiently(context: StepContext, message: str = "try again") -> dict[str, Any]:
    """Fail in a way that may pass."""
    raise TransientError(message)


@step_function("fail_permanently")
def fail_permanently(context: StepContext, message: str = "never") -> dict[str, Any]:
    """Fail for good."""
    raise PermanentError(message)


@step_function("poison")
def poison(context: StepContext) -> dict[str, Any]:
    """Kill the worker process this runs in."""
    os.kill(os.getpid(), signal.SIGKILL)
    return {}
