"""The kinds that ask a language model: what they refuse, and what they do by rules."""

import math

import pytest

from tests.factories import NOW
from workflows.domain.outcomes import PermanentError
from workflows.kinds.base import ConfigError, Effect, StepContext
from workflows.kinds.llm.confidence import majority, token_confidence, value_spans
from workflows.kinds.llm.question import Form, json_part
from workflows.kinds.registry import make_runner
from workflows.llm import Token
from workflows.llm.schemas import plain_schema

WORDS = [
    {"name": "fees", "rules": [{"words": ["fee*"]}]},
    {"name": "cards", "rules": [{"words": ["card"], "points": 2}]},
]


def context(**payload):
    return StepContext(payload=payload, steps={}, job={"id": "1"}, tenant={"slug": "acme"}, now=NOW)


def classify(**config):
    return make_runner("classify", {"labels": WORDS} | config)


def output(runner, **payload):
    return runner.run(context(**payload)).output


@pytest.mark.parametrize(
    ("kind", "config", "field", "words"),
    [
        ("classify", {"labels": []}, "labels", "at least 1"),
        ("classify", {"labels": [{"name": "a"}, {"name": "a"}]}, "labels.1.name", "two labels 'a'"),
        ("classify", {"labels": [{"name": "a"}], "by": "rules"}, "labels", "no label has words"),
        ("classify", {"labels": [{"name": "a"}], "otherwise": "b"}, "otherwise", "'b' is not one of the labels"),
        ("classify", {"labels": [{"name": "a"}], "field": "confidence"}, "field", "meaning of its own"),
        ("classify", {"labels": [{"name": "a"}], "input": "{{ paylod.x }}"}, "input", "did you mean 'payload'"),
        (
            "classify",
            {"labels": [{"name": "a"}], "llm": {"temperature": 3}},
            "llm.temperature",
            "less than or equal to 2",
        ),
        ("classify", {"labels": [{"name": "a"}], "llm": {"modell": "x"}}, "llm.modell", "not known here"),
        ("score", {"instruction": ""}, "instruction", "at least 1"),
        ("score", {"instruction": "x", "least": 5, "most": 5}, "", "must be less than the highest"),
        ("score", {"instruction": "x", "criteria": [{"name": "a"}, {"name": "a"}]}, "criteria.1.name", "two criteria"),
        ("score", {"instruction": "x", "criteria": [{"name": "reasons"}]}, "criteria.0.name", "meaning of its own"),
        ("score", {"instruction": "x", "field": "reasons"}, "field", "meaning of its own"),
        ("generate", {"instruction": "{{ payload.x"}, "instruction", "not closed"),
        ("extract", {"fields": [{"name": "a"}]}, "fields.0.rules", "needs at least one rule, or a model"),
        ("extract", {"by": "llm", "fields": [{"name": "confidence"}]}, "fields.0.name", "meaning of its own"),
        (
            "extract",
            {"by": "llm", "fields": [{"name": "a", "type": "date", "choices": ["x"]}]},
            "fields.0.choices",
            "text",
        ),
        ("extract", {"by": "guess", "fields": [{"name": "a"}]}, "by", "should be 'rules'"),
    ],
)
def test_a_wrong_config_is_refused_at_its_place(kind, config, field, words):
    with pytest.raises(ConfigError) as caught:
        make_runner(kind, config)
    assert any(place == field and words in message for place, message in caught.value.problems), caught.value.problems


def test_what_may_ask_a_model_is_costly_and_rules_alone_are_pure():
    assert classify().effect is Effect.COSTLY
    assert classify(by="rules").effect is Effect.PURE
    assert classify(by="llm_or_rules").effect is Effect.COSTLY
    assert make_runner("extract", {"by": "llm", "fields": [{"name": "a"}]}).effect is Effect.COSTLY
    assert make_runner("score", {"instruction": "x"}).effect is Effect.COSTLY
    assert make_runner("generate", {"instruction": "x"}).effect is Effect.COSTLY


def test_steps_that_a_template_reads_are_known():
    runner = classify(instruction="After {{ steps.read.total }}")
    assert [(reference.field, reference.key) for reference in runner.references] == [("instruction", "read")]


def test_by_rules_the_label_with_the_most_points_is_given():
    runner = classify(by="rules", reason=True)
    assert output(runner, text="fees for a card") == {"label": "cards", "label_reason": "found by its words"}
    assert output(runner, text="hello") == {"label": None, "label_reason": "no words were found"}
    assert output(classify(by="rules", otherwise="fees"), text="hello") == {"label": "fees"}


def test_by_rules_every_label_with_points_is_given_with_many():
    runner = classify(by="rules", many=True, field="topics", otherwise="fees")
    assert output(runner, text="card fees") == {"topics": ["fees", "cards"]}
    assert output(runner, text="hello") == {"topics": ["fees"]}


def test_by_rules_the_item_is_read_without_marks():
    runner = classify(by="rules", input="{{ payload.a }}{{ payload.b }}")
    assert output(runner, a="ca", b="rd") == {"label": "cards"}


def test_without_a_connection_a_model_cannot_be_asked():
    with pytest.raises(PermanentError, match="no connection to a language model"):
        classify(by="llm").run(context(text="x"))
    assert output(classify(by="llm_or_rules"), text="card") == {"label": "cards"}
    assert output(classify(by="rules_first"), text="card") == {"label": "cards"}


