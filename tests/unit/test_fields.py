"""Fields: what a payload must hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from workflows.domain.fields import FieldType, InputField, check_payload, read_fields

FILE = "01a214b0-6850-76c5-93d4-f7179028b300"
GOOD = {
    "text": ["a", "", "ü"],
    "integer": [0, -5, 2**80, 3.0],
    "number": [1, 1.5, -0.0],
    "boolean": [True, False],
    "date": ["2026-03-31"],
    "datetime": ["2026-03-31T09:30:00Z", "2026-03-31T09:30:00+02:00", "2026-03-31 09:30"],
    "email": ["ann@example.com", "a.b+c@x-y.co"],
    "url": ["https://example.com/a?b=c", "http://localhost:8000"],
    "choice": ["red"],
    "list": [[], [1]],
    "object": [{}, {"a": 1}],
    "file": [{"id": FILE}, {"id": FILE, "name": "a.pdf"}],
    "files": [[], [{"id": FILE}, {"id": FILE}]],
}
BAD = {
    "text": [5, True, ["a"], {}],
    "integer": ["5", 1.5, True, []],
    "number": ["1.5", True, float("nan"), float("inf"), []],
    "boolean": ["true", 1, 0, []],
    "date": ["31.03.2026", "2026-02-30", "2026-3-1", "2026-03-31T09:30:00Z", "٢٠٢٦-٠٣-٣١", 5],
    "datetime": ["2026-03-31", "2026-03-31T25:00:00", "yesterday", 5],
    "email": ["ann", "ann@", "@example.com", "a@b@c.com", "ann@example", "a b@c.de", "x" * 250 + "@a.com", 5],
    "url": ["example.com", "ftp://x.y", "javascript:alert(1)", "http://", "https://a b.c", "http://[1", 5],
    "choice": ["green", "", 5],
    "list": ["a", {}, 5],
    "object": ["a", [], 5],
    "file": [FILE, {}, {"id": 5}, {"id": "a.pdf"}, [{"id": FILE}], 5],
    "files": [{"id": FILE}, [FILE], [{}], "a", 5],
}


def field(kind, **more):
    return InputField(key="f", type=kind, choices=("red", "blue") if kind == "choice" else (), **more)


@pytest.mark.parametrize("kind", list(FieldType))
def test_a_field_takes_values_of_its_type_and_says_why_it_takes_no_other(kind):
    assert [value for value in GOOD[kind] if check_payload([field(kind)], {"f": value})] == []
    for value in BAD[kind]:
        problems = check_payload([field(kind)], {"f": value})
        assert [problem.field for problem in problems] == ["f"], value
        assert problems[0].message.startswith("must be")


def test_a_required_field_must_be_there_and_hold_more_than_space():
    required = [field("text", required=True)]
    assert check_payload(required, {})[0].message == "is required"
    assert check_payload(required, {"f": None})[0].message == "is required"
    assert "must not be empty" in check_payload(required, {"f": " \n"})[0].message
    assert check_payload([field("boolean", required=True)], {"f": False}) == []
    assert check_payload([field("integer", required=True)], {"f": 0}) == []


def test_an_optional_field_may_be_missing_or_null():
    assert check_payload([field("integer")], {}) == []
    assert check_payload([field("integer")], {"f": None}) == []


def test_a_value_may_not_be_longer_than_its_field():
    assert check_payload([field("text", max_length=3)], {"f": "abc"}) == []
    assert "at most 3" in check_payload([field("text", max_length=3)], {"f": "abcd"})[0].message
    assert "at most 1" in check_payload([field("list", max_length=1)], {"f": [1, 2]})[0].message


def test_every_problem_is_reported_and_other_keys_are_allowed():
    fields = [
        InputField(key="a", required=True),
        InputField(key="b", type="integer"),
        InputField(key="c", role="output"),
    ]
    problems = check_payload(fields, {"b": "x", "c": 5, "other": 1})
    assert [(problem.field, problem.message) for problem in problems] == [
        ("a", "is required"),
        ("b", "must be a whole number, not text"),
    ]


@pytest.mark.parametrize(
    ("payload", "words"), [([], "a list"), ("x", "text"), (None, "null"), (True, "true or false"), (5, "a number")]
)
def test_a_payload_must_be_an_object(payload, words):
    assert check_payload([], payload)[0].message == f"must be an object with fields, not {words}"


def test_fields_are_read_as_a_version_stores_them():
    stored = [{"key": "a", "type": "integer"}]
    assert read_fields(stored) == (InputField(key="a", type="integer"),)
    assert check_payload(stored, {"a": "x"})[0].field == "a"


def test_a_field_has_a_label_for_people():
    assert InputField(key="due_date").shown_label == "Due date"
    assert InputField(key="due_date", label="Due").shown_label == "Due"


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": "a b"},
        {"key": ""},
        {"key": "a", "type": "colour"},
        {"key": "a", "type": "choice"},
        {"key": "a", "choices": ["x"]},
        {"key": "a", "type": "choice", "choices": ["x", "x"]},
        {"key": "a", "max_length": 0},
        {"key": "a", "requird": True},
    ],
)
def test_a_field_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValidationError):
        read_fields([wrong])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(JSON, st.sampled_from(list(FieldType)), st.booleans())
def test_any_value_gets_an_answer(value, kind, required):
    problems = check_payload([field(kind, required=required)], {"f": value})
    assert all(problem.field == "f" and problem.message for problem in problems)
