"""The demo's workflows on the real receipts and tickets that are shipped with them."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.accuracy_runs import Outcome, in_memory
from workflows.domain.definition import load_definition, read_definition
from workflows.domain.fields import check_payload

DEMO, DATA = Path("taskflow/demo"), Path(__file__).parent / "data"
BOTH = pytest.mark.parametrize("name", ["receipts", "tickets"])


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def definition(name: str):
    found, problems = read_definition(load_definition((DEMO / f"{name}.yaml").read_text(encoding="utf-8")))
    assert problems == []
    assert found is not None
    return found


@pytest.fixture(scope="module")
def receipts() -> list[tuple[Outcome, dict[str, Any]]]:
    outcomes = in_memory("receipts", read_lines(DEMO / "receipts.jsonl"))
    return list(zip(outcomes, read_lines(DATA / "receipts_expected.jsonl"), strict=True))


@BOTH
def test_the_shipped_payloads_fit_the_workflows_fields(name):
    fields = definition(name).fields
    assert all(check_payload(fields, payload) == [] for payload in read_lines(DEMO / f"{name}.jsonl"))


@BOTH
def test_an_empty_text_is_refused_before_it_becomes_a_job(name):
    problems = check_payload(definition(name).fields, {"text": " "})
    assert [(problem.field, problem.message) for problem in problems] == [
        ("text", "is required, and must not be empty")
    ]


@BOTH
def test_the_files_own_samples_come_out_as_expected(name):
    samples = definition(name).samples or ()
    outcomes = in_memory(name, [sample.input for sample in samples])
    assert len(samples) >= 3
    for sample, outcome in zip(samples, outcomes, strict=True):
        assert {key: outcome.result.get(key) for key in sample.expected} == sample.expected


@BOTH
def test_what_the_lists_show_is_in_every_result(name):
    shown = {field.key for field in definition(name).fields if field.role == "output"}
    for outcome in in_memory(name, read_lines(DEMO / f"{name}.jsonl")):
        assert outcome.state == "SUCCEEDED"
        assert shown <= set(outcome.result)


@pytest.mark.parametrize(("field", "least"), [("company", 21), ("date", 21), ("total", 22)])
def test_the_fields_of_the_shipped_receipts_are_read_as_people_read_them(receipts, field, least):
    right = [expected["key"] for outcome, expected in receipts if outcome.result[field] == expected[field]]
    assert len(right) >= least, f"only {len(right)} of {len(receipts)}: {right}"


def test_most_words_that_are_found_of_addresses_belong_to_them(receipts):
    found = belonging = 0
    for outcome, expected in receipts:
        words = (outcome.result["address"] or "").replace(",", " ").split()
        found += len(words)
        belonging += sum(word.strip(".") in expected["address"] for word in words)
    assert found > 100
    assert belonging >= 0.8 * found


def test_a_receipt_goes_by_its_amount(receipts):
    for outcome, _ in receipts:
        amount, route = outcome.result["amount"], outcome.result["route"]
        if outcome.result["valid"]:
            assert route == ("small" if amount < 20 else "medium" if amount < 200 else "large")
        else:
            assert route == "check"


def test_a_receipt_that_cannot_be_read_is_marked_and_does_not_fail():
    (outcome,) = in_memory("receipts", [{"text": "?"}])
    assert outcome.state == "SUCCEEDED"
    assert outcome.result["route"] == "check"
    assert [problem["field"] for problem in outcome.result["problems"]] == ["company", "date", "total"]


def test_most_of_the_shipped_tickets_reach_the_team_of_their_category():
    expected = read_lines(DATA / "tickets_expected.jsonl")
    outcomes = in_memory("tickets", read_lines(DEMO / "tickets.jsonl"))
    right = [
        item["team"] for outcome, item in zip(outcomes, expected, strict=True) if outcome.result["team"] == item["team"]
    ]
    assert len(right) >= 51
    assert len(set(right)) == 9


@pytest.mark.parametrize(
    ("text", "team", "priority"),
    [
        ("Someone stole my phone!", "security", "high"),
        ("I need a refund right now", "payments", "high"),
        ("How do I change my PIN?", "cards", "normal"),
        ("Guten Morgen", "other", "normal"),
        ("\x00\u202e", "other", "normal"),
    ],
)
def test_a_ticket_gets_a_team_and_a_priority(text, team, priority):
    (outcome,) = in_memory("tickets", [{"text": text}])
    assert outcome.result == {"team": team, "priority": priority, "route": team}


def test_the_notice_names_every_file_with_somebody_elses_work():
    notice = (DEMO / "NOTICE.md").read_text(encoding="utf-8")
    for path in (*DEMO.glob("*.jsonl"), *DEMO.glob("*.yaml"), *DATA.glob("*.jsonl"), *DEMO.glob("LICENSE*")):
        assert path.name in notice
