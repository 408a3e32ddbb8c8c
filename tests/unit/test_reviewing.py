"""The rules of people in the loop: what a workflow file may say, and what a reviewer may change."""

from datetime import timedelta
from typing import Any

import pytest

from jobs.domain.reviews import Decision, Hold, Reviewer, output_after
from tenants.domain.roles import Role
from tests.factories import NOW
from workflows.domain.definition import DefinitionError
from workflows.domain.fields import FieldType, InputField
from workflows.domain.outcomes import ChildJob, Done, PermanentError, Snooze, Spawn, Stop, Wait
from workflows.domain.reviewing import ReviewField, ReviewRule, check_edits, editable_fields
from workflows.kinds.base import StepContext
from workflows.kinds.registry import make_gate, make_runner
from workflows.kinds.reviewing import Gate
from workflows.runtime import Plan, PlannedStep, run_plan
from workflows.services.checking import check_definition

ROUTE = {"kind": "route", "config": {"routes": [{"to": "a", "when": "true"}]}}


def problems(*steps: dict[str, Any]) -> list[str]:
    data = {"slug": "x", "name": "X", "steps": [{"key": f"s{index}"} | step for index, step in enumerate(steps)]}
    try:
        check_definition(data)
    except DefinitionError as error:
        return [str(problem) for problem in error.problems]
    return []


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({}, "steps.0.review: never asks; give confidence_below, on_invalid or when"),
        ({"when": "true", "due_in": "4q"}, "steps.0.review.due_in: '4q' is not a time span."),
        ({"when": "true", "escalate_to": "owner"}, "steps.0.review: escalate_to needs due_in"),
        ({"when": "true", "on_reject": "workflow"}, "steps.0.review: reject_workflow and on_reject: workflow belong"),
        ({"when": "true", "fields": ["a", {"key": "a"}]}, "steps.0.review: a field is there twice"),
        ({"when": "true", "fields": [{"key": "a", "type": "choice"}]}, "fields.0: choices belong to the type choice"),
        ({"when": "true", "fields": [{"key": "a", "choices": ["b", "b"]}]}, "fields.0: a choice is there twice"),
        ({"when": "output.x > > 1"}, "steps.0.review.when: column 12"),
        ({"when": "steps.s0.x"}, "steps.0.review.when: 's0' is this step itself"),
        ({"when": "steps.nope.x"}, "steps.0.review.when: there is no step 'nope'"),
        ({"when": "true", "question": "{{ outpu.x }}"}, "steps.0.review.question: 'outpu' is not known, did you mean"),
        ({"confidence_below": 80}, "steps.0.review.confidence_below: should be less than or equal to 1"),
    ],
)
def test_a_rule_that_cannot_work_is_refused_with_its_place(rule: dict[str, Any], told: str) -> None:
    assert any(told in problem for problem in problems(ROUTE | {"review": rule})), problems(ROUTE | {"review": rule})


def test_steps_that_ask_or_spawn_are_not_reviewed() -> None:
    rule = {"when": "true"}
    spawn = {"kind": "spawn", "config": {"workflow": "x", "payload": {"a": 1}}, "review": rule}
    assert problems({"kind": "approve", "review": rule}, spawn) == [
        "steps.0.review: a step of the kind approve cannot be reviewed: it asks a person already",
        "steps.1.review: a step of the kind spawn cannot be reviewed: it makes its sub-jobs at once",
    ]


def test_an_approve_step_names_what_is_wrong_with_it() -> None:
    assert problems({"kind": "approve", "config": {"question": "{{ nope }}", "show": ["a b"]}}) == [
        "steps.0.config.show.0: 'a b' is not a path like total or payload.items[0].name",
        "steps.0.config.question: 'nope' is not known; known are job, now, payload, record, steps, tenant",
    ]
    assert problems({"kind": "approve", "config": {"show": ["steps.later.x"]}}) == [
        "steps.0.config.show.0: there is no step 'later'"
    ]


