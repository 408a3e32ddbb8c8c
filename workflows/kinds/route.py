"""The `route` step: decides where a job goes by the first condition that holds."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from workflows.domain.hints import Condition, Names
from workflows.domain.outcomes import Done, Outcome, Stop
from workflows.kinds.base import StepConfig, StepContext, StepKind, StepReference
from workflows.kinds.language import test

MAX_ROUTES = 50


class Destination(StepConfig):
    """Where a job goes: the route's name, and a later step to go on with, or the end."""

    to: Annotated[str, Field(title="Route", min_length=1, max_length=100, description="The name it is recorded under.")]
    goto: Annotated[str | None, Field(title="Go on with step"), Names("later_step")] = None
    stop: Annotated[bool, Field(title="Finish the job here")] = False

    @model_validator(mode="after")
    def _one_way(self) -> "Destination":
        if self.goto and self.stop:
            raise ValueError("a job cannot both stop and go on with a step")
        return self


class Route(Destination):
    """A destination with its condition."""

    when: Annotated[str, Field(title="When this holds"), Condition()]


class RouteConfig(StepConfig):
    """The routes in order; the first whose condition holds is taken, else the default."""

    routes: Annotated[tuple[Route, ...], Field(title="Routes", min_length=1, max_length=MAX_ROUTES)]
    default: Annotated[Destination, Field(title="Otherwise")] = Destination(to="default")


class Router(StepKind[RouteConfig]):
    """Sends a job on by the first condition that holds."""

    name = "route"
    title = "Choose a route"
    Config = RouteConfig

    def prepare(self) -> None:
        self.conditions = [
            (self.expression(f"routes.{index}.when", route.when), route)
            for index, route in enumerate(self.config.routes)
        ]
        ways = {f"routes.{index}.goto": route.goto for index, route in enumerate(self.config.routes)}
        ways["default.goto"] = self.config.default.goto
        self.aims = [StepReference(place, key) for place, key in ways.items() if key]

    def run(self, context: StepContext) -> Outcome:
        names = context.names()
        taken = next((route for when, route in self.conditions if test(when, names)), self.config.default)
        output = {"route": taken.to}
        return Stop(output) if taken.stop else Done(output, goto=taken.goto or None)

    def output_schema(self) -> dict[str, Any]:
        names = dict.fromkeys([*(route.to for route in self.config.routes), self.config.default.to])
        return {"type": "object", "properties": {"route": {"enum": list(names)}}, "required": ["route"]}
