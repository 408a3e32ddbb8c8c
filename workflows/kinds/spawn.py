"""The `spawn` step: creates sub-jobs, one or many."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from workflows.domain.hints import Advanced, Computed, Fillable, Names, Wording
from workflows.domain.outcomes import ChildJob, Done, Outcome, PermanentError, Spawn
from workflows.kinds.base import StepConfig, StepContext, StepKind
from workflows.kinds.language import value_of
from workflows.kinds.templated import Filled, Filler

MAX_JOBS = 1000
ITEM = "item"
GOES_ON = Wording((("continue", "Go on"), ("fail", "Fail the job")))


class SpawnConfig(StepConfig):
    """The sub-jobs to create: of which workflow, and with what payload."""

    workflow: Annotated[str, Field(title="Workflow", pattern=r"^[-a-zA-Z0-9_]{1,63}$"), Names("workflow")]
    payload: Annotated[
        dict[str, Any],
        Field(
            title="Payload",
            description="What each sub-job gets. `item` is the list's element.",
        ),
        Fillable(extra=("item",)),
    ]
    for_each: Annotated[
        str | None,
        Field(title="One for each of", description="A value that is a list, as in record.lines. Empty: one sub-job."),
        Computed(),
    ] = None
    limit: Annotated[int, Field(title="Sub-jobs at most", ge=1, le=MAX_JOBS), Advanced()] = 100
    queue: Annotated[
        str | None,
        Field(title="Queue", pattern=r"^[-a-zA-Z0-9_]{1,50}$", description="Empty: the workflow's own."),
        Advanced(),
    ] = None
    priority: Annotated[
        int | None, Field(title="Priority", ge=0, le=32767, description="Lower runs first."), Advanced()
    ] = None

    join: Annotated[
        bool, Field(title="Wait for them", description="Go on when all are final, with their results as children.")
    ] = False
    on_child_failure: Annotated[
        Literal["continue", "fail"],
        Field(title="If one does not succeed", description="Where the job waits for them."),
        GOES_ON,
    ] = "continue"

    @field_validator("payload")
    @classmethod
    def _not_empty(cls, payload: dict[str, Any]) -> dict[str, Any]:
        if not payload:
            raise ValueError("a sub-job needs a payload")
        return payload


class Spawner(StepKind[SpawnConfig]):
    """Creates sub-jobs."""

    name = "spawn"
    title = "Create sub-jobs"
    Config = SpawnConfig

    def prepare(self) -> None:
        each = self.config.for_each
        self.items = None if each is None else self.expression("for_each", each)
        extra = () if each is None else (ITEM,)
        self.payload: Filled = Filler(self, extra).compile("payload", self.config.payload)

    def run(self, context: StepContext) -> Outcome:
        config = self.config
        jobs = [
            ChildJob(config.workflow, payload, queue=config.queue, priority=config.priority)
            for payload in self._payloads(context)
        ]
        if not jobs:
            return Done({"spawned": 0, "jobs": []} | ({"children": []} if config.join else {}))
        return Spawn(tuple(jobs), {"spawned": len(jobs)}, config.on_child_failure if config.join else None)

    def _payloads(self, context: StepContext) -> Iterator[dict[str, Any]]:
        names = context.names()
        if self.items is None:
            yield self.payload(names)
            return
        items = value_of(self.items, names)
        if not isinstance(items, list):
            raise PermanentError(f"for_each must give a list: {self.items.source}")
        if len(items) > self.config.limit:
            raise PermanentError(f"for_each gives {len(items)} elements, more than the limit of {self.config.limit}")
        for item in items:
            yield self.payload(names | {ITEM: item})

    def dry_run(self, context: StepContext) -> Outcome:
        payloads = list(self._payloads(context))
        # Steps behind it may read what a join gives: of jobs that are not made there are no results.
        joined: dict[str, Any] = {"children": []} if self.config.join else {}
        return Done({"spawned": len(payloads), "would_spawn": payloads[:10]} | joined)

    def output_schema(self) -> dict[str, Any]:
        properties: dict[str, Any] = {
            "spawned": {"type": "integer"},
            "jobs": {"type": "array", "items": {"type": "string"}},
        }
        if self.config.join:
            properties["children"] = {"type": "array", "items": {"type": "object"}}
        return {"type": "object", "properties": properties, "required": ["spawned"]}
