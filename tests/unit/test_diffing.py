"""What differs between two definitions: nothing between equal ones, everything between others, in terms of people."""

import copy
import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from workflows.domain.definition import Definition
from workflows.domain.diffing import Change, Diff, StepDiff, compare, diff, diff_data
from workflows.domain.wordwise import pieces

BASE: dict[str, Any] = {
    "slug": "tickets",
    "name": "Tickets",
    "description": "Sorts tickets.",
    "labels": {"singular": "Ticket", "plural": "Tickets"},
    "queue": "default",
    "fields": [
        {"key": "text", "required": True},
        {"key": "team", "role": "output", "choices": ["A", "B"], "type": "choice"},
    ],
    "retry_policy": {"max_attempts": 3},
    "timeout": 600.0,
    "steps": [
        {
            "key": "sort",
            "name": "Sort",
            "kind": "classify",
            "config": {
                "prompt": "Which team answers this question?",
                "labels": [{"name": "cards", "words": ["card", "atm"]}, {"name": "loans", "words": ["loan"]}],
            },
            "review": {"confidence_below": 0.8},
        },
        {
            "key": "check",
            "name": "Check",
            "kind": "validate",
            "config": {"rules": [{"field": "team", "required": True}]},
        },
        {"key": "tell", "name": "Tell", "kind": "http", "config": {"url": "https://a.example", "method": "POST"}},
        {"key": "last", "name": "Last", "kind": "transform", "config": {"fields": [{"name": "a", "expression": "1"}]}},
    ],
}


def changed(change: Any) -> Diff:
    """Return the diff from the base to what `change` makes of it."""
    after = copy.deepcopy(BASE)
    change(after)
    return diff_data(BASE, after)


def only_step(found: Diff) -> StepDiff:
    assert not found.workflow
    assert not found.fields
    (step,) = found.steps
    return step


def test_what_is_equal_does_not_differ() -> None:
    definition = Definition.model_validate(BASE)
    assert diff(definition, Definition.model_validate(copy.deepcopy(BASE))).is_empty
    assert not diff(definition, definition).changes_a_run


def test_samples_are_of_no_version() -> None:
    assert changed(lambda data: data.update(samples=[{"input": {"text": "x"}}])).is_empty


def test_words_of_a_prompt_are_told_apart() -> None:
    step = only_step(
        changed(lambda data: data["steps"][0]["config"].update(prompt="Which of our teams answers this question?"))
    )
    (change,) = step.changes
    assert (step.marks, change.path) == (("changed",), ("config", "prompt"))
    assert [(piece.how, piece.text) for piece in change.pieces] == [
        ("same", "Which "),
        ("removed", "team "),
        ("added", "of our teams "),
        ("same", "answers this question?"),
    ]


def test_rows_are_matched_by_what_they_are_called_and_not_by_their_place() -> None:
    def edit(data: dict[str, Any]) -> None:
        labels = data["steps"][0]["config"]["labels"]
        labels.insert(0, {"name": "transfers", "words": ["iban"]})
        labels[1]["words"].append("pin")
        del labels[2]

    changes = only_step(changed(edit)).changes
    assert [(change.path[2:], change.how) for change in changes] == [
        (("cards", "words"), "changed"),
        (("loans",), "removed"),
        (("transfers",), "added"),
    ]
    assert [(piece.how, piece.text) for piece in changes[0].pieces] == [
        ("same", "card"),
        ("same", "atm"),
        ("added", "pin"),
    ]


def test_rows_in_another_order_are_told_as_that() -> None:
    (change,) = only_step(changed(lambda data: data["steps"][0]["config"]["labels"].reverse())).changes
    assert (change.how, change.before, change.after) == ("reordered", ["cards", "loans"], ["loans", "cards"])


def test_a_scalar_is_told_old_and_new() -> None:
    found = changed(lambda data: data.update(timeout=60, retry_policy={"max_attempts": 5}))
    assert found.workflow == (
        Change(("retry_policy", "max_attempts"), "changed", 3, 5),
        Change(("timeout",), "changed", 600.0, 60),
    )


def test_fields_review_rules_and_policies_of_a_step_are_told() -> None:
    def edit(data: dict[str, Any]) -> None:
        data["fields"][0]["required"] = False
        data["steps"][0]["review"]["confidence_below"] = 0.9
        data["steps"][0]["retry"] = {"max_attempts": 1}
        data["steps"][0]["on_error"] = "continue"

    found = changed(edit)
    assert found.fields == (Change(("text", "required"), "changed", True, False),)
    assert {change.path for change in found.steps[0].changes} == {
        ("review", "confidence_below"),
        ("retry",),
        ("on_error",),
    }


def test_steps_come_go_move_and_are_switched_off() -> None:
    def edit(data: dict[str, Any]) -> None:
        sort, _, tell, last = data["steps"]
        last["enabled"] = False
        tell["name"] = "Tell them"
        new = {"key": "wait", "name": "Wait", "kind": "approve", "config": {}}
        data["steps"][:] = [tell, sort, new, last]

    found = changed(edit)
    assert [(step.key, step.marks) for step in found.steps] == [
        ("tell", ("moved", "renamed")),
        ("check", ("removed",)),
        ("wait", ("added",)),
        ("last", ("switched off",)),
    ]


def test_a_step_that_only_got_another_key_is_the_same_step() -> None:
    step = only_step(changed(lambda data: data["steps"][3].update(key="final")))
    assert (step.key, step.marks) == ("final", ("renamed",))
    assert step.changes[0].path == ("key",)


