"""The gate before publishing: no golden sample that the live version has right may come out wrong."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from django.db.models import QuerySet

from jobs.domain.comparing import Status
from jobs.domain.trials import TrialState
from jobs.models import Trial, TrialItem
from jobs.services.trials import golden_print, golden_samples, snapshot_of, start_trial
from workflows.domain.definition import DefinitionError
from workflows.models import Workflow

if TYPE_CHECKING:
    from django.contrib.auth.models import User

GateStatus = Literal["passed", "broken", "stale", "missing", "no_golden", "running"]
SOURCE = "golden samples, for publishing"
#: How many broken items are told at most.
MOST_BROKEN = 100


@dataclass(frozen=True, slots=True)
class Gate:
    """What the newest test of the draft over all golden samples says.

    - passed: nothing broke; broken: the items in `broken` did;
    - running: such a test is under way;
    - stale: the draft, the live version or the golden samples changed since the newest one; missing: there is none;
    - no_golden: there is no golden sample, so nothing can be proved.

    `run` is the test that is meant, where there is one.
    """

    status: GateStatus
    run: Trial | None = None
    broken: list[TrialItem] = field(default_factory=list)


def gate_of(workflow: Workflow, *, now: datetime) -> Gate:
    """Return whether the workflow's draft as it is now has been proved. A draft that cannot run is stale at best."""
    golden = golden_samples(workflow)
    if not golden:
        return Gate("no_golden")
    runs = Trial.objects.filter(workflow=workflow, step_key="").exclude(golden="").order_by("-pk")
    try:
        content = snapshot_of(workflow).content
    except DefinitionError:
        content = ""
    fitting = runs.filter(content=content, golden=golden_print(golden), live_version=workflow.live_version_id)
    found = _newest(fitting, TrialState.RUNNING) or _newest(fitting, TrialState.DONE)
    if found is None:
        last = runs.first()
        return Gate("missing") if last is None else Gate("stale", last)
    if not found.is_over:
        return Gate("running", found)
    broken = list(found.items.filter(status=Status.BROKEN.value).order_by("position")[:MOST_BROKEN])
    return Gate("broken", found, broken) if broken else Gate("passed", found)


def _newest(runs: QuerySet[Trial], state: TrialState) -> Trial | None:
    return runs.filter(state=state.value).first()


def start_gate_run(workflow: Workflow, user: "User | None", now: datetime) -> Trial:
    """Start the test that the gate asks for. Raises NothingToTest or DefinitionError."""
    return start_trial(workflow=workflow, samples=golden_samples(workflow), user=user, now=now, source=SOURCE)