def test_types_come_from_the_rule_the_workflow_the_schema_and_the_value_in_this_order() -> None:
    known = [
        InputField(key="total", type=FieldType.NUMBER, required=True, label="Sum"),
        InputField(key="kind", type=FieldType.CHOICE, choices=("a", "b")),
        InputField(key="ruled", type=FieldType.TEXT, max_length=9),
    ]
    schema = {
        "properties": {
            "day": {"type": ["null", "string"], "format": "date"},
            "level": {"enum": ["low", "high", None]},
            "items": {"type": "array"},
            "any": {},
            "odd": {"type": "null"},
            "name": {"type": "string"},
        }
    }
    wanted = [
        ReviewField(key="total", label="Amount"),
        ReviewField(key="kind"),
        ReviewField(key="ruled", type=FieldType.INTEGER, required=True),
        ReviewField(key="picked", choices=("x",)),
        *[ReviewField(key=key) for key in ("day", "level", "items", "any", "odd", "name", "yes", "number", "list")],
    ]
    values = {"yes": True, "number": 1.5, "list": [1], "any": {"a": 1}, "odd": None}
    fields = {field.key: field for field in editable_fields(wanted, known, schema, values)}
    assert {key: field.type.value for key, field in fields.items()} == {
        "total": "number",
        "kind": "choice",
        "ruled": "integer",
        "picked": "choice",
        "day": "date",
        "level": "choice",
        "items": "list",
        "any": "object",
        "odd": "text",
        "name": "text",
        "yes": "boolean",
        "number": "number",
        "list": "list",
    }
    assert (fields["total"].label, fields["total"].required, fields["ruled"].required) == ("Amount", True, True)
    assert (fields["level"].choices, fields["ruled"].max_length) == (("low", "high"), None)


def test_without_a_choice_every_field_of_the_output_may_be_edited_but_no_verdict() -> None:
    proposal = {"total": 1, "valid": False, "problems": [], "with space": 2, "_x": 3, "k" * 70: 4}
    assert [field.key for field in editable_fields((), (), {}, proposal)] == ["total"]


def test_edits_are_checked_together_with_what_stays() -> None:
    fields = [
        InputField(key="a", required=True, role="output"),
        InputField(key="b", type=FieldType.INTEGER, role="output"),
    ]
    assert [str(problem.field) for problem in check_edits(fields, {}, {"b": "x", "c": 1})] == ["c", "a", "b"]
    assert check_edits(fields, {"a": "x"}, {"b": 2}) == []


def context(**record: Any) -> StepContext:
    return StepContext(payload={}, steps={}, job={}, tenant={}, now=NOW, record=record)


def gate(**rule: Any) -> Gate:
    made = make_gate("python", rule)
    assert made is not None
    return made


def test_only_what_gives_an_output_is_reviewed() -> None:
    always = gate(when="true", question="Is {{ output.a }} right?")
    question = always.asks(Stop({"a": 1}), context(), step="S", schema={})
    assert question is not None
    assert (question.title, question.proposal, question.stamp, question.reason) == ("Is 1 right?", {"a": 1}, {}, "")
    for outcome in (Wait("x"), Snooze(NOW)):
        assert always.asks(outcome, context(), step="S", schema={}) is None
    with pytest.raises(PermanentError, match="sub-jobs cannot be reviewed"):
        always.asks(Spawn((ChildJob("x", {}),)), context(), step="S", schema={})


def test_a_question_whose_template_does_not_fit_is_asked_in_other_words() -> None:
    question = gate(when="true", question="Is {{ output.nope.x }} right?").asks(
        Done({"a": 1}), context(), step="S", schema={}
    )
    assert question is not None
    assert question.title == "S: is this right?"


def test_every_reason_is_told() -> None:
    rule = gate(confidence_below=0.9, on_invalid=True, when="confidence < 0.7")
    output = {"valid": False, "problems": [{"field": "a", "message": "is odd"}, {"message": "no"}, "?"]}
    question = rule.asks(Done(output, confidence=0.5), context(a=1), step="S", schema={})
    assert question is not None
    assert question.reason == "50% sure, less than 90%; a: is odd; no; it holds that confidence < 0.7"
    assert question.stamp == {"valid": True}
    assert rule.asks(Done({"valid": True}, confidence=0.95), context(), step="S", schema={}) is None