def test_a_step_that_a_draft_keeps_switched_off_changes_no_run() -> None:
    found = changed(lambda data: data["steps"].append({"key": "idle", "kind": "approve", "enabled": False}))
    assert only_step(found).marks == ("added", "switched off")
    assert not found.changes_a_run


@pytest.mark.parametrize(("before", "after"), [(1, True), (0, False), ("1", 1), (None, ""), ([], {}), ([1], [[1]])])
def test_values_of_another_kind_differ(before: Any, after: Any) -> None:
    assert list(compare(before, after))


def test_rows_that_nothing_names_are_matched_by_what_they_say() -> None:
    before = [{"min": 1}, {"min": 2}, {"min": 3}]
    after = [{"min": 2}, {"min": 4}, {"max": 5}]
    found = list(compare(before, after))
    assert [(change.path, change.how, change.before, change.after) for change in found] == [
        (("1",), "removed", {"min": 1}, None),
        (("2", "min"), "changed", 3, 4),
        (("3",), "added", None, {"max": 5}),
    ]


def test_a_very_long_text_is_told_apart_by_lines() -> None:
    lines = [f"{number} is a line of the text\n" for number in range(1000)]
    found = pieces("".join(lines), "".join([*lines[:500], "another\n", *lines[501:]]))
    assert [piece.how for piece in found] == ["same", "removed", "added", "same"]


TEXTS = st.text("ab \n.", max_size=12)


@given(before=TEXTS, after=TEXTS)
def test_pieces_put_together_are_the_texts(before: str, after: str) -> None:
    found = pieces(before, after)
    assert "".join(piece.text for piece in found if piece.how != "added") == before
    assert "".join(piece.text for piece in found if piece.how != "removed") == after


SCALARS = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "a", "b c"])
NAMED = st.dictionaries(st.sampled_from("xyz"), SCALARS, max_size=2)
ROWS = st.lists(st.tuples(st.sampled_from(["r", "s", "t"]), NAMED), max_size=3).map(
    lambda rows: [{"name": name} | rest for name, rest in rows]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("pqr"), inner, max_size=3) | ROWS,
)
STEPS = st.lists(
    st.fixed_dictionaries(
        {
            "key": st.sampled_from(["one", "two", "three", "four"]),
            "name": st.sampled_from(["", "One", "Two"]),
            "kind": st.sampled_from(["http", "route"]),
            "enabled": st.booleans(),
            "config": st.dictionaries(st.sampled_from("pqr"), VALUES, max_size=3),
            "timeout": st.none() | st.just(5.0),
        }
    ),
    max_size=4,
    unique_by=lambda step: step["key"],
)
FLOWS = st.fixed_dictionaries(
    {"name": st.sampled_from(["A", "B"]), "timeout": st.sampled_from([1.0, 2.0]), "fields": ROWS, "steps": STEPS}
)


def plain(value: Any) -> Any:
    """Return a value without what is null, which is as good as absent."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items() if inner is not None}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


@settings(max_examples=50)
@given(flow=FLOWS)
def test_nothing_differs_from_itself(flow: dict[str, Any]) -> None:
    assert diff_data(flow, copy.deepcopy(flow)).is_empty


FLOW = {"name": "A", "timeout": 1.0, "steps": []}
TWICE = [{"name": "r"}, {"name": "r"}]


@settings(max_examples=50)
@given(before=FLOWS, after=FLOWS)
@example(before=FLOW | {"fields": TWICE}, after=FLOW | {"fields": [{"name": "r", "x": None}, {"name": "r"}]})
def test_whatever_differs_is_in_the_diff(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert diff_data(before, after).is_empty == (
        json.dumps(plain(before), sort_keys=True) == json.dumps(plain(after), sort_keys=True)
    )


@settings(max_examples=50)
@given(before=FLOWS, after=FLOWS)
def test_the_diff_leads_from_one_to_the_other(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Every step of either side whose content is not the same is told, with its places, and no other is."""
    told = diff_data(before, after)
    olds, news = ({step["key"]: plain(step) for step in side["steps"]} for side in (before, after))
    same = {key for key in olds if olds[key] == news.get(key)}
    assert {step.key for step in told.steps if step.marks != ("moved",)}.isdisjoint(same)
    unexplained = (set(olds) ^ set(news)) - {step.key for step in told.steps}
    renamed_from = {change.before for step in told.steps for change in step.changes if change.path == ("key",)}
    assert unexplained <= renamed_from
    assert {key for key in set(olds) & set(news) if key not in same} <= {step.key for step in told.steps}


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(before=FLOWS, after=FLOWS)
def test_of_many_pairs_the_diff_tells_all_and_leads_from_one_to_the_other(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    test_whatever_differs_is_in_the_diff.hypothesis.inner_test(before=before, after=after)
    test_the_diff_leads_from_one_to_the_other.hypothesis.inner_test(before=before, after=after)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, (dict, list)) and value:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return [leaf for key, inner in items for leaf in leaves(inner, (*path, key))]
    return [path]


@pytest.mark.parametrize("path", [leaf for leaf in leaves(BASE) if leaf[0] != "slug"], ids=str)
def test_a_change_of_any_single_value_is_told(path: tuple[Any, ...]) -> None:
    after = copy.deepcopy(BASE)
    holder = after
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = "something else"
    found = diff_data(BASE, after)
    changes = [*found.workflow, *found.fields, *(change for step in found.steps for change in step.changes)]
    assert "something else" in json.dumps([[change.after for change in changes], [step.key for step in found.steps]])
