"""Editing drafts: what each edit does to the rows, what merges, what is a conflict, and what can be undone."""

from dataclasses import replace
from typing import Any

import pytest

from taskflow.lib.clock import utcnow
from tests.factories import Cast, make_job, make_version, make_workflow
from workflows.domain.definition import DefinitionError
from workflows.domain.drafts import BadEdit, DraftStep, fingerprint
from workflows.models import DraftChange, Step, Workflow
from workflows.queries import content_of, get_draft, get_draft_content
from workflows.services import check_definition, import_workflow, publish
from workflows.services.drafting import (
    Conflict,
    add_step,
    copy_step,
    delete_step,
    discard_changes,
    move_step,
    replace_draft,
    save_fields,
    save_settings,
    save_step,
    switch_step,
    undo_change,
)
from workflows.services.findings import find_problems
from workflows.services.lifecycle import WorkflowInUse, create_workflow, delete_workflow

pytestmark = pytest.mark.django_db
MAKE = {"fields": [{"name": "x", "template": "y"}]}


@pytest.fixture
def workflow(acme: Cast) -> Workflow:
    """A workflow of three steps that make a field each: a, b and c."""
    steps = [{"key": key, "kind": "transform", "config": MAKE} for key in "abc"]
    return make_workflow(acme.tenant, "w", steps=steps)


class Person:
    """Somebody who has the draft open as it was when they looked."""

    def __init__(self, workflow: Workflow, user: Any) -> None:
        self.workflow, self.user = workflow, user
        self.look()

    def look(self) -> "Person":
        draft = get_draft(self.workflow)
        self.revision = 0 if draft is None else draft.revision
        self.content = get_draft_content(self.workflow, draft)
        return self

    def does(self, service: Any, **arguments: Any) -> Any:
        seen = {"workflow": self.workflow, "revision": self.revision, "by": self.user, "now": utcnow()}
        return service(**seen | arguments)

    def on_step(self, service: Any, key: str, **arguments: Any) -> Any:
        return self.does(service, key=key, opened=fingerprint(self.content.step(key)), **arguments)

    def saves(self, key: str, /, **changes: Any) -> Any:
        step = self.content.step(key)
        return self.on_step(save_step, key, step=replace(step, **changes))


@pytest.fixture
def maria(workflow: Workflow, acme: Cast) -> Person:
    return Person(workflow, acme.editor)


@pytest.fixture
def paul(workflow: Workflow, acme: Cast) -> Person:
    return Person(workflow, acme.owner)


def keys(workflow: Workflow) -> list[str]:
    return list(workflow.draft.steps.order_by("position").values_list("key", flat=True))


def texts(workflow: Workflow) -> list[str]:
    return list(DraftChange.objects.filter(workflow=workflow).values_list("text", flat=True))


def test_steps_are_added_copied_moved_switched_and_deleted(workflow: Workflow, maria: Person, acme: Cast) -> None:
    maria.does(add_step, step=DraftStep("b", "Sort", "classify"), after="a")
    assert keys(workflow) == ["a", "b_2", "b", "c"]
    maria.look().on_step(copy_step, "c")
    assert keys(workflow) == ["a", "b_2", "b", "c", "c_2"]
    maria.look().does(move_step, key="c_2", after="")
    assert keys(workflow) == ["c_2", "a", "b_2", "b", "c"]
    maria.look().on_step(switch_step, "a", enabled=False)
    assert not workflow.draft.steps.get(key="a").enabled
    maria.look().on_step(delete_step, "b")
    assert keys(workflow) == ["c_2", "a", "b_2", "c"]
    assert [step.position for step in workflow.draft.steps.order_by("position")] == [0, 1, 2, 3]
    assert texts(workflow) == [
        "Step 'Sort' added",
        "Step 'C' copied",
        "Step 'C (copy)' moved to place 1",
        "Step 'A' switched off",
        "Step 'B' deleted",
    ]
    draft = get_draft(workflow)
    assert draft is not None
    assert (draft.revision, draft.edited_by) == (5, acme.editor)


def test_the_last_edit_is_undone_whatever_it_was(workflow: Workflow, maria: Person) -> None:
    before = content_of(workflow.draft)
    edits = [
        lambda: maria.does(add_step, step=DraftStep("n", "New", "route")),
        lambda: maria.does(move_step, key="c", after=""),
        lambda: maria.on_step(delete_step, "b"),
        lambda: maria.saves("a", key="renamed", config={"fields": []}, timeout=5.0),
        lambda: maria.does(save_fields, fields=[{"key": "text"}], opened=""),
        lambda: maria.does(
            save_settings, settings={"name": "Other", "active": False}, timeout=7.0, retry_policy=None, opened=""
        ),
    ]
    for edit in edits:
        maria.look()
        made = edit()
        workflow.refresh_from_db()
        assert content_of(get_draft(workflow)) != before or workflow.name == "Other"  # type: ignore[arg-type]
        undo_change(workflow=workflow, change_id=made.change.pk, by=maria.user, now=utcnow())
        workflow.refresh_from_db()
        assert content_of(get_draft(workflow)) == before  # type: ignore[arg-type]
        assert (workflow.name, workflow.active) == ("W", True)
    assert texts(workflow) == []


