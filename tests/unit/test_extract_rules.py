"""The `extract` step: each kind of rule, through the step's own door."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from workflows.domain.extraction.choices import hash_words
from workflows.domain.extraction.patterns import Budget, Pattern, PatternTimeout
from workflows.domain.outcomes import Done, PermanentError
from workflows.kinds.base import ConfigError, StepContext
from workflows.kinds.extract import Extract
from workflows.kinds.extract.config import ExtractConfig

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def step(*fields: dict[str, Any], **more: Any) -> Extract:
    return Extract(ExtractConfig.model_validate({"fields": list(fields)} | more))


def run(extract: Extract, text: Any = "", **payload: Any) -> dict[str, Any]:
    context = StepContext(payload={"text": text} | payload, steps={}, job={}, tenant={}, now=NOW)
    outcome = extract.run(context)
    assert isinstance(outcome, Done)
    return outcome.output


def find(text: str, *rules: dict[str, Any], **field: Any) -> Any:
    return run(step({"name": "found", "rules": list(rules)} | field), text)["found"]


def test_a_pattern_gives_its_value_group_its_first_group_or_all_of_it():
    text = "Order AB-123 of Monday"
    assert find(text, {"rule": "regex", "pattern": r"(AB)-(?P<value>\d+)"}) == "123"
    assert find(text, {"rule": "regex", "pattern": r"order (\S+)"}) == "AB-123"
    assert find(text, {"rule": "regex", "pattern": r"AB-\d+"}) == "AB-123"
    assert find(text, {"rule": "regex", "pattern": r"(AB)-(\d+)", "group": 2}) == "123"


def test_a_pattern_can_take_the_last_match_and_mind_the_case():
    text = "no 1\nNo 2\nno 3"
    assert find(text, {"rule": "regex", "pattern": r"^no (\d)", "take": "last"}) == "3"
    assert find(text, {"rule": "regex", "pattern": r"No (\d)", "ignore_case": False}) == "2"
    assert find(text, {"rule": "regex", "pattern": "absent", "take": "last"}) is None


def test_a_group_that_takes_no_part_in_a_match_is_nothing():
    assert find("a", {"rule": "regex", "pattern": "a|(b)"}) is None


@pytest.mark.parametrize(
    "text",
    ["Invoice No.: 77", "INVOICE NO\n:\n77", "invoice-no = 77", "Tel 12\nInvoice no\n#77"],
)
def test_the_value_after_a_label_stands_on_its_line_or_on_one_of_the_next(text):
    assert find(text, {"rule": "after_label", "labels": ["INVOICE NO"], "within": 2}) == "77"


def test_a_label_without_a_value_in_reach_is_passed_over():
    rule = {"rule": "after_label", "labels": ["total"], "within": 1, "pattern": r"^\d"}
    assert find("Total\nof all\nTotal 5", rule) == "5"
    assert find("Total\nof all", rule) is None


def test_a_label_is_whole_words_and_a_star_is_the_rest_of_one():
    assert find("Subtotal 1\nTotal 2", {"rule": "after_label", "labels": ["total"]}) == "2"
    assert find("Rounding 0.02", {"rule": "after_label", "labels": ["round*"]}) == "0.02"
    assert find("Sub-Total: 4", {"rule": "after_label", "labels": ["SUB TOTAL"]}) == "4"
    assert find("Anything 1", {"rule": "after_label", "labels": ["*", "..."]}) is None


def test_a_key_is_all_that_stands_before_the_mark():
    text = "My order no: 1\nOrder  No : 2\nOrder no:"
    assert find(text, {"rule": "key_value", "keys": ["order no"]}) == "2"
    assert find("order no:\nfoo=7", {"rule": "key_value", "keys": ["order no", "FOO"]}) == "7"
    assert find("order no 7", {"rule": "key_value", "keys": ["order no"]}) is None


def test_a_path_reads_the_payload_and_needs_no_text():
    config = {"name": "found", "rules": [{"rule": "path", "path": "payload.items[1].name"}]}
    items = [{"name": "a"}, {"name": "b"}]
    assert run(step(config, source=None), None, items=items) == {"found": "b"}
    assert run(step(config, source=None), None, items=items[:1]) == {"found": None}
    assert run(step(config, source=None), None, items=[1, {"name": {"no": "text"}}]) == {"found": None}


def test_the_text_may_come_from_an_earlier_step():
    extract = step({"name": "found", "rules": [{"rule": "lines"}]}, source="steps.read.text")
    context = StepContext(payload={}, steps={"read": {"text": "one\ntwo"}}, job={}, tenant={}, now=NOW)
    assert extract.run(context) == Done({"found": "one"})
    assert [(reference.field, reference.key) for reference in extract.references] == [("source", "read")]


def test_lines_are_chosen_by_what_stands_around_them_and_in_them():
    text = "head\n\n  one \ntwo\nthree\nfoot"
    assert find(text, {"rule": "lines", "after": "^head", "before": "^foot", "count": 9}) == "one two three"
    assert find(text, {"rule": "lines", "before": "^two", "count": 9, "join": "|"}) == "head|one"
    assert find(text, {"rule": "lines", "matching": "^t", "count": 9}) == "two three"
    assert find(text, {"rule": "lines", "after": "^two", "count": 1}) == "three"
    assert find(text, {"rule": "lines", "after": "absent"}) is None
    assert find(text, {"rule": "lines", "before": "absent"}) is None
    assert find(text, {"rule": "lines", "before": "^head"}) is None


def test_the_choice_with_the_most_points_wins_and_the_first_of_equals():
    choices = [
        {"value": "cards", "words": ["card", "pin"]},
        {"value": "fees", "words": ["fee", "charged"], "points": 2},
        {"value": "fees", "words": ["no fee"], "points": -5},
    ]
    rule = {"rule": "choice", "choices": choices}
    assert find("My card, my CARD: a fee", rule) == "fees"
    assert find("Charged on my card? No fee!", rule) == "cards"
    assert find("The PIN of my card, and a fee", rule) == "cards"
    assert find("Good morning", rule) is None


def test_the_first_rule_that_finds_a_value_of_the_type_counts():
    rules = [
        {"rule": "regex", "pattern": "absent"},
        {"rule": "after_label", "labels": ["age"]},
        {"rule": "constant", "value": "18"},
    ]
    assert find("Age: unknown", *rules, type="integer") == 18
    assert find("Age: 30", *rules, type="integer") == 30


def test_a_field_can_be_made_of_one_above_it():
    fields = [
        {"name": "total", "type": "money", "as_printed": True, "rules": [{"rule": "constant", "value": "RM 1,234.50"}]},
        {"name": "amount", "type": "money", "rules": [{"rule": "field", "name": "total"}]},
    ]
    assert run(step(*fields)) == {"total": "RM 1,234.50", "amount": 1234.5}


def test_a_text_is_cleaned_as_asked():
    rule = {"rule": "constant", "value": " **Two\n  words** "}
    assert find("", rule) == "**Two words**"
    assert find("", rule, clean={"strip": "*", "case": "upper"}) == "TWO WORDS"
    assert find("", rule, clean={"spaces": False, "case": "lower"}) == "**two\n  words**"
    assert find("", {"rule": "constant", "value": " ** "}, clean={"strip": "*"}) is None


@pytest.mark.parametrize(
    ("kind", "printed", "value"),
    [
        ("number", "1,234.50", 1234.5),
        ("number", "1.234,50", 1234.5),
        ("number", "-7", -7.0),
        ("number", "1e3", 1000.0),
        ("number", "seven", None),
        ("number", "nan", None),
        ("number", "...", None),
        ("number", "9" * 31, None),
        ("integer", "1,234", 1234),
        ("integer", "12.5", None),
        ("money", "$ 8.20", 8.2),
        ("money", "(free)", None),
        ("money", "-0.05", -0.05),
        ("date", "31 December 2025", "2025-12-31"),
        ("date", "31/31/2025", None),
        ("text", "12.50", "12.50"),
    ],
)
def test_a_value_is_given_in_its_type_or_not_at_all(kind, printed, value):
    assert find("", {"rule": "constant", "value": printed}, type=kind) == value


def test_data_may_be_a_number_already_but_not_a_truth_or_a_list():
    fields = [
        {"name": name, "type": "number", "rules": [{"rule": "path", "path": f"payload.{name}"}]}
        for name in ("a", "b", "c")
    ]
    assert run(step(*fields), a=2, b=True, c=[1]) == {"a": 2.0, "b": None, "c": None}


def test_all_missing_required_fields_are_named():
    fields = [{"name": name, "required": name != "b", "rules": [{"rule": "regex", "pattern": name}]} for name in "abc"]
    with pytest.raises(PermanentError, match=r"Nothing was found for a, c\.") as caught:
        run(step(*fields), "nothing")
    assert caught.value.details == {"fields": ["a", "c"]}


@pytest.mark.parametrize("text", [None, 7, ["a"]])
def test_where_there_is_no_text_the_step_says_where_it_looked(text):
    with pytest.raises(PermanentError, match=r"There is no text at payload\.text\."):
        run(step({"name": "a", "rules": [{"rule": "constant", "value": "1"}]}), text)


def test_a_text_beyond_the_limit_is_refused():
    extract = step({"name": "a", "rules": [{"rule": "constant", "value": "1"}]}, max_length=10)
    with pytest.raises(PermanentError, match=r"payload\.text is longer than 10 characters\."):
        run(extract, "12345678901")


@pytest.mark.parametrize(
    "rule",
    [
        {"rule": "regex", "pattern": "(a|aa)+$"},
        {"rule": "regex", "pattern": "(a|aa)+$", "take": "last"},
        {"rule": "lines", "matching": "(a|aa)+$"},
        {"rule": "after_label", "labels": ["x"], "pattern": "(a|aa)+$"},
    ],
)
def test_a_catastrophic_pattern_ends_as_an_error_that_names_field_and_rule(rule):
    extract = step({"name": "slow", "rules": [{"rule": "constant", "value": " "}, rule]}, pattern_seconds=0.02)
    with pytest.raises(PermanentError, match=rf"Rule 2 \({rule['rule']}\) of field 'slow' was stopped"):
        run(extract, "x " + "a" * 99 + "c")


def test_patterns_share_one_budget_over_all_lines():
    extract = step({"name": "a", "rules": [{"rule": "lines", "matching": "(a|aa)+$"}]}, pattern_seconds=0.02)
    with pytest.raises(PermanentError, match=r"patterns may take 0\.02 s for one text"):
        run(extract, "\n".join(["a" * 26 + "c"] * 5000))


def test_a_spent_budget_stops_the_next_pattern():
    with pytest.raises(PatternTimeout):
        Pattern("a").first("a", Budget(0))


def one(**rule: Any) -> list[dict[str, Any]]:
    return [{"name": "a", "rules": [rule]}]


@pytest.mark.parametrize(
    ("fields", "place", "message"),
    [
        (one(rule="regex", pattern="("), "fields.0.rules.0.pattern", "regular expression"),
        (one(rule="regex", pattern="a", group=1), "fields.0.rules.0.group", "no group"),
        (one(rule="regex", pattern="a", group="b"), "fields.0.rules.0.group", "no group"),
        (one(rule="lines", before="["), "fields.0.rules.0.before", "regular expression"),
        (one(rule="path", path="steps..x"), "fields.0.rules.0.path", "is not a path"),
        (one(rule="path", path="job.id"), "fields.0.rules.0.path", "is not a path"),
        (one(rule="field", name="b"), "fields.0.rules.0.name", "no field 'b' above"),
        (one(rule="lines") * 2, "fields.1.name", "two fields 'a'"),
    ],
)
def test_a_wrong_config_is_refused_with_its_place(fields, place, message):
    with pytest.raises(ConfigError, match=message) as caught:
        step(*fields)
    assert caught.value.field == place


def test_everything_wrong_with_a_config_is_told_at_once():
    fields = [{"name": "a", "rules": [{"rule": "regex", "pattern": "("}, {"rule": "field", "name": "b"}]}]
    with pytest.raises(ConfigError) as caught:
        step(*fields, source="nowhere")
    assert {place for place, _ in caught.value.problems} == {
        "source",
        "fields.0.rules.0.pattern",
        "fields.0.rules.1.name",
    }


def test_the_output_schema_tells_each_fields_type():
    fields = [
        {"name": "day", "type": "date", "required": True, "description": "When", "rules": [{"rule": "date"}]},
        {"name": "count", "type": "integer", "rules": [{"rule": "lines"}]},
        {"name": "sum", "type": "money", "as_printed": True, "rules": [{"rule": "lines"}]},
    ]
    schema = step(*fields).output_schema()
    assert schema["required"] == ["day", "count", "sum"]
    assert schema["properties"] == {
        "day": {"type": "string", "description": "When"},
        "count": {"type": ["integer", "null"], "description": ""},
        "sum": {"type": ["string", "null"], "description": ""},
    }


NUMBER = {"rule": "cell", "labels": ["INVOICE NO", "INVOICE"], "pattern": r"^(?P<value>[A-Z]*-?\d[\d-]*)$"}


@pytest.mark.parametrize(
    "text",
    [
        "Invoice no: A-77",
        "Date  1 May     Invoice No. #     A-77",
        "Customer    Invoice no     Due\nBlue Ltd    A-77           today",
        "Customer    Invoice no\n\nBlue Ltd    Main Street\n            A-77",
        "\tInvoice A-77",
        "Invoice date   Invoice\n1 May          A-77",
    ],
)
def test_a_labels_value_stands_behind_it_in_the_next_cell_or_below_it(text):
    assert find(text, NUMBER) == "A-77"


@pytest.mark.parametrize(
    "text",
    [
        "Our invoice A-77",
        "Invoice to\nA-77",
        "Invoice no\n\nx\ny\nA-77",
        "Invoice no:   none\nOrder          A-77",
        "Invoice no",
    ],
)
def test_a_value_elsewhere_is_not_the_labels(text):
    assert find(text, NUMBER) is None


def test_a_cell_is_taken_whole_where_the_pattern_names_no_value():
    assert find("Due date    2 May 2026", {"rule": "cell", "labels": ["DUE DATE"], "pattern": r"\d"}) == "2 May 2026"


def test_hashed_words_and_pairs_speak_for_a_value_like_words_do():
    hashes = [hash_words("blue"), hash_words("red car")]
    choices = [
        {"value": "colour", "hashes": hashes, "points": 2},
        {"value": "size", "words": ["large"], "points": 3},
        {"value": "none", "base": 1},
    ]
    rule = {"rule": "choice", "choices": choices}
    assert find("A BLUE, large sky", rule) == "size"
    assert find("Blue: a red car!", rule) == "colour"
    assert find("a car, red", rule) == "none"


def test_a_choice_without_words_hashes_or_points_is_refused():
    with pytest.raises(ValidationError, match="needs words, hashes, or points"):
        find("", {"rule": "choice", "choices": [{"value": "x"}]})
