"""The workload as functions for `python` steps; TaskFlow's workers import them by STEP_FUNCTION_MODULES."""

from typing import Any

from bench import workload
from workflows.kinds.base import Effect, StepContext
from workflows.kinds.python import step_function


@step_function("bench.parse", effect=Effect.PURE)
def parse(context: StepContext) -> dict[str, Any]:
    """W1, the first step."""
    return workload.parse(context.payload)


@step_function("bench.compute", effect=Effect.PURE)
def compute(context: StepContext) -> dict[str, Any]:
    """W1, the second step."""
    return workload.compute(context.steps["parse"])


@step_function("bench.emit", effect=Effect.PURE)
def emit(context: StepContext) -> dict[str, Any]:
    """W1, the third step."""
    return workload.emit(context.steps["compute"])


@step_function("bench.slow", effect=Effect.EXTERNAL)
def slow(context: StepContext) -> dict[str, Any]:
    """W2: the call that takes 200 ms."""
    return workload.slow_call(context.payload["id"])