def test_only_the_last_edit_is_undone_and_only_once(workflow: Workflow, maria: Person) -> None:
    first = maria.on_step(delete_step, "a").change
    second = maria.look().on_step(delete_step, "b").change
    for number in (first.pk, second.pk + 1, 0):
        with pytest.raises(Conflict):
            undo_change(workflow=workflow, change_id=number, by=maria.user, now=utcnow())
    undo_change(workflow=workflow, change_id=second.pk, by=maria.user, now=utcnow())
    with pytest.raises(Conflict):
        undo_change(workflow=workflow, change_id=second.pk, by=maria.user, now=utcnow())
    assert keys(workflow) == ["b", "c"]


def test_edits_of_different_steps_merge(workflow: Workflow, maria: Person, paul: Person) -> None:
    maria.saves("a", name="By Maria")
    paul.saves("b", name="By Paul")
    paul.does(move_step, key="c", after="")
    assert [(step.key, step.name) for step in content_of(workflow.draft).steps] == [
        ("c", "C"),
        ("a", "By Maria"),
        ("b", "By Paul"),
    ]


def test_the_same_step_is_a_conflict_which_tells_who_changed_what(
    workflow: Workflow, maria: Person, paul: Person
) -> None:
    maria.saves("a", config={"fields": [{"name": "x", "template": "hers"}]})
    for attempt in (
        lambda: paul.saves("a", name="His"),
        lambda: paul.on_step(delete_step, "a"),
        lambda: paul.on_step(switch_step, "a", enabled=False),
    ):
        with pytest.raises(Conflict) as caught:
            attempt()
        assert [(change.by, change.text) for change in caught.value.changes] == [(maria.user, "Fields of 'A' changed")]
    assert workflow.draft.steps.get(key="a").name == "A"
    paul.look().saves("a", name="His")
    assert workflow.draft.steps.get(key="a").config["fields"][0]["template"] == "hers"


def test_a_step_that_is_gone_is_a_conflict(workflow: Workflow, maria: Person, paul: Person) -> None:
    maria.on_step(delete_step, "a")
    for attempt in (
        lambda: paul.saves("a", name="His"),
        lambda: paul.does(move_step, key="a", after="c"),
        lambda: paul.does(move_step, key="b", after="a"),
        lambda: paul.on_step(copy_step, "a"),
    ):
        with pytest.raises(Conflict):
            attempt()
    paul.does(add_step, step=DraftStep("n", "New", "route"), after="a")
    assert keys(workflow) == ["b", "c", "n"]


def test_fields_and_settings_are_parts_of_their_own(workflow: Workflow, maria: Person, paul: Person) -> None:
    maria.does(save_fields, fields=[{"key": "text"}], opened=fingerprint([]))
    with pytest.raises(Conflict):
        paul.does(save_fields, fields=[{"key": "other"}], opened=fingerprint([]))
    paul.saves("a", name="His")
    assert paul.look().content.fields == ({"key": "text"},)


def test_saving_without_a_difference_writes_nothing(workflow: Workflow, maria: Person) -> None:
    assert maria.saves("a", config=MAKE | {"existing": "replace"}).change is None
    assert texts(workflow) == []
    assert get_draft(workflow).revision == 0  # type: ignore[union-attr]


def test_a_draft_may_hold_what_cannot_run_and_publishing_refuses_it(workflow: Workflow, maria: Person) -> None:
    maria.saves("a", config={"nonsense": "x"}, retry={"max_attempts": "many"})
    maria.look().saves("b", config={"fields": [{"name": "z", "expression": "steps.a.x"}]})
    with pytest.raises(DefinitionError, match="max_attempts"):
        publish(workflow=workflow, now=utcnow())
    found = find_problems(workflow, maria.look().content)
    assert {problem.place for problem in found.mistakes} == {
        "steps.0.retry.max_attempts",
        "steps.0.config.nonsense",
        "steps.0.config.fields",
    }


