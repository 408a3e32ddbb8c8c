from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflows.domain.definition import load_definition
from workflows.domain.expressions import compile_expression
from workflows.domain.expressions.rows import (
    BARE,
    LISTS,
    OF_FIELDS,
    ORDER,
    TEXTS,
    OtherField,
    Relation,
    Row,
    Rows,
    expression_of,
    in_words,
    rows_of,
)

ROOT = Path(__file__).parents[2]
FIELDS = ("payload.text", "payload.deep.er", "record.total", "record.tags", "steps.read.x", "output.route", "now")
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(["'''", '"""', "\\", "{{", "5"])
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)


def value_for(test):
    if test in BARE:
        return st.none()
    if test in LISTS:
        return st.lists(texts | numbers, min_size=1, max_size=3).map(tuple)
    if test in TEXTS or test is Relation.CONTAINS_NOT:
        return texts.map(lambda text: text.lower().lower()).filter(lambda text: text == text.lower())
    return texts | numbers


@st.composite
def row(draw, fields=FIELDS):
    test = draw(st.sampled_from(list(Relation)))
    others = st.sampled_from(fields).map(OtherField) if test in OF_FIELDS else st.nothing()
    value = draw(value_for(test) | others)
    reads = test in ORDER and not isinstance(value, str) and draw(st.booleans())
    return Row(draw(st.sampled_from(fields)), test, value, reads)


@st.composite
def some_rows(draw, fields=FIELDS):
    return Rows(tuple(draw(st.lists(row(fields), max_size=4))), draw(st.sampled_from(["all", "any"])))


@settings(max_examples=60)
@given(some_rows())
def test_rows_come_back_from_their_expression(rows):
    assert rows_of(expression_of(rows)) == rows


@settings(max_examples=40)
@given(some_rows(FIELDS[:5]))
def test_the_expression_of_rows_can_be_compiled(rows):
    compile_expression(expression_of(rows))


MISSING = object()
values = st.sampled_from([None, "", "a", "A b", "5", "1,200", 5, -2.5, True, False, [], ["a", "b"], [5], {}, {"k": 1}])


def meant(row, value):
    """What a row says of a value, in Python; None where the value does not go with the test."""
    if row.test in (Relation.EMPTY, Relation.NOT_EMPTY):
        return (value is MISSING or value in (None, "", [])) == (row.test is Relation.EMPTY)
    negative = {
        Relation.IS_NOT: Relation.IS,
        Relation.CONTAINS_NOT: Relation.CONTAINS,
        Relation.NOT_ONE_OF: Relation.ONE_OF,
    }
    if row.test in negative:
        positive = meant(Row(row.field, negative[row.test], row.value), value)
        return None if positive is None else not positive
    if row.test is Relation.NULL:
        return value is None
    if value is MISSING:
        return False
    if row.test is Relation.NOT_NULL:
        return value is not None
    return held(row, value)


def held(row, value):
    if row.test in (Relation.TRUE, Relation.FALSE):
        return value is (row.test is Relation.TRUE)
    if row.test is Relation.IS:
        return same(value, row.value)
    if row.test is Relation.ONE_OF:
        return any(same(value, one) for one in row.value)
    if value is None:
        return False
    if row.test is Relation.INCLUDES:
        return any(same(one, row.value) for one in value) if isinstance(value, list) else None
    if row.test in ORDER:
        return in_order(row, value)
    if not isinstance(value, str):
        return None
    lowered = value.lower()
    return {
        Relation.CONTAINS: row.value in lowered,
        Relation.STARTS: lowered.startswith(row.value),
        Relation.ENDS: lowered.endswith(row.value),
    }[row.test]


def same(left, right):
    return isinstance(left, bool) == isinstance(right, bool) and left == right


def in_order(row, value):
    if row.reads:
        try:
            value = float(value.replace(",", "")) if isinstance(value, str) else value
        except ValueError:
            return None
    if isinstance(value, (bool, list, dict)) or isinstance(value, str) != isinstance(row.value, str):
        return None
    return {
        Relation.MORE: value > row.value,
        Relation.AT_LEAST: value >= row.value,
        Relation.LESS: value < row.value,
        Relation.AT_MOST: value <= row.value,
    }[row.test]


@settings(max_examples=60)
@given(st.sampled_from(sorted(OF_FIELDS)), st.booleans(), st.data())
def test_two_fields_are_compared_as_a_field_with_a_value(test, reads, data):
    found = data.draw(values | st.just(MISSING))
    other = data.draw(values.filter(lambda one: isinstance(one, (str, int, float)) and not isinstance(one, bool)))
    reads = reads and test in ORDER and not isinstance(other, str)
    wanted = meant(Row("payload.x", test, other, reads), found)
    payload = {"y": {"z": other}} | ({} if found is MISSING else {"x": found})
    if wanted is not None:
        expression = expression_of(Rows((Row("payload.x", test, OtherField("payload.y.z"), reads),)))
        assert compile_expression(expression).test({"payload": payload}) is wanted
        assert compile_expression(expression).test({"payload": {"x": "a"}}) is (test is Relation.IS_NOT)


small = st.sampled_from(["", "a", "b", "5", 5, -2.5, 1200])


@st.composite
def tried(draw):
    """A row about the field `payload.x`, and a value that goes with it, or none."""
    test = draw(st.sampled_from(list(Relation)))
    value = None if test in BARE else draw(small)
    if test in LISTS:
        value = tuple(draw(st.lists(small, min_size=1, max_size=3)))
    if test in TEXTS or test is Relation.CONTAINS_NOT:
        value = draw(st.sampled_from(["", "a", "b", "a b"]))
    reads = test in ORDER and not isinstance(value, str) and draw(st.booleans())
    found = Row("payload.x", test, value, reads)
    given_value = draw((values | st.just(MISSING)).filter(lambda one: meant(found, one) is not None))
    return found, given_value


