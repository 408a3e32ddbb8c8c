"""What the pages about versions share: finding the workflow, the gate in words, and what can be taken back."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.shortcuts import get_object_or_404

from jobs.services.publishing import WORDS
from tenants.models import Tenant
from workflows.models import Release, Workflow, WorkflowVersion

#: For how long a page offers to take the last choice back.
UNDO_FOR = timedelta(days=1)
GATE_TONES = {"passed": "succeeded", "no_golden": "cancelled"}
GATE_LABELS = {
    "passed": "Gate passed",
    "no_golden": "No golden samples",
    "broken": "Broke golden samples",
    "running": "Gate was running",
    "stale": "Tested before it changed",
    "missing": "Not tested",
}


@dataclass(frozen=True, slots=True)
class GateView:
    """What the gate said when a version was published, in words. `override` says who published it all the same."""

    label: str
    tone: str
    words: str
    broken: list[str]
    override: dict[str, Any] | None


def get_workflow(tenant: Tenant, slug: str) -> Workflow:
    """Return the tenant's workflow of this slug. Raises Http404."""
    rows = Workflow.objects.for_tenant(tenant).select_related("tenant", "live_version", "next_version")
    workflow: Workflow = get_object_or_404(rows, slug=slug)
    return workflow


def gate_view(version: WorkflowVersion) -> GateView:
    """Return what the gate said of a version, in words."""
    gate = version.gate
    if not isinstance(gate, dict):
        words = "It came from a file, a command or the gallery, which ask no gate."
        return GateView("No gate", "cancelled", words, [], None)
    status = str(gate.get("status", ""))
    override = gate.get("override")
    tone = GATE_TONES.get(status, "failed")
    if override:
        override = override | {"at": datetime.fromisoformat(override["at"])}
    return GateView(GATE_LABELS.get(status, status), tone, WORDS.get(status, ""), gate.get("broken", []), override)


def undoable(workflow: Workflow, *, now: datetime) -> Release | None:
    """Return the last choice, if it can be taken back and is not long ago."""
    last = workflow.releases.select_related("version", "was_live", "by").last()
    if last is None or last.kind == Release.Kind.UNDONE or last.was_live is None or now - last.at > UNDO_FOR:
        return None
    return last
