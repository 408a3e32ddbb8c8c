"""Which part of a condition was true."""

import pytest

from workflows.domain.expressions import ExpressionError
from workflows.domain.expressions.explain import Part, explain, parts_of

VALUES = {"payload": {"amount": 120, "country": "FR", "tags": ["a", "b"]}, "tenant": {"plan": "pro"}}


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ("a && b", ["a", "b"]),
        ("a || b && c", ["a", "b", "c"]),
        ("(a || b) && !(c && d)", ["a", "b", "!(c && d)"]),
        ("((a))", ["a"]),
        ("(a) && (b)", ["a", "b"]),
        ("x.exists(t, t == 'a' && t != 'b') || y", ["x.exists(t, t == 'a' && t != 'b')", "y"]),
        ("a ? b && c : d", ["a ? b && c : d"]),
        ("text == '&& ||' && b", ["text == '&& ||'", "b"]),
        ("", []),
    ],
)
def test_a_condition_is_cut_where_and_and_or_join_it(source: str, parts: list[str]) -> None:
    assert parts_of(source) == parts


def test_each_part_has_its_value_also_one_the_whole_did_not_come_to() -> None:
    source = "payload.amount > 500 && (tenant.plan == 'pro' || payload.country in ['DE'])"
    assert explain(source, VALUES) == [
        Part("payload.amount > 500", False),
        Part("tenant.plan == 'pro'", True),
        Part("payload.country in ['DE']", False),
    ]


def test_a_part_that_does_not_fit_the_values_says_why() -> None:
    (first, second) = explain("tenant.plan == 'pro' || payload.size > 3", VALUES)
    assert (first.value, second.value) == (True, None)
    assert "size" in second.problem


def test_what_does_not_compile_as_a_whole_has_no_parts() -> None:
    with pytest.raises(ExpressionError, match="column 13"):
        explain("tenant.plan &", VALUES)
