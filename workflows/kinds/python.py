"""The `python` step: a function that a developer registered under a name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from pydantic import Field

from workflows.domain.outcomes import Done, Outcome, PermanentError, Snooze, Spawn, Stop, Wait
from workflows.kinds.base import ConfigError, Effect, StepConfig, StepContext, StepKind

Function = Callable[..., Mapping[str, Any] | Outcome]


@dataclass(frozen=True, slots=True)
class StepFunction:
    """A registered function and what running it again would cost."""

    call: Function
    effect: Effect


_functions: dict[str, StepFunction] = {}
_modules: list[str] = []


def step_function(name: str, *, effect: Effect = Effect.EXTERNAL) -> Callable[[Function], Function]:
    """Register the decorated function for `python` steps under `name`.

    It is called as `function(context, **params)` and returns the step's output or an outcome. Declare
    `Effect.PURE` only if running it twice is free: pure results are made durable with the next flush.
    """

    def register(function: Function) -> Function:
        _functions[name] = StepFunction(function, effect)
        return function

    return register


def use_modules(modules: list[str]) -> None:
    """Name the modules that register functions; they are imported when the first function is looked up."""
    _modules[:] = modules


def get_function(name: str) -> StepFunction:
    """Return the function registered as `name`; raises KeyError."""
    while _modules:
        import_module(_modules.pop())
    return _functions[name]


class PythonConfig(StepConfig):
    """`function` is the registered name; `params` are passed on as keyword arguments."""

    function: str = Field(title="Function", description="The name a developer registered it under.")
    params: dict[str, Any] = Field(default_factory=dict, title="Parameters")


class Python(StepKind[PythonConfig]):
    """Calls a registered function."""

    name = "python"
    title = "Python function"
    Config = PythonConfig

    def prepare(self) -> None:
        try:
            self.function = get_function(self.config.function)
        except KeyError:
            raise ConfigError("function", f"No function is registered as '{self.config.function}'.") from None
        self.effect = self.function.effect

    def run(self, context: StepContext) -> Outcome:
        answer = self.function.call(context, **self.config.params)
        if isinstance(answer, (Done, Stop, Snooze, Wait, Spawn)):
            return answer
        if not isinstance(answer, Mapping):
            raise PermanentError(f"{self.config.function} returned {type(answer).__name__}, not a mapping.")
        return Done(dict(answer))

    def dry_run(self, context: StepContext) -> Outcome:
        if self.effect is Effect.PURE:
            return self.run(context)
        return Done({"would_call": self.config.function, "params": self.config.params})
