"""The values of an output are found again in the text they came from, however it writes them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.domain.marking import marked


def found(text: str, value: Any) -> list[str]:
    return [piece.text for piece in marked(text, {"it": value}) if piece.label]


@pytest.mark.parametrize(
    ("text", "value", "places"),
    [
        ("OJC  MARKETING\nSDN BHD, Masai", "Ojc Marketing Sdn Bhd", ["OJC  MARKETING\nSDN BHD"]),
        ("the cat sat on a category", "cat", ["cat"]),
        ("Total 193.00, not 1193.00 or 193.005", 193.0, ["193.00"]),
        ("Total 1,234.50 / 1.234,50 / 1 234.5", 1234.5, ["1,234.50", "1.234,50", "1 234.5"]),
        ("7 of 17, 7.00", 7, ["7", "7.00"]),
        ("on 15/01/2019 at", "2019-01-15", ["15/01/2019"]),
        ("on 1/15/19 at", "2019-01-15", ["1/15/19"]),
        ("15 Jan 2019", "2019-01-15", ["15 Jan 2019"]),
        ("January 15th, 2019", "2019-01-15", ["January 15th, 2019"]),
        ("2019.01.15", "2019-01-15", ["2019.01.15"]),
        ("see 2019-02-30", "2019-02-30", ["2019-02-30"]),
        ("no 2019/02/30", "2019-02-30", []),
        ("red and green", ["green", "red"], ["red", "green"]),
        ("true a 5", True, []),
        ("a b", "a", []),
        ("room 5", "5", ["5"]),
        ("None {}", {"a": 1}, []),
        ("nothing", "", []),
        ("x" * 400, "x" * 400, []),
        ("one " * 9, "one", ["one"] * 5),
    ],
)
def test_a_value_is_found_as_texts_write_it(text: str, value: Any, places: list[str]) -> None:
    assert found(text, value) == places


def test_of_places_that_overlap_the_longest_is_marked() -> None:
    pieces = marked("Restoran Wan Sheng", {"name": "Wan", "company": "Restoran Wan Sheng"})
    assert [(piece.text, piece.label) for piece in pieces] == [("Restoran Wan Sheng", "company")]


@given(st.text(max_size=200), st.dictionaries(st.text(max_size=5), st.text(max_size=20) | st.floats() | st.integers()))
def test_the_pieces_are_the_whole_text(text: str, values: dict[str, Any]) -> None:
    assert "".join(piece.text for piece in marked(text, values)) == text