def test_a_failed_check_is_asked_about_where_the_rule_says_so() -> None:
    error = PermanentError("x", details={"problems": "not a list"})
    question = gate(on_invalid=True, fields=["a"]).asks_about(error, context(a=1, b=2), step="S", schema={})
    assert question is not None
    assert (question.reason, question.proposal["a"], "b" in question.proposal) == ("a check failed", 1, False)
    assert gate(when="true").asks_about(error, context(), step="S", schema={}) is None
    assert gate(on_invalid=True).asks_about(PermanentError("x"), context(), step="S", schema={}) is None


def test_in_memory_a_run_goes_on_as_if_a_person_had_said_yes() -> None:
    fields = (InputField(key="a"),)
    check = {"rules": [{"field": "a", "one_of": ["x"]}]}
    steps = (
        PlannedStep("ok", "Ok", "approve", make_runner("approve", {"fields": ["a"], "show": ["a"]})),
        PlannedStep(
            "look",
            "Look",
            "validate",
            make_runner("validate", check),
            gate=gate(on_invalid=True, fields=["a"]),
        ),
        PlannedStep(
            "on", "On", "transform", make_runner("transform", {"fields": [{"name": "done", "template": "yes"}]})
        ),
    )
    result = run_plan(Plan(1, 1, steps, None, 60, fields), {"a": "y"}, tenant={}, now=NOW)
    assert (result.error, result.paused) == (None, None)
    assert result.outputs["ok"] == {"a": "y", "approved": True}
    assert result.outputs["look"]["valid"] is True
    assert list(result.reviews) == ["look"]
    assert result.record["done"] == "yes"


def test_a_rule_is_exported_as_it_was_written() -> None:
    rule = {"when": "output.to == 'a'", "fields": [{"key": "to"}], "due_in": 14400.0, "escalate_to": "owner"}
    data = {
        "slug": "x",
        "name": "X",
        "steps": [ROUTE | {"key": "s", "review": rule | {"due_in": "4h", "fields": ["to"]}}],
    }
    definition = check_definition(data)
    assert definition.to_data()["steps"][0]["review"] == rule
    assert check_definition(definition.to_data()) == definition
    assert isinstance(definition.steps[0].review, ReviewRule)


@pytest.mark.parametrize(
    ("who", "hold", "told"),
    [
        (Reviewer("a", Role.REVIEWER), Hold("reviewer"), ""),
        (Reviewer("a", Role.OPERATOR), Hold("reviewer"), ""),
        (Reviewer("a", Role.REVIEWER), Hold("operator"), "This review is for the role operator or a higher one."),
        (Reviewer("a", Role.EDITOR), Hold("reviewer", assignee="b"), "This review is for b."),
        (Reviewer("b", Role.REVIEWER), Hold("reviewer", assignee="b"), ""),
        (Reviewer("a", Role.OWNER), Hold("owner", assignee="b"), ""),
    ],
)
def test_who_may_answer(who: Reviewer, hold: Hold, told: str) -> None:
    assert hold.refusal(who) == told


def test_a_claim_counts_against_others_while_it_lasts() -> None:
    held = Hold("reviewer", claimed_by="a", claimed_until=NOW)
    assert held.claimed_by_another("b", now=NOW - timedelta(seconds=1))
    assert not held.claimed_by_another("a", now=NOW - timedelta(seconds=1))
    assert not held.claimed_by_another("b", now=NOW)
    assert not Hold("reviewer").claimed_by_another("b", now=NOW)


def test_a_yes_is_stamped_and_a_no_keeps_nothing_of_the_proposal() -> None:
    told = {"before": {"a": 1, "b": 2}, "edits": {"a": 3}, "stamp": {"valid": True}, "comment": "why"}
    assert output_after(Decision.APPROVE, **told) == {"a": 1, "b": 2, "valid": True}
    assert output_after(Decision.EDIT, **told) == {"a": 3, "b": 2, "valid": True}
    assert output_after(Decision.REJECT, **told) == {"rejected": True, "reject_reason": "why"}