def test_a_step_that_is_switched_off_blocks_nobody_unless_another_needs_it(workflow: Workflow, maria: Person) -> None:
    maria.saves("a", config={"nonsense": "x"}, retry={"max_attempts": "many"}, review={"on_invalid": False})
    maria.look().on_step(switch_step, "a", enabled=False)
    assert find_problems(workflow, maria.look().content).mistakes == ()
    version = publish(workflow=workflow, now=utcnow())
    assert [step.key for step in version.steps.all()] == ["b", "c"]
    maria.look().saves("b", config={"fields": [{"name": "z", "expression": "steps.a.x"}]})
    with pytest.raises(DefinitionError, match="the step 'a' is switched off"):
        publish(workflow=workflow, now=utcnow())
    for key in "bc":
        maria.look().on_step(switch_step, key, enabled=False)
    with pytest.raises(DefinitionError, match="all steps are switched off"):
        publish(workflow=workflow, now=utcnow())


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"key": "no good"}, "key"),
        ({"key": "b"}, "key"),
        ({"name": " "}, "name"),
        ({"timeout": float("nan")}, "timeout"),
        ({"timeout": -1.0}, "timeout"),
    ],
)
def test_what_no_step_can_have_is_refused_by_field(
    workflow: Workflow, maria: Person, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(BadEdit) as caught:
        maria.saves("a", **changes)
    assert caught.value.field == field
    assert get_draft(workflow).revision == 0  # type: ignore[union-attr]


def test_a_new_key_is_written_into_the_steps_that_name_the_old_one(acme: Cast) -> None:
    route = {
        "routes": [{"when": "steps.a.x == 'steps.b' && steps['a'].x != 'a'", "to": "t", "goto": "c"}],
        "default": {"to": "a"},
    }
    steps = [
        {"key": "a", "kind": "transform", "config": MAKE},
        {"key": "b", "kind": "route", "config": route},
        {"key": "c", "kind": "transform", "config": MAKE, "review": {"when": "steps.a.x == 'y'"}},
        {"key": "d", "kind": "transform", "config": {"fields": [{"name": "z", "template": "{{ steps.a.x }", "no": 1}]}},
    ]
    workflow = make_workflow(acme.tenant, "r", steps=steps)
    person = Person(workflow, acme.editor)
    told = person.saves("a", key="first").told
    content = content_of(workflow.draft)
    assert content.step("b").config["routes"][0]["when"] == "steps.first.x == 'steps.b' && steps['first'].x != 'a'"
    assert content.step("b").config["default"] == {"to": "a"}
    assert content.step("c").review == {"when": "steps.first.x == 'y'"}
    assert told == (
        "'B' names the step by its new key now.",
        "'C' names the step by its new key now.",
        "'D' may still name 'a': look it through.",
    )
    told = person.look().saves("c", key="last").told
    assert content_of(workflow.draft).step("b").config["routes"][0]["goto"] == "last"


def test_without_a_draft_the_first_edit_makes_one_of_what_is_live(workflow: Workflow, maria: Person) -> None:
    workflow.draft.delete()
    make_version(workflow, number=2, steps=[{"key": "only", "kind": "transform", "config": MAKE}])
    workflow.refresh_from_db()
    Person(workflow, maria.user).saves("only", name="Changed")
    assert [step.name for step in content_of(Workflow.objects.get().draft).steps] == ["Changed"]
    assert workflow.live_version is not None
    assert workflow.live_version.steps.get().name == "Only"


def test_discarding_goes_back_to_what_is_live(workflow: Workflow, maria: Person) -> None:
    maria.on_step(delete_step, "a")
    made = maria.look().does(discard_changes)
    assert keys(workflow) == ["a", "b", "c"]
    undo_change(workflow=workflow, change_id=made.change.pk, by=maria.user, now=utcnow())
    assert keys(workflow) == ["b", "c"]


def test_a_file_replaces_the_draft_and_the_import_is_noticed(workflow: Workflow, maria: Person, acme: Cast) -> None:
    step = {"key": "z", "kind": "transform", "config": MAKE}
    definition = check_definition({"slug": "other", "name": "New", "steps": [step]})
    made = maria.does(replace_draft, definition=definition, source="file.yaml")
    workflow.refresh_from_db()
    assert (keys(workflow), workflow.name, workflow.slug) == (["z"], "New", "w")
    undo_change(workflow=workflow, change_id=made.change.pk, by=maria.user, now=utcnow())
    workflow.refresh_from_db()
    assert (keys(workflow), workflow.name) == (["a", "b", "c"], "W")
    import_workflow(tenant=acme.tenant, definition=definition.model_copy(update={"slug": "w"}))
    with pytest.raises(Conflict):
        maria.saves("a", name="Late")


def test_fields_that_cannot_be_are_refused_with_their_places(workflow: Workflow, maria: Person) -> None:
    fields = [{"key": "a"}, {"key": "a", "type": "choice"}, {"key": "no good", "max_length": "long"}]
    with pytest.raises(DefinitionError) as caught:
        maria.does(save_fields, fields=fields)
    assert {problem.place for problem in caught.value.problems} == {
        "fields.1",
        "fields.1.key",
        "fields.2.key",
        "fields.2.max_length",
    }


def test_a_workflow_is_made_of_a_name_and_deleted_while_it_has_no_jobs(acme: Cast) -> None:
    made = [
        create_workflow(
            tenant=acme.tenant, name=name, singular="Ticket", plural="Tickets", by=acme.editor, now=utcnow()
        )
        for name in ("Sort Tickets!", "Sort tickets", "New", "票")
    ]
    assert [workflow.slug for workflow in made] == ["sort-tickets", "sort-tickets-2", "new-workflow", "workflow"]
    delete_workflow(workflow=made[0])
    busy = make_workflow(acme.tenant, "busy")
    make_job(busy)
    with pytest.raises(WorkflowInUse, match="It has jobs"):
        delete_workflow(workflow=busy)
    assert Workflow.objects.filter(slug__in=["sort-tickets", "busy"]).count() == 1
    assert Step.objects.filter(version__workflow=busy).count() == 2
