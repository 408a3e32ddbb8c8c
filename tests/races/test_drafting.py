"""Several people edit one draft at the same time: no step is lost, and no position or edit is taken twice."""

from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from taskflow.lib.clock import utcnow
from tests.factories import make_workflow
from workflows.domain.drafts import DraftStep, fingerprint
from workflows.models import DraftChange, Step, Workflow
from workflows.queries import content_of, get_draft, get_draft_content
from workflows.services import publish
from workflows.services.drafting import Conflict, add_step, copy_step, delete_step, move_step, save_step, switch_step

EDITORS, EDITS = 6, 12
MAKE = {"fields": [{"name": "x", "template": "y"}]}
STEPS = [{"key": f"s{number}", "kind": "transform", "config": MAKE} for number in range(6)]


class Editor:
    """Somebody who edits without looking at what the others do; counts what was told to be done."""

    def __init__(self, workflow: Workflow, seed: int) -> None:
        self.workflow, self.chance = workflow, Random(seed)
        self.added = self.deleted = self.written = 0

    def work(self) -> None:
        for _ in range(EDITS):
            draft = get_draft(self.workflow)
            content = get_draft_content(self.workflow, draft)
            seen = {"workflow": self.workflow, "revision": draft.revision if draft else 0, "by": None, "now": utcnow()}
            try:
                made = self._edit(self.chance.choice(content.steps), content.keys, seen)
            except Conflict:
                continue
            self.written += made.change is not None

    def _edit(self, step: DraftStep, keys: list[str], seen: dict[str, Any]) -> Any:
        seen_step = seen | {"key": step.key, "opened": fingerprint(step)}
        kind = self.chance.choice(["add", "copy", "delete", "move", "save", "switch"])
        if kind == "add":
            made = add_step(step=DraftStep("new", "New", "transform", config=MAKE), after=step.key, **seen)
        elif kind == "copy":
            made = copy_step(**seen_step)
        elif kind == "delete" and len(keys) > 3:
            made = delete_step(**seen_step)
        elif kind == "switch":
            return switch_step(enabled=not step.enabled, **seen_step)
        elif kind == "save":
            return save_step(
                step=DraftStep(step.key, f"By {self.chance.random()}", "transform", config=MAKE), **seen_step
            )
        else:
            return move_step(key=step.key, after=self.chance.choice(["", *keys]), **seen)
        self.added += kind in {"add", "copy"}
        self.deleted += kind == "delete"
        return made


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("draft_is_there", [True, False])
def test_people_who_edit_one_draft_at_once_lose_no_step(draft_is_there: bool) -> None:
    workflow = make_workflow(slug="w", steps=STEPS)
    if not draft_is_there:
        workflow.draft.delete()
    editors = [Editor(Workflow.objects.get(pk=workflow.pk), seed) for seed in range(EDITORS)]
    together = Barrier(EDITORS + 1)

    def edit(editor: Editor) -> None:
        try:
            together.wait()
            editor.work()
        finally:
            connection.close()

    def publish_meanwhile() -> None:
        try:
            together.wait()
            for _ in range(3):
                publish(workflow=Workflow.objects.get(pk=workflow.pk), now=utcnow())
        finally:
            connection.close()

    with ThreadPoolExecutor(EDITORS + 1) as pool:
        running = [pool.submit(edit, editor) for editor in editors]
        published = pool.submit(publish_meanwhile) if draft_is_there else pool.submit(together.wait)
        for each in running:
            each.result()
        published.result()

    draft = get_draft(Workflow.objects.get(pk=workflow.pk))
    assert draft is not None
    rows = list(draft.steps.order_by("position"))
    expected = len(STEPS) + sum(editor.added - editor.deleted for editor in editors)
    assert [step.position for step in rows] == list(range(expected))
    assert len({step.key for step in rows}) == expected
    written = sum(editor.written for editor in editors)
    assert draft.revision == written
    assert DraftChange.objects.filter(workflow=workflow).count() == written > EDITORS
    revisions = list(DraftChange.objects.filter(workflow=workflow).values_list("revision", flat=True))
    assert sorted(revisions) == list(range(1, written + 1))
    for version in workflow.versions.exclude(number=None):
        positions = Step.objects.filter(version=version).order_by("position").values_list("position", flat=True)
        assert list(positions) == list(range(len(content_of(version).steps)))
