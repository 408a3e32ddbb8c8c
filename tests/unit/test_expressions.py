"""The condition language: what it says, what it refuses, and how it tells people why."""

import threading
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from workflows.domain.expressions import ExpressionError, compile_expression
from workflows.domain.expressions.scan import scan

VALUES = {
    "payload": {
        "amount": 120,
        "text": "Total 5.00",
        "price": "1,234.50",
        "tags": ["a", "b"],
        "sizes": [1, 2, 3],
        "empty": [],
        "nothing": None,
        "order": {"lines": [{"sku": "x", "n": 2}]},
        "odd key": 7,
        'a"b': 8,
        "huge": list(range(400)),
    },
    "steps": {"read": {"total": 12.5}},
    "record": {"total": 12.5},
    "job": {"id": "j"},
    "tenant": {"slug": "acme"},
    "now": datetime(2026, 3, 2, 9, 0, tzinfo=UTC),
}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("payload.amount > 100", True),
        ("payload.amount > 100.5 && tenant.slug == 'acme'", True),
        ("steps.read.total == record.total", True),
        ("has(payload.missing)", False),
        ("'amount' in payload", True),
        ("payload['odd key'] + 1", 8),
        ('payload["a\\"b"]', 8),
        ("payload.nothing == null", True),
        ("payload.text.contains('5.00') ? 'found' : 'not'", "found"),
        ("payload.text.matches('[0-9]+[.][0-9]{2}')", True),
        ("payload.order.lines[0].sku", "x"),
        ("payload.sizes.map(size, size * 2)", [2, 4, 6]),
        ("payload.sizes.exists(n, n == payload.sizes.size())", True),
        ("payload.order.lines.map(line, {'name': line.sku})", [{"name": "x"}]),
        ("lower('Ab') + upper('c') + trim(' d ')", "abCd"),
        ("number(payload.price) * 2.0", 2469.0),
        ("number(payload.amount)", 120.0),
        ("split('a,b', ',')", ["a", "b"]),
        ("join(payload.tags, '-')", "a-b"),
        ("max(payload.sizes) + min(payload.sizes) + sum(payload.sizes)", 10),
        ("sum(payload.empty)", 0),
        ("round(2.345, 2) + round(0.4)", 2.35),
        ("abs(-3)", 3),
        ("now - timestamp('2026-03-02T08:00:00Z')", 3600.0),
        ("now", "2026-03-02T09:00:00+00:00"),
        ("payload.amount // the sum\n > 1", True),
        ("tenant", {"slug": "acme"}),
        ("payload.size() > 3 && payload.amount > 1", True),
    ],
)
def test_an_expression_gives_its_value(source, value):
    assert compile_expression(source).evaluate(VALUES) == value


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("", ["empty"]),
        ("payload.amount >", ["column 17", "too early"]),
        ("payload.amount = 5", ["column 16", "'='", "=="]),
        ("payload.amount > 5 and true", ["column 20", "'and'", "&&"]),
        ("not payload.amount", ["column 1", "'not'", "!"]),
        ("payload.amount == True", ["column 19", "'True'", "write true"]),
        ("paylod.amount > 5", ["column 1", "'paylod'", "did you mean 'payload'"]),
        ("payload.amount >\n  amount", ["line 2, column 3", "'amount'"]),
        (".payload.amount", [".payload"]),
        ("lowr('x')", ["lowr", "did you mean 'lower'"]),
        ("payload.text.size2()", ["size2"]),
        ("payload.tags.map(payload, 1)", ["column 18", "'payload'"]),
        ("payload.tags.map(1, 2)", ["column 18", "simple name"]),
        ("'''x'''", ["triple quotes"]),
        ("payload.amount > 'abc", ["column 18", "not closed"]),
        ("payload.`x`", ["column 10"]),
        ("x" * 2001, ["longer than 2000"]),
        ("(" * 30 + "1" + ")" * 30, ["nested deeper than 20"]),
        ("+".join(["1"] * 200), ["more than 100 operators"]),
        ("payload.tags.map(t, t+t+t+t+t+t+t+t+t+t+t+t+t+t+t+t+t+t+t+t+t+t)", ["more than 20 operators"]),
        ("payload.sizes.all(a, payload.sizes.all(b, payload.sizes.all(c, true)))", ["2 deep"]),
    ],
)
def test_a_wrong_expression_is_refused_with_the_place_and_the_word(source, words):
    with pytest.raises(ExpressionError) as caught:
        compile_expression(source)
    assert [word for word in words if word not in str(caught.value)] == []


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("payload.total > 5", ["payload.total is missing", "has(payload.total)"]),
        ("payload.order.name.first", ["payload.order.name is missing"]),
        ("steps['gone'].x", ["steps.gone is missing"]),
        ("payload.amount > 1 && payload.gone", ["payload.gone is missing"]),
        ("(false && payload.text.x) || payload.gone", ["payload.gone is missing"]),
        ("payload.order.lines.map(line, line.price)", ["'price' is missing"]),
        ("payload.tags[5]", ["5"]),
        ("payload.text + 5", ["string + int"]),
        ("-payload.text", ["do not go together"]),
        ("payload.amount / 0", ["divided by zero"]),
        ("9223372036854775807 + 1", ["overflow"]),
        ("int('x')", ["int()"]),
        ("number('x')", ["number() cannot read 'x'"]),
        ("number('nan')", ["number() cannot read"]),
        ("lower(null)", ["lower() needs text, not null"]),
        ("lower(5)", ["not a number"]),
        ("lower(payload.tags)", ["not a list"]),
        ("abs('x')", ["abs() needs a number, not text"]),
        ("sum(true)", ["sum() needs a list, not a boolean"]),
        ("max(payload.empty)", ["empty list"]),
        ("round(1.5, 99)", ["0 to 12"]),
        ("split('a', '')", ["separator"]),
        ("payload.text.matches('(')", ["matches()", "regex"]),
        ("b'x'", ["bytes"]),
        ("{1: 2}", ["an object"]),
        ("1.0 / 0.0", ["not a finite number"]),
        ("payload.huge.all(a, payload.huge.all(b, true))", ["too long to loop"]),
        ("now.getHours('Europe/Paris')", ["getHours"]),
    ],
)
def test_what_does_not_fit_the_data_says_what_and_where(source, words):
    with pytest.raises(ExpressionError) as caught:
        compile_expression(source).evaluate(VALUES)
    assert [word for word in words if word not in str(caught.value)] == []


