"""People's regular expressions: bounded before they are compiled."""

import pytest

from workflows.domain.regexes import RegexError, compile_regex, expansion


@pytest.mark.parametrize(
    "source", [r"\d{2}/\d{2}/\d{4}", r"[A-Z]{3}-\d+", "(ab){500}", r"(?<year>\d{4})", "[{}]{3}", "a{,5}", r"\{99999\}"]
)
def test_a_usual_pattern_is_compiled(source):
    assert compile_regex(source).pattern == source


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("(((a{1000}){1000}){1000})", "multiply"),
        ("((((((a?){50}){50}){50}){50}){50})", "multiply"),
        ("a{99999999999999999999}", "multiply"),
        ("(", "not a regular expression"),
        ("[a", "not a regular expression"),
        ("a" * 1001, "longer than 1000"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_refused_with_the_reason(source, words):
    with pytest.raises(RegexError, match=words):
        compile_regex(source)


def test_repeats_are_counted_as_they_are_written_out():
    assert [expansion(source) for source in ("abc", "a{3}b", "(ab){10}", "((a{2}){3}){4}", ")a{2}", "(a")] == [
        3,
        4,
        20,
        24,
        3,
        1,
    ]
