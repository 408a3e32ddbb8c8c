"""From a row to a payload: where columns go, what values become, and what a spreadsheet is given back."""

import pytest

from jobs.domain.intake.mapping import check_mapping, convert, guess_mapping, make_payload
from jobs.domain.intake.report import neutral
from workflows.domain.extraction.dates import DateOrder
from workflows.domain.fields import InputField, check_payload

DAY_FIRST, MONTH_FIRST = DateOrder.DAY_FIRST, DateOrder.MONTH_FIRST
FIELDS = (
    InputField(key="text", label="Question", required=True),
    InputField(key="order_date", type="date"),
    InputField(key="total", type="number"),
    InputField(key="team", role="output"),
)


def field(kind, **more):
    return InputField(key="x", type=kind, **more)


def test_columns_go_to_the_field_of_their_key_or_label_however_it_is_written():
    columns = ["QUESTION", "Order-Date", "Grand total", "team"]
    assert guess_mapping(columns, FIELDS) == {"QUESTION": "text", "Order-Date": "order_date"}


def test_what_went_where_last_time_goes_there_again():
    remembered = {"Grand total": "total", "Question": "text"}
    columns = ["Question", "Grand total"]
    assert guess_mapping(columns, FIELDS, remembered=remembered) == {"Question": "text", "Grand total": "total"}


def test_the_only_column_goes_into_the_only_field():
    assert guess_mapping(["Column 1"], FIELDS[:1]) == {"Column 1": "text"}


def test_without_fields_every_column_keeps_its_name():
    assert guess_mapping(["a b", "c"], ()) == {"a b": "a b", "c": "c"}
    assert guess_mapping(["Total", "more"], FIELDS[:3], keep=True) == {"Total": "total", "more": "more"}


def test_what_is_wrong_with_a_mapping_is_told():
    assert check_mapping({"a": "text"}, ["a"], FIELDS) == []
    problems = dict(check_mapping({"a": "total", "b": "total", "z": "x"}, ["a", "b"], FIELDS))
    assert problems["z"] == "There is no such column."
    assert problems["total"] == "Two columns go into it."
    assert problems["text"] == "Question is required: say which column it is in."
    assert check_mapping({}, ["a"], ()) == [("", "No column goes into any field.")]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("number", "12", 12),
        ("number", "-1.5", -1.5),
        ("number", "1,234.50", 1234.5),
        ("number", "1.234,50", 1234.5),
        ("number", "1'234'567", 1234567),
        ("number", "1,234", 1234),
        ("number", "1.234", 1.234),
        ("number", "1 234,5", 1234.5),
        ("number", "0,5", 0.5),
        ("number", "abc", "abc"),
        ("number", "1e999", "1e999"),
        ("number", "1,2,3", "1,2,3"),
        ("number", "", None),
        ("integer", "3.0", 3),
        ("integer", "3.5", 3.5),
        ("boolean", "Yes", True),
        ("boolean", "nein", False),
        ("boolean", "perhaps", "perhaps"),
        ("date", "31.12.2026", "2026-12-31"),
        ("date", "2026-12-31", "2026-12-31"),
        ("date", "03/04/2026", "2026-04-03"),
        ("date", "2026-12-31 00:00:00", "2026-12-31"),
        ("date", "soon", "soon"),
        ("datetime", "2026-12-31T10:00:00", "2026-12-31T10:00:00"),
        ("email", " a@b.co ", "a@b.co"),
        ("list", "a; b;", ["a", "b"]),
        ("list", "a, b", ["a", "b"]),
        ("list", '["a"]', ["a"]),
        ("list", "[a", "[a"),
        ("object", '{"a": 1}', {"a": 1}),
        ("object", "a", "a"),
        ("text", "  kept as it is ", "  kept as it is "),
        ("text", "", ""),
    ],
)
def test_a_cell_becomes_its_fields_type_or_stays_as_it_is(kind, text, value):
    found = convert(text, field(kind), DAY_FIRST)
    assert (found, type(found)) == (value, type(value))


def test_values_of_workbooks_and_json_keep_their_types_but_a_figure_in_a_text_field_is_text():
    assert convert(5, field("text"), DAY_FIRST) == "5"
    assert convert(True, field("text"), DAY_FIRST) is True
    assert convert(5, field("number"), DAY_FIRST) == 5


def test_a_choice_is_found_in_any_case():
    choice = field("choice", choices=("Red", "Blue"))
    assert convert("RED ", choice, DAY_FIRST) == "Red"
    assert convert("green", choice, DAY_FIRST) == "green"


def test_a_persons_order_of_day_and_month_counts():
    assert convert("03/04/2026", field("date"), MONTH_FIRST) == "2026-03-04"


def test_a_payload_holds_what_the_mapping_names_and_the_check_says_what_does_not_fit():
    values = {"Q": "How?", "T": "five", "D": "", "more": "x"}
    known = {one.key: one for one in FIELDS}
    payload = make_payload(values, {"Q": "text", "T": "total", "D": "order_date", "gone": "y"}, known, DAY_FIRST)
    assert payload == {"text": "How?", "total": "five"}
    assert [str(problem.field) for problem in check_payload(FIELDS, payload)] == ["total"]


@pytest.mark.parametrize(
    ("value", "given"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        (" +cmd|' /C calc'!A0", "' +cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("\tx", "'\tx"),
        ("-5.20", "-5.20"),
        ("+49", "+49"),
        ("plain", "plain"),
        (None, ""),
        (7, "7"),
    ],
)
def test_a_cell_is_no_formula_to_a_spreadsheet(value, given):
    assert neutral(value) == given