def test_a_condition_must_give_true_or_false():
    assert compile_expression("payload.amount > 1").test(VALUES) is True
    assert compile_expression("payload.amount > 1000").test(VALUES) is False
    with pytest.raises(ExpressionError, match="true or false, and this gave a number"):
        compile_expression("payload.amount").test(VALUES)


def test_long_lists_and_texts_are_refused_by_functions():
    long = VALUES | {"payload": {"text": "a," * 20_000, "parts": ["x" * 1000] * 2000}}
    with pytest.raises(ExpressionError, match="10000 parts"):
        compile_expression("split(payload.text, ',')").evaluate(long)
    with pytest.raises(ExpressionError, match="1000000 characters"):
        compile_expression("join(payload.parts, ',')").evaluate(long)


LARGE = {"payload": {"text": "x" * 1_000_000, "long": list(range(50_000)), "wide": {str(n): [n] for n in range(500)}}}


@pytest.mark.parametrize(
    "source",
    [
        "[[[payload.text].map(a, a + a + a)[0]].map(b, b + b + b)[0]].map(c, c + c + c)[0].size()",
        " + ".join(["payload.text"] * 50),
        f"[{', '.join(['payload.text'] * 50)}]",
        "payload.long.map(a, payload.long.size())",
        "payload.wide.map(a, payload.text)",
        "payload.wide.all(a, payload.wide.all(b, payload.wide[a] == payload.wide[b]))",
        "payload.wide.all(a, split(payload.text, 'y').all(b, b != a))",
    ],
)
def test_an_expression_that_could_take_too_long_or_too_much_does_not_begin(source):
    with pytest.raises(ExpressionError, match=r"too large|too long"):
        compile_expression(source).evaluate(LARGE)


def test_large_values_are_no_hindrance_to_usual_expressions():
    assert compile_expression("payload.long.exists(n, n == 49999) && payload.text.contains('x')").test(LARGE)
    assert compile_expression("payload.text.size() > 5 && payload.wide['7'][0] == 7").test(LARGE)
    assert compile_expression("payload.text + payload.text").evaluate(LARGE) == "x" * 2_000_000


def test_the_steps_an_expression_reads_are_known():
    expression = compile_expression("steps.a.x > steps['b'].y || has(steps.c) && size(steps.a.z) > 0")
    assert expression.step_keys == ("a", "b", "c")
    assert "steps.a.x" in repr(expression)


def test_names_can_be_added():
    assert compile_expression("item + 1", names={"item"}).evaluate({"item": 1}) == 2
    with pytest.raises(ExpressionError, match="known are item"):
        compile_expression("payload.x", names={"item"})


def test_a_long_expression_is_shortened_in_its_errors():
    source = "payload.gone == '" + "x" * 200 + "'"
    with pytest.raises(ExpressionError) as caught:
        compile_expression(source).test(VALUES)
    assert len(str(caught.value)) < 250


def test_threads_share_one_expression():
    expression = compile_expression("payload.n * 2")
    wrong = []

    def work(n):
        wrong.extend(n for _ in range(300) if expression.evaluate({"payload": {"n": n}}) != n * 2)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


WORDS = (
    "payload steps record now . [ ] ( ) { } ' 'a' 1 2.5 true null + - * / == != && || ! ? : , in has size map x exists"
)
PIECES = st.sampled_from([*WORDS.split(), '"', '"b"', "lower", "number", "r'\\'", "//", "\n", "\\"])


@given(
    st.one_of(
        st.text(max_size=60), st.lists(PIECES, max_size=25).map(" ".join), st.lists(PIECES, max_size=25).map("".join)
    )
)
@example("payload.")
@example("payload[")
@example(".(")
@example("\x00")
@example("'\ud800'")
def test_no_text_raises_anything_but_an_expression_error(source):
    try:
        expression = compile_expression(source)
        expression.evaluate(VALUES)
    except ExpressionError:
        return


@given(st.text(max_size=200))
def test_scanning_never_fails(source):
    found = scan(source)
    assert all(0 <= reference.start < len(source) for reference in found.references)
