"""Measuring accuracy: what the figures count."""

import json
import subprocess
import sys

import pytest

from bench import accuracy_gallery as gallery
from bench.accuracy import address_words, receipts_report, states, tickets_report
from bench.accuracy_data import TEAM_OF, Item, NoData, help_desk, invoices, moderation, receipts, tickets
from bench.accuracy_runs import Outcome


def receipt(found: dict[str, str], *, held_out: bool = False, state: str = "SUCCEEDED") -> tuple[Item, Outcome]:
    text = "BLUE LTD\n1 HIGH\n01/02/2026\nTOTAL 5.00"
    wanted = {"company": "BLUE LTD", "date": "01/02/2026", "address": "1 HIGH STREET", "total": "5.00"}
    return Item({"text": text}, wanted, held_out), Outcome(state, found)


def test_the_report_counts_exact_held_out_loose_and_possible():
    right = {"company": "BLUE LTD", "date": "01/02/2026", "address": "1 HIGH", "total": "5.00"}
    report = receipts_report([receipt(right, held_out=True), receipt({"company": "blue, ltd", "total": "4.00"})])
    assert "| company | 0.500 | 1.000 | 1.000 | 1.000 |" in report
    assert "| date | 0.500 | 1.000 | 0.500 | 1.000 |" in report
    assert "| address | 0.000 | 0.000 | 0.000 | 0.000 |" in report
    assert "| total | 0.500 | 1.000 | 0.500 | 1.000 |" in report


def test_the_words_of_an_address_are_counted():
    precision, recall, allowed = address_words([receipt({"address": "1 HIGH LTD"})])
    assert (round(precision, 2), round(recall, 2), round(allowed, 2)) == (0.67, 0.67, 0.67)


def test_the_states_come_with_the_reasons_of_what_did_not_succeed():
    failed = (receipt({})[0], Outcome("FAILED", error="There is no text."))
    assert states([receipt({}), failed]) == "1 SUCCEEDED, 1 FAILED\n- 1 x There is no text."


def test_tickets_are_counted_by_team():
    done = [
        (Item({"text": "a"}, {"team": "cards"}, True), Outcome("SUCCEEDED", {"team": "cards"})),
        (Item({"text": "b"}, {"team": "cards"}, False), Outcome("SUCCEEDED", {"team": "cash"})),
    ]
    report = tickets_report(done)
    assert "| cards | 2 | 0.500 | 1.000 |" in report
    assert "| cash | 0 | - | - |" in report


def test_the_data_is_read_as_it_is_published(tmp_path):
    (tmp_path / "receipts-sroie").mkdir()
    entities = {"company": "BLUE LTD ", "date": "01/02/2026", "total": "5.00"}
    row = {"words": ["BLUE LTD", "TOTAL 5.00"], "entities": entities}
    (tmp_path / "receipts-sroie" / "train.jsonl").write_text(json.dumps(row) + "\n")
    (tmp_path / "banking77").mkdir()
    (tmp_path / "banking77" / "train.csv").write_text('text,category\n"two\nlines",card_arrival\n')
    (item,) = receipts(tmp_path)
    assert item.payload == {"text": "BLUE LTD\nTOTAL 5.00"}
    assert item.expected == {"company": "BLUE LTD", "date": "01/02/2026", "address": "", "total": "5.00"}
    (ticket,) = tickets(tmp_path)
    assert (ticket.payload, ticket.expected) == ({"text": "two\nlines"}, {"team": "cards"})
    with pytest.raises(NoData):
        receipts(tmp_path / "elsewhere")


def test_every_category_has_one_team():
    assert len(TEAM_OF) == 77


def test_without_the_data_the_command_says_so_and_ends_with_2(tmp_path):
    command = [sys.executable, "-m", "bench.accuracy", "--data", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "The data sets are not there" in done.stderr


def test_an_invoices_fields_are_compared_by_value():
    wanted = {"supplier": "Blue Ltd", "date": "01/02/2026", "total": "5.5", "currency": "EUR"}
    found = {"supplier": "BLUE LTD.", "date": "2026-02-01", "total": 5.5, "currency": "USD"}
    report = gallery.invoices_report([(Item({"text": ""}, wanted, False), Outcome("SUCCEEDED", found))])
    for line in ("supplier | 1 of 1", "date | 1 of 1", "total | 1 of 1", "currency | 0 of 1 | 0.000 | USD for EUR"):
        assert line in report


def test_labels_are_counted_on_what_was_held_out():
    posts = [
        (Item({"text": ""}, {"label": label}, held), Outcome("SUCCEEDED", {"label": found, "route": "hold"}))
        for label, found, held in (
            ("hate", "hate", True),
            ("hate", "offensive", True),
            ("neither", "neither", True),
            ("offensive", "hate", False),
        )
    ]
    report = gallery.moderation_report(posts)
    assert "| hate | 2 | 1.000 | 0.500 | 0.667 |" in report
    assert "| all | 3 |  | 0.667 right | 0.556 macro |" in report
    assert "Routes: hold 3." in report


@pytest.mark.parametrize("read", [invoices, moderation, help_desk])
def test_a_set_that_is_missing_is_told(read, tmp_path):
    with pytest.raises(NoData):
        read(tmp_path)
