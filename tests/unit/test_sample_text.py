"""What people paste as samples, and what is said where it cannot be read."""

from io import BytesIO

import pytest

from jobs.domain.intake.formats import Format, Kind
from jobs.domain.redaction import redact_record
from jobs.domain.sample_text import BadSamples, guess_form, main_field, read_pasted, read_table
from jobs.domain.trial_costs import duration, money
from workflows.domain.fields import read_fields

FIELDS = read_fields(
    [
        {"key": "text", "required": True},
        {"key": "amount", "type": "number", "label": "Amount due"},
        {"key": "team", "role": "output"},
    ]
)
NUMBERS = read_fields([{"key": "amount", "type": "number"}])


def read(text: str, how: str = "guess", fields=FIELDS) -> list[tuple]:
    return [(sample.input, sample.expected, sample.name) for sample in read_pasted(text, fields, how)]


def test_lines_tables_and_json_are_told_apart() -> None:
    assert read("one\n\ntwo") == [({"text": "one"}, None, ""), ({"text": "two"}, None, "")]
    table = "text,Amount due,expected team,name\nhello,3,A,First\nbye,4,,"
    assert read(table) == [
        ({"text": "hello", "amount": 3}, {"team": "A"}, "First"),
        ({"text": "bye", "amount": 4}, None, ""),
    ]
    assert read('[{"text": "x", "team": "B", "more": 1}]') == [({"text": "x", "more": 1}, {"team": "B"}, "")]
    assert read('{"text": "x"}\n\n{"input": {"text": "y"}, "expected": {"team": "C"}, "name": "n"}') == [
        ({"text": "x"}, None, ""),
        ({"text": "y"}, {"team": "C"}, "n"),
    ]
    assert read("text,amount\nhello,") == [({"text": "hello"}, None, "")]
    assert guess_form("text", FIELDS) == "lines"


@pytest.mark.parametrize(
    ("text", "how", "said"),
    [
        (" \n", "guess", "nothing to read"),
        ("x" * 5_000_001, "guess", "upload it as a file"),
        ("x\n" * 1_001, "lines", "more than 1,000 samples"),
        ("colour,shape\nred,round", "table", "None of the columns"),
        ("[1]", "json", "Item 1 is no JSON object"),
        ("{nothing", "json", "This is no JSON"),
        ('{"text": "x"}\n{broken}', "json", "Line 2 is no JSON"),
        ('{"input": {"text": "x"}, "expected": [1]}', "json", "expected must be an object"),
    ],
)
def test_what_cannot_be_read_is_said(text: str, how: str, said: str) -> None:
    with pytest.raises(BadSamples, match=said):
        read_pasted(text, FIELDS, how)


@pytest.mark.parametrize("data", [b'{"text": "x"}\n{broken}', b""])
def test_a_list_that_cannot_be_read_is_said(data: bytes) -> None:
    with pytest.raises(BadSamples):
        read_table(BytesIO(data), Format(Kind.JSONL, "utf-8", ","), FIELDS)


def test_lines_need_a_field_that_takes_text() -> None:
    assert main_field(()) == "text"
    with pytest.raises(BadSamples, match="No field of this workflow takes a text"):
        main_field(NUMBERS)
    with pytest.raises(BadSamples, match="The fields are: amount"):
        read_pasted("colour,shape\nred,round", NUMBERS, "table")


def test_a_record_loses_what_is_redacted_wherever_it_stands() -> None:
    fields = read_fields(
        [
            {"key": "iban", "required": True, "redact": True},
            {"key": "kind", "type": "choice", "choices": ["a", "b"], "required": True, "redact": True},
            {"key": "note"},
        ]
    )
    record = {"iban": "DE1234567890", "kind": "b", "note": ["Pay DE1234567890", {"iban": "x", "n": 5}]}
    kept = redact_record(record, fields, [{"iban": ["DE1234567890"]}])
    assert "DE1234567890" not in str(kept)
    assert kept["kind"] == "a"
    assert kept["note"][1] == {"n": 5}
    assert redact_record({"note": "x"}, fields[2:], []) == {"note": "x"}
    assert redact_record({"note": "x"}, fields, []) == {"note": "x"}


def test_amounts_and_times_are_said_roughly() -> None:
    assert [money(each) for each in (1234.5, 0.421, 0.0031, 0)] == ["$1,234", "$0.42", "$0.0031", "$0.00"]
    spans = [duration(each) for each in (3, 42, 240, 9000)]
    assert spans == ["a few seconds", "40 s", "4 min", "2.5 h"]
