"""JSON from strangers: what is taken, what is refused and why."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskflow.lib.strictjson import DEEPEST, BadJSON, parse_json

texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=20,
)


@given(values, st.booleans())
def test_whatever_json_can_say_is_read_as_it_was_written(value: Any, escaped: bool) -> None:
    assert repr(parse_json(json.dumps(value, ensure_ascii=escaped).encode())) == repr(value)


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused_with_a_reason(raw: bytes) -> None:
    reason = ""
    try:
        value = parse_json(raw)
    except BadJSON as error:
        reason = error.reason
    assert reason.endswith(".") or value == json.loads(raw)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_nesting_is_taken_to_its_limit_and_no_further(opening: str, closing: str) -> None:
    def nested(depth: int) -> bytes:
        return (opening * depth + "1" + closing * depth).encode()

    parse_json(nested(DEEPEST))
    for depth in (DEEPEST + 1, 500, 100_000):
        with pytest.raises(BadJSON, match="nested more than 100 levels deep"):
            parse_json(nested(depth))


def test_brackets_inside_texts_do_not_nest() -> None:
    value = ["[{" * 1000, '"' + "[" * 1000, {'\\"[[': "\\" * 7 + '"[['}, [[]] * 200]
    assert parse_json(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b'"\\ud800"', ""),
        (b'{"a":{"b":["x","\\udfff"]}}', "a.b.1"),
        (b'{"a":{"\\ud83d":1}}', "a"),
        (b'{"a":"\\ude00\\ud83d"}', "a"),
    ],
)
def test_half_a_surrogate_pair_is_refused_with_its_place(raw: bytes, field: str) -> None:
    with pytest.raises(BadJSON, match="half of a surrogate pair") as caught:
        parse_json(raw)
    assert caught.value.field == field


def test_a_whole_surrogate_pair_and_an_escaped_backslash_are_fine() -> None:
    assert parse_json(b'"\\ud83d\\ude00 \\\\ud800"') == "😀 \\ud800"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b'{"a":1,"\\u0061":2}', 'The key "a" appears twice in one object.'),
        (b"[1e309]", "The number 1e309 is too large for a 64-bit float."),
        (b"[Infinity]", "Infinity is not a JSON value."),
        (b"1" * 5000, "A whole number of 5000 digits is too long."),
        (b"[1,]", "This is not JSON: expecting value (line 1, column 4)."),
        (b"\xff", "The text is not UTF-8: byte 0 cannot be read."),
        (b"\n", "This is not JSON: the text is empty."),
    ],
)
def test_a_refusal_says_what_is_wrong(raw: bytes, reason: str) -> None:
    with pytest.raises(BadJSON) as caught:
        parse_json(raw)
    assert caught.value.reason == reason
