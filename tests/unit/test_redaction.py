"""Leaving fields out of what is kept of prompts and answers."""

from datetime import timedelta

import pytest

from jobs.domain.redaction import redact
from tests.factories import NOW
from workflows.domain.calls import KeptAnswer, ModelCall

NAMES = frozenset({"secret"})


def redacted(text, value):
    (call,) = redact([ModelCall("main", "m", text, NOW)], NAMES, [{"secret": value, "open": "open"}])
    return call.prompt


@pytest.mark.parametrize(
    ("text", "value", "kept"),
    [
        ("Pay Ann Lee", "Ann Lee", "Pay [redacted]"),
        ("pay ANN LEE", "Ann Lee", "pay [redacted]"),
        ("Ann Lee", "Ann\n  Lee", "[redacted]"),
        ('{"name": "An\\"n"}', 'An"n', '{"name": "[redacted]"}'),
        ("7 of 77", 7, "[redacted] of 77"),
        ("a and Anna", "a", "[redacted] and Anna"),
        ("x in [1] y", ["x", {"deep": "y"}], "[redacted] in [1] [redacted]"),
        ("true", True, "true"),
        ("open", None, "open"),
        ("open", "", "open"),
    ],
)
def test_values_are_left_out_however_they_stand_there(text, value, kept):
    assert redacted(text, value) == kept


def test_an_answer_that_holds_a_value_is_not_remembered():
    kept = KeptAnswer("k", {}, NOW + timedelta(hours=1))
    calls = [ModelCall("main", "m", "", NOW, answer=text, kept=kept) for text in ("for Ann", "for nobody")]
    first, second = redact(calls, NAMES, [{"secret": "Ann"}])
    assert (first.answer, first.kept) == ("for [redacted]", None)
    assert second.kept is kept


def test_what_only_an_answer_holds_is_left_out_too():
    calls = [ModelCall("main", "m", "for Ann", NOW, answer=text) for text in ('so: {"secret": "Ann"} ok', "{no", "[1]")]
    first, second, third = redact(calls, NAMES, [])
    assert (first.prompt, first.answer) == ("for [redacted]", 'so: {"secret": "[redacted]"} ok')
    assert (second.prompt, second.answer, third.answer) == ("for [redacted]", "{no", "[1]")


def test_without_fields_to_redact_calls_stay_as_they_are():
    calls = [ModelCall("main", "m", "text", NOW)]
    assert redact(calls, frozenset(), [{"secret": "text"}])[0] is calls[0]
    assert redact(calls, NAMES, [{"open": "text"}])[0] is calls[0]
    assert redact([], NAMES, []) == []
