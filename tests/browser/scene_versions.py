"""A workflow with a history: three versions, the last of which is being released, and a draft beyond them."""

from datetime import datetime, timedelta
from typing import Any

from jobs.domain.states import State
from tests.factories import Cast, make_job
from workflows.models import DraftChange, Sample, Step, Workflow, WorkflowVersion
from workflows.services import publish
from workflows.services.gallery import get_starter, install_starter
from workflows.services.releases import roll_back

SLUG = "support-tickets"
PROMPT = (
    "A ticket that a customer or a colleague sent to the support. Read the whole of it before you decide: what they "
    "ask for at the end counts more than what annoys them at the beginning."
)
GATE = {
    "status": "broken",
    "run": None,
    "broken": ["A stolen card", "Locked out on a Monday"],
    "override": {
        "by": "owner@acme.test",
        "reason": "Both samples are from before the cards team took fraud over.",
        "at": "",
    },
}


def add_versions(cast: Cast, now: datetime) -> Workflow:
    """Install a starter, and let people change and publish it."""
    starter = get_starter(SLUG)
    at = now - timedelta(days=9)
    workflow = install_starter(tenant=cast.tenant, starter=starter, now=at, user=cast.editor).workflow
    _edit(workflow, "read", instruction=PROMPT.split(" Read")[0] + " Guess nothing.")
    _changed(workflow, cast, at + timedelta(days=1), "read", "Instruction of 'Find type, topic and urgency' changed")
    gate = GATE | {"override": dict(GATE["override"]) | {"at": (now - timedelta(days=4)).isoformat()}}  # type: ignore[call-overload]
    publish(
        workflow=workflow,
        notes="Fraud goes to the cards team.\nSays so in the answer, too.",
        now=now - timedelta(days=4),
        user=cast.owner,
        gate=gate,
    )
    roll_back(workflow=workflow, number=1, now=now - timedelta(days=3), user=cast.operator, reason="Too many urgent.")
    roll_back(workflow=workflow, number=2, now=now - timedelta(days=2), user=cast.editor)
    _edit(workflow, "read", instruction=PROMPT)
    passed = {"status": "passed", "run": None, "broken": [], "override": None}
    third = now - timedelta(hours=3)
    publish(workflow=workflow, notes="Reads to the end.", now=third, user=cast.editor, gate=passed, share=25)
    _draft(workflow, cast, now)
    for number, count in ((1, 14), (2, 40), (3, 12)):
        _jobs(workflow, number, count, now)
    Sample.objects.filter(workflow=workflow, name="").delete()
    return workflow


def _draft(workflow: Workflow, cast: Cast, now: datetime) -> None:
    draft = WorkflowVersion.objects.get(draft_of=workflow)
    draft.fields = [field | ({"max_length": 20_000} if field["key"] == "text" else {}) for field in draft.fields]
    draft.retry_policy = (draft.retry_policy or {}) | {"max_attempts": 5}
    draft.edited_at, draft.edited_by = now - timedelta(minutes=14), cast.editor
    draft.save()
    step = draft.steps.get(key="read")
    fields = step.config["fields"]
    fields[1]["choices"] = [*fields[1]["choices"], "fraud"]
    fields[2]["description"] = (
        "urgent when safety, money or several people are at stake, else high if somebody cannot work"
    )
    step.review = {"confidence_below": 0.7, "assign_to_role": "operator"}
    step.save()
    last = draft.steps.order_by("position").last()
    assert last is not None
    Step.objects.create(
        version=draft,
        position=last.position + 1,
        key="thank",
        name="Thank the customer",
        kind="transform",
        config={"fields": [{"name": "thanks", "template": "Thank you, we are on it."}]},
    )
    _changed(
        workflow, cast, now - timedelta(minutes=40), "read", "Topic 'fraud' added to 'Find type, topic and urgency'"
    )
    _changed(workflow, cast, now - timedelta(minutes=14), "thank", "Step 'Thank the customer' added")


def _edit(workflow: Workflow, key: str, **config: Any) -> None:
    step = WorkflowVersion.objects.get(draft_of=workflow).steps.get(key=key)
    step.config = step.config | config
    step.save()


def _changed(workflow: Workflow, cast: Cast, at: datetime, key: str, text: str) -> None:
    DraftChange.objects.create(workflow=workflow, at=at, by=cast.editor, step_key=key, text=text)


def _jobs(workflow: Workflow, number: int, count: int, now: datetime) -> None:
    version = workflow.versions.get(number=number)
    kinds = ("incident", "incident", "request", "question")
    for index in range(count):
        at = now - timedelta(hours=2, minutes=index)
        state = State.FAILED if index % 13 == 12 else State.SUCCEEDED
        result = {"type": kinds[(index + number) % 4], "priority": ("normal", "high", "normal")[index % 3]}
        ended = {"started_at": at, "finished_at": at + timedelta(seconds=2 + index % 5 - number * 0.4)}
        make_job(workflow, state, now=at, version=version, payload={"text": "…"}, result=result, **ended)
    if number == 1:
        make_job(workflow, State.SCHEDULED, now=now, version=version, payload={"text": "…"})
