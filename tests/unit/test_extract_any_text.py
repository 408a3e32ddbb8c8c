"""Whatever is sent to the demo's rules, they answer or say that they will not, and soon."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.accuracy_runs import in_memory
from workflows.domain.extraction.text import MAX_LINE, MAX_LINES, Document

DEMO = Path("taskflow/demo")
RECEIPTS = [json.loads(line)["text"] for line in (DEMO / "receipts.jsonl").read_text(encoding="utf-8").splitlines()]
#: Pieces that the finders look for, so that texts are nearly receipts.
PIECES = st.sampled_from(
    [
        "TOTAL",
        "RM",
        "12.50",
        "-0.02",
        "$",
        "GST SUMMARY",
        "SDN BHD",
        "(867388-U)",
        "25/12/2018",
        "DEC",
        "JALAN",
        "81100",
        ":",
    ]
)
TEXTS = st.one_of(
    st.text(max_size=400),
    st.lists(st.one_of(PIECES, st.text(max_size=8)), max_size=60).map("\n".join),
    st.lists(st.one_of(PIECES, st.text(max_size=8)), max_size=60).map(" ".join),
    st.sampled_from(RECEIPTS).flatmap(lambda text: st.permutations(text.split("\n")).map("\n".join)),
)


@pytest.mark.slow
@given(TEXTS)
@settings(deadline=None, max_examples=150)
def test_any_text_gets_an_answer_that_holds_to_the_text(text):
    receipt, ticket = in_memory("receipts", [{"text": text}])[0], in_memory("tickets", [{"text": text}])[0]
    assert receipt.state == ticket.state == "SUCCEEDED"
    assert set(receipt.result) >= {"company", "date", "address", "total", "amount", "route"}
    squeezed = "".join(text.upper().split())
    for name in ("company", "date", "total"):
        value = receipt.result[name]
        assert value is None or "".join(value.split()) in squeezed
    assert isinstance(ticket.result["team"], str)
    assert ticket.result["route"] == ticket.result["team"]
    json.dumps([receipt.result, ticket.result], allow_nan=False)


@pytest.mark.parametrize(
    "text",
    [
        "1.00\n" * 40_000,
        "1.00 " * 40_000,
        "TOTAL\n" * 30_000,
        "A 1.00\n" * 28_000,
        "(" * 200_000,
        "1" * 200_000,
        "25/12/2018 " * 18_000,
        "CO NO " * 33_000,
        " " * 200_000,
        "JALAN " * 33_000,
        "-" * 200_000,
        "A" * 200_000,
    ],
)
def test_a_text_of_the_greatest_length_does_not_hold_a_worker(text):
    # What grows with the square of the text takes minutes here, and meets the time limit of every test.
    assert in_memory("receipts", [{"text": text}])[0].state == "SUCCEEDED"


def test_finders_read_no_more_than_they_say():
    document = Document("x" * (MAX_LINE + 5) + "\n\n" + "y\n" * (MAX_LINES + 5))
    lines = document.lines
    assert len(document.cells) == MAX_LINES
    assert len(lines) == MAX_LINES
    assert lines[0] == "x" * MAX_LINE
