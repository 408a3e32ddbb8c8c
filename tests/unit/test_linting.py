"""What is told of a definition that could run but looks like an oversight; and what is not."""

from typing import Any

import pytest

from workflows.services.checking import check_definition
from workflows.services.linting import lint, unreachable_steps, unrouted_labels

MAKE = {"fields": [{"name": "x", "template": "y"}]}
CLASSIFY = {"labels": [{"name": name} for name in ("billing", "technical", "other")]}


def step(key: str, kind: str = "transform", config: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"key": key, "kind": kind, "config": config or MAKE} | more


def route(*ways: dict[str, Any], default: dict[str, Any] | None = None) -> dict[str, Any]:
    routes = [{"when": "true", "to": f"r{number}"} | way for number, way in enumerate(ways)]
    return {"routes": routes} | ({"default": default} if default else {})


def check(*steps: dict[str, Any]) -> Any:
    return check_definition({"slug": "s", "name": "S", "steps": list(steps)})


def told(problems: Any) -> list[str]:
    return [str(problem) for problem in problems]


STOP, TO_C = {"stop": True}, {"goto": "c"}


@pytest.mark.parametrize(
    ("ways", "default", "more", "lost"),
    [
        ([STOP], {"to": "d", "stop": True}, {}, [1, 2]),
        ([STOP], {"to": "d"}, {}, []),
        ([STOP, {}], {"to": "d", "stop": True}, {}, []),
        ([TO_C], {"to": "d", "stop": True}, {}, [1]),
        ([TO_C], {"to": "d", "goto": "c"}, {}, [1]),
        ([TO_C], {"to": "d", "goto": "c"}, {"on_error": "continue"}, []),
        ([TO_C], {"to": "d", "goto": "c"}, {"enabled": False}, []),
    ],
)
def test_a_step_that_every_way_stops_before_or_jumps_over_is_told(
    ways: list[dict[str, Any]], default: dict[str, Any], more: dict[str, Any], lost: list[int]
) -> None:
    definition = check(step("a", "route", route(*ways, default=default), **more), step("b"), step("c"))
    assert [problem.place for problem in unreachable_steps(definition)] == [f"steps.{index}" for index in lost]


def test_a_step_that_is_switched_off_is_not_missed() -> None:
    definition = check(
        step("a", "route", route(TO_C, default={"to": "d", "goto": "c"})), step("b", enabled=False), step("c")
    )
    assert unreachable_steps(definition) == []


def labels_told(*conditions: str, default: dict[str, Any] | None = None, **classify: Any) -> list[str]:
    ways = route(*({"when": condition} for condition in conditions), default=default)
    return told(unrouted_labels(check(step("sort", "classify", CLASSIFY | classify), step("way", "route", ways))))


@pytest.mark.parametrize(
    "conditions",
    [
        ("record.label == 'billing'", "record.label == 'technical'"),
        ("steps.sort.label in ['billing', \"technical\"]",),
        ("'billing' == record.label", "steps.sort.label == 'technical' && now > now"),
    ],
)
def test_a_label_that_no_route_is_for_is_told(conditions: tuple[str, ...]) -> None:
    assert labels_told(*conditions) == [
        "steps.1.config.default: No route is for 'other', and the default goes on as if nothing was said."
    ]


@pytest.mark.parametrize(
    ("conditions", "more"),
    [
        (("record.label == 'billing'",), {"default": {"to": "rest"}}),
        (("record.label in ['billing', 'technical', 'other']",), {}),
        (("record.label != 'billing'",), {}),
        (("!(record.label == 'billing')",), {}),
        (("record.label == 'billing'", "record.label.startsWith('t')"), {}),
        (("record.label in payload.list",), {}),
        (("payload.label == 'billing'",), {}),
        (("record.labels == 'billing'",), {}),
        (("record.label == 'billing'",), {"field": "topic"}),
        (("record.label == 'billing'",), {"many": True}),
    ],
)
def test_where_it_is_not_certain_nothing_is_told(conditions: tuple[str, ...], more: dict[str, Any]) -> None:
    assert labels_told(*conditions, **more) == []


def test_a_field_that_a_later_step_makes_anew_is_no_label_any_more() -> None:
    again = step("again", config={"fields": [{"name": "label", "template": "y"}]})
    ways = route({"when": "record.label == 'y'"})
    assert unrouted_labels(check(step("sort", "classify", CLASSIFY), again, step("way", "route", ways))) == []


def test_a_label_that_is_not_there_is_told_with_what_may_be_meant() -> None:
    assert labels_told("record.label == 'biling'", default={"to": "rest"}) == [
        "steps.1.config.routes.0.when: No label is called 'biling'; did you mean 'billing'?"
    ]


def test_everything_is_told_together() -> None:
    definition = check(
        step("a", "route", route(STOP, default={"to": "d", "stop": True})),
        step("b", config={"fields": [{"name": "z", "expression": "record.nope"}]}, enabled=False),
        step("c", config={"fields": [{"name": "z", "expression": "steps.a.rout"}]}),
    )
    assert [problem.place for problem in lint(definition)] == ["steps.2", "steps.2.config.fields.0.expression"]