def test_a_dry_run_asks_as_well():
    with pytest.raises(PermanentError, match="no connection to a language model"):
        make_runner("generate", {"instruction": "x"}).dry_run(context())


@pytest.mark.parametrize(
    ("runner", "schema"),
    [
        (classify(), {"label": {"type": "string", "enum": ["fees", "cards"]}}),
        (classify(by="rules"), {"label": {"type": ["string", "null"], "enum": ["fees", "cards", None]}}),
        (make_runner("generate", {"instruction": "x", "field": "reply"}), {"reply": {"type": "string"}}),
        (
            make_runner("score", {"instruction": "x", "criteria": [{"name": "a"}]}),
            {"score": {"type": "integer"}, "score_reasons": {"type": "string"}, "score_criteria": {"type": "object"}},
        ),
    ],
)
def test_outputs_have_a_schema(runner, schema):
    assert runner.output_schema() == {"type": "object", "properties": schema, "required": list(schema)}


def test_values_by_rules_may_be_true_or_a_choice():
    fields = [
        {"name": "paid", "type": "boolean", "rules": [{"rule": "path", "path": "payload.paid"}]},
        {"name": "tags", "type": "list", "rules": [{"rule": "path", "path": "payload.tags"}]},
        {"name": "size", "choices": ["S", "M"], "rules": [{"rule": "path", "path": "payload.size"}]},
    ]
    runner = make_runner("extract", {"source": None, "fields": fields})
    assert output(runner, paid="Yes", tags=["a"], size="M") == {"paid": True, "tags": ["a"], "size": "M"}
    assert output(runner, paid="perhaps", tags="a", size="L") == {"paid": None, "tags": None, "size": None}
    properties = runner.output_schema()["properties"]
    assert properties["size"]["enum"] == ["S", "M", None]
    assert properties["tags"]["items"] == {"type": "string"}


# Reading answers


def test_json_is_found_among_words():
    assert json_part('Well: {"a": 1} I think') == '{"a": 1}'
    assert json_part('```json\n{"a": 2}\n```') == '{"a": 2}'
    assert json_part("nothing here") == "nothing here"


def test_every_problem_of_an_answer_is_named_with_its_place():
    form = Form({"a": {"type": "integer"}, "b": {"type": "string", "enum": ["x" * 300]}}, confidence=False)
    _, problems = form.read('{"a": "1", "b": "y"}')
    assert problems[0] == "a: '1' is not of type 'integer'"
    assert problems[1].startswith("b: 'y' is not one of")
    assert len(problems[1]) < 210
    assert form.read('{"a": 1')[1][0].startswith("it is not JSON: This is not JSON")
    assert form.read('{"a": "\ud800"}')[1]


def test_schemas_are_made_plain_for_providers():
    schema = {
        "type": "object",
        "properties": {"tags": {"type": "array", "uniqueItems": True, "items": {"type": "string", "minLength": 1}}},
    }
    assert plain_schema(schema) == {
        "type": "object",
        "properties": {"tags": {"type": "array", "items": {"type": "string"}}},
        "required": ["tags"],
        "additionalProperties": False,
    }
    assert plain_schema(True) is True


# Confidence


def tokens(*pieces):
    return [Token(text, math.log(sure)) for text, sure in pieces]


def test_a_label_is_as_sure_as_the_product_of_its_tokens():
    answer = tokens(('{"', 1), ("label", 0.1), ('": "', 0.2), ("ca", 0.5), ("rds", 0.5), ('"}', 0.1))
    text = "".join(token.text for token in answer)
    assert token_confidence(text, answer, ["label"], joint=True) == pytest.approx(0.25)
    assert token_confidence(text, answer, ["label"], joint=False) == pytest.approx(0.5)


def test_the_least_sure_of_several_values_counts():
    answer = tokens(('{"a":', 1), ("1", 0.9), (',"b":', 1), ("2", 0.3), ("}", 1))
    text = "".join(token.text for token in answer)
    assert token_confidence(text, answer, ["a", "b"], joint=False) == pytest.approx(0.3)
    assert token_confidence(text, answer, ["a"], joint=False) == pytest.approx(0.9)


def test_nothing_is_said_without_tokens_or_of_others():
    answer = tokens(("{}", 0.5))
    assert token_confidence("{}", [], ["a"], joint=True) is None
    assert token_confidence("{}", answer, ["a"], joint=True) is None
    assert token_confidence("other", answer, ["a"], joint=True) is None
    assert token_confidence('{"a": ""}', tokens(('{"a": ""}', 0.5)), ["a"], joint=True) == pytest.approx(0.5)


def test_values_are_found_where_they_stand():
    text = 'So: {"a": "x\\"y", "b" : [1, 2], "c": null} ok'
    assert {name: text[start:end] for name, (start, end) in value_spans(text).items()} == {
        "a": 'x\\"y',
        "b": "[1, 2]",
        "c": "null",
    }
    assert value_spans('{"a": }') == {}
    assert value_spans("words") == {}


def test_the_answer_that_most_agree_with_wins():
    answers = [{"l": "a", "why": 1}, {"l": "b", "why": 2}, {"l": "b", "why": 3}]
    place, share = majority(answers, ["l"])
    assert (place, round(share, 4)) == (1, 0.6667)


def test_scores_vote_by_their_median():
    runner = make_runner("score", {"instruction": "x"})
    answers = [{"score": score, "reasons": str(score)} for score in (10, 80, 82, 85)]
    assert runner._vote(answers) == ({"score": 80, "reasons": "80"}, 0.75)