@settings(max_examples=60)
@given(st.lists(tried(), min_size=1, max_size=3), st.sampled_from(["all", "any"]))
def test_the_expression_holds_when_the_rows_do(tries, join):
    rows = Rows(tuple(Row(f"payload.x{n}", row.test, row.value, row.reads) for n, (row, _) in enumerate(tries)), join)
    payload = {f"x{n}": value for n, (_, value) in enumerate(tries) if value is not MISSING}
    wanted = (all if join == "all" else any)(meant(row, value) for row, value in tries)
    scope = {"payload": payload, "record": {}, "steps": {}, "job": {}, "tenant": {}, "now": 0}
    assert compile_expression(expression_of(rows)).test(scope) is wanted


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('record.topic == "security"', "record.topic is security"),
        ("!record.valid || record.total == null", "record.valid is false or record.total has no value"),
        ("record.total >= 1000", "record.total is at least 1000"),
        ("number(payload.total) > 100", "payload.total is more than 100"),
        ("lower(payload.text).contains('card')", "payload.text contains card"),
        ('record.a != null && record.b in ["x", "y"]', "record.a has a value and record.b is one of x, y"),
        ("true", "always"),
        ("payload.x > -5.5 && payload.y < 1e-7", "payload.x is more than -5.5 and payload.y is less than 1e-07"),
        ("!(payload.x in [1, 'a'])", "payload.x is not one of 1, a"),
        ("(payload.x)", "payload.x is true"),
        ("record.due >= record.date", "record.due is at least record.date"),
        ("number(payload.paid) < number(payload.total)", "payload.paid is less than payload.total"),
        ("payload.country != record.country", "payload.country is not the same as record.country"),
        ("has(payload.a) && payload.a == record.b", "payload.a is the same as record.b"),
        ("record.x in [false, 5]", "record.x is one of False, 5"),
        ("payload.tags != null && 'urgent' in payload.tags", "payload.tags includes urgent"),
    ],
)
def test_what_people_write_is_shown_as_rows(source, words):
    rows = rows_of(source)
    assert in_words(rows, {}) == words
    assert rows_of(expression_of(rows)) == rows


@pytest.mark.parametrize(
    "source",
    [
        "",
        "number(record.paid) >= record.total",
        "number(payload.x) == number(payload.y)",
        "record.due >= lower(record.date)",
        "has(payload.note) && payload.note.contains('urgent')",
        "payload.lines.exists(line, line.sku == 'X1')",
        "a.b == 1 && (c.d == 2 || e.f == 3)",
        "record.total * 2 > 5",
        "record.a == 1 ? true : false",
        'payload["a key"] == 1',
        "r'raw' == payload.x",
        "has(payload.note)",
        "payload.x == 1 extra",
        "payload.x == 1e",
        "payload.x == 'a\"b'",
        r'payload.x == "\q"',
        "size(payload.x) > 1",
        "(payload.x",
        "payload.x ==",
        "x" * 3000,
        "!" * 1900,
        "payload.x in [null]",
        "payload.flag != true",
        "[1] == payload.x",
        "[1 2] == payload.x",
        "lower(true).contains('x')",
        "lower(payload.x).size() == 1",
        "payload.x.contains('x')",
        "lower(payload.x).contains(payload.y)",
        "'x' in ['x']",
        "payload.x in payload.y",
        "number(payload.x) == 5",
        "null in payload.x",
        "number(payload.x) > 'a'",
        "lower(payload.x) > 5",
        "has(payload.x) && record.y == 1",
        "!(payload.x in [1] || payload.y)",
        "!(payload.x > 5)",
        "!has(payload.x)",
        "true == payload.x",
        "lower(payload.x) == 'a'",
    ],
)
def test_what_rows_cannot_say_stays_an_expression(source):
    assert rows_of(source) is None


@pytest.mark.parametrize(
    "row",
    [
        ("total in", Relation.IS, "x"),
        ("payload.in", Relation.IS, "x"),
        ("payload.x", Relation.IS, None),
        ("payload.x", Relation.IS, True),
        ("payload.x", Relation.EMPTY, "x"),
        ("payload.x", Relation.ONE_OF, ()),
        ("payload.x", Relation.CONTAINS, "Big"),
        ("payload.x", Relation.MORE, True),
        ("payload.x", Relation.MORE, float("nan")),
        ("payload.x", Relation.MORE, 2**64),
        ("payload.x", Relation.IS, "\ud800"),
        ("payload.x", Relation.IS, OtherField("")),
        ("payload.x", Relation.IS, OtherField("payload.in")),
        ("payload.x", Relation.CONTAINS, OtherField("payload.y")),
        ("payload.x", Relation.ONE_OF, OtherField("payload.y")),
    ],
)
def test_a_row_that_says_nothing_is_refused(row):
    with pytest.raises(ValueError, match=r"is not|does not go|no number|surrogates"):
        Row(*row)


def test_a_number_is_read_only_to_compare_it():
    with pytest.raises(ValueError, match="does not go with"):
        Row("payload.x", Relation.IS, 5, reads=True)


def conditions():
    for file in sorted((ROOT / "workflows/gallery").glob("*.yaml")):
        for step in load_definition(file.read_text())["steps"]:
            for route in step["config"].get("routes", ()):
                yield route["when"]


@pytest.mark.parametrize("source", list(conditions()))
def test_the_routes_of_the_gallery_are_rows(source):
    rows = rows_of(source)
    assert rows is not None
    assert rows_of(expression_of(rows)) == rows
