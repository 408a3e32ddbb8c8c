"""Publishing behind the gate: what people and programs do. Files and the gallery publish without one, and say so."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jobs.models import TrialItem
from jobs.services.gate import Gate, gate_of
from taskflow.lib.db import in_transaction
from workflows.domain.definition import Definition, DefinitionError, Problem
from workflows.models import Workflow, WorkflowVersion
from workflows.services import definition_of, publish
from workflows.services.findings import NO_STEP
from workflows.services.locks import lock_workflow
from workflows.services.naming import missing_connections, name_problems
from workflows.services.releases import EVERYBODY

if TYPE_CHECKING:
    from django.contrib.auth.models import User

#: What the gate may say for a draft to be published without more ado.
OPEN = frozenset({"passed", "no_golden"})
FEWEST_WORDS = 3
#: How many broken items a version remembers.
MOST_BROKEN = 20
LONGEST_REASON = 1_000
WORDS = {
    "passed": "Every golden sample comes out as it should.",
    "no_golden": "There is no golden sample, so nothing was proved.",
    "broken": "The draft breaks golden samples that the live version gets right.",
    "running": "The test of the golden samples is still running.",
    "stale": "The draft, the live version or the golden samples changed since they were last tested.",
    "missing": "The draft was not tested over the golden samples yet.",
}


class GateClosed(Exception):
    """The gate does not let the draft through, and nobody gave a reason to publish it all the same."""

    def __init__(self, gate: Gate, message: str = "") -> None:
        self.gate = gate
        super().__init__(message or f"{WORDS[gate.status]} Test it first, or say why it should go live all the same.")


@dataclass(frozen=True, slots=True)
class Findings:
    """What is to know before publishing: mistakes that forbid it, and warnings that do not."""

    mistakes: list[Problem]
    warnings: list[str]


def findings_of(workflow: Workflow) -> Findings:
    """Return what is wrong with the workflow's draft, with what it names too."""
    draft = WorkflowVersion.objects.filter(draft_of=workflow).select_related("workflow__tenant").first()
    if draft is None:
        return Findings([Problem("", "there is no draft to publish")], [])
    if not draft.steps.exists():
        return Findings([NO_STEP], [])
    try:
        definition = definition_of(draft)
    except DefinitionError as error:
        return Findings(list(error.problems), [])
    return _names(workflow, definition)


def _names(workflow: Workflow, definition: Definition) -> Findings:
    tenant = workflow.tenant
    return Findings(name_problems(tenant, definition), list(missing_connections(tenant, definition)))


def publish_draft(
    *,
    workflow: Workflow,
    notes: str = "",
    now: datetime,
    user: "User | None" = None,
    actor: str = "",
    share: int = EVERYBODY,
    override: str = "",
    revision: int | None = None,
) -> WorkflowVersion:
    """Publish the workflow's draft if the gate lets it through, or with a reason why it should be published anyway.

    What the gate said, and that reason, stay with the version. `revision` is that of the draft that was looked at.
    Raises DefinitionError with every mistake, GateClosed, and ValueError for no such share or a draft that changed.
    """

    def work() -> WorkflowVersion:
        row = lock_workflow(workflow)
        found = findings_of(row)
        if found.mistakes:
            raise DefinitionError(found.mistakes)
        if revision is not None and revision != _revision(row):
            raise DraftChanged("The draft was changed since you looked at it. Look at the differences again.")
        gate = gate_of(row, now=now)
        kept = _kept(gate, override, actor or str(user or ""), now)
        return publish(workflow=row, notes=notes, now=now, user=user, actor=actor, gate=kept, share=share)

    version = in_transaction(work)
    workflow.refresh_from_db(fields=["live_version", "next_version", "next_share"])
    return version


class DraftChanged(ValueError):
    """The draft is not the one that was looked at."""


def _revision(workflow: Workflow) -> int:
    return WorkflowVersion.objects.values_list("revision", flat=True).get(draft_of=workflow)


def _kept(gate: Gate, override: str, by: str, now: datetime) -> dict[str, Any]:
    """Return what the version keeps of the gate. Raises GateClosed."""
    kept: dict[str, Any] = {
        "status": gate.status,
        "run": gate.run and str(gate.run.uid),
        "broken": [_name(item) for item in gate.broken[:MOST_BROKEN]],
        "override": None,
    }
    if gate.status in OPEN:
        return kept
    reason = " ".join(override.split())[:LONGEST_REASON]
    if not reason:
        raise GateClosed(gate)
    if len(reason.split()) < FEWEST_WORDS:
        raise GateClosed(gate, f"Give the reason in at least {FEWEST_WORDS} words: it stays with the version.")
    return kept | {"override": {"by": by, "reason": reason, "at": now.isoformat()}}


def _name(item: TrialItem) -> str:
    return item.name or f"Item {item.position + 1}"
