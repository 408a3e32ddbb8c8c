"""The gallery's workflows, as they come: by rules, on their own samples and on texts that nobody foresaw."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.accuracy_runs import in_memory
from workflows.domain.definition import Definition, load_definition, read_definition
from workflows.domain.fields import check_payload

FOLDER = Path("workflows/gallery")
SLUGS = ("invoices", "moderation", "resumes", "support-tickets")
EACH = pytest.mark.parametrize("slug", SLUGS)


def definition(slug: str) -> Definition:
    found, problems = read_definition(load_definition((FOLDER / f"{slug}.yaml").read_text(encoding="utf-8")))
    assert problems == []
    assert found is not None
    return found


@EACH
def test_the_samples_come_out_as_expected(slug):
    samples = definition(slug).samples or ()
    outcomes = in_memory(slug, [sample.input for sample in samples])
    assert len(samples) >= 3
    for sample, outcome in zip(samples, outcomes, strict=True):
        assert outcome.state == "SUCCEEDED", outcome.error
        assert {key: outcome.result.get(key) for key in sample.expected} == sample.expected


@EACH
def test_a_starter_has_labels_fields_a_policy_and_says_what_a_language_model_adds(slug):
    starter = definition(slug)
    assert starter.labels.plural != "Jobs"
    assert starter.retry_policy is not None
    assert "without a language model" in starter.description
    shown = {field.key for field in starter.fields if field.role == "output"}
    for outcome in in_memory(slug, [sample.input for sample in starter.samples or ()]):
        assert shown <= set(outcome.result)


@pytest.mark.parametrize("slug", ["moderation", "support-tickets"])
def test_an_empty_text_is_refused_before_it_becomes_a_job(slug):
    assert [problem.field for problem in check_payload(definition(slug).fields, {"text": " "})] == ["text"]


@pytest.mark.parametrize("slug", ["invoices", "resumes"])
def test_without_a_file_and_a_text_the_reason_says_what_to_send(slug):
    assert check_payload(definition(slug).fields, {}) == []
    for payload in ({}, {"text": " "}):
        (outcome,) = in_memory(slug, [payload])
        assert outcome.state == "FAILED"
        assert "neither a file nor a text in payload.text" in str(outcome.error)


TEXTS = st.one_of(
    st.text(max_size=300).filter(str.strip),
    st.lists(st.sampled_from(["Invoice No", "TOTAL", "12.50", "$", "  ", "\n", "a@b.co", "5 years", "ß", "1.1.26"]))
    .map(" ".join)
    .filter(str.strip),
)


@pytest.mark.slow
@given(TEXTS)
@settings(deadline=None, max_examples=60)
def test_any_text_gets_an_answer(text):
    for slug in SLUGS:
        (outcome,) = in_memory(slug, [{"text": text}])
        assert outcome.state == "SUCCEEDED", outcome.error
        json.dumps(outcome.result, allow_nan=False)


def test_hate_is_never_published_and_rules_alone_do_not_hide_it():
    routes = {step.key: step for step in definition("moderation").steps}["route"].config["routes"]
    assert routes[0] == {"to": "hold", "when": 'record.label == "hate"'}


def test_the_words_of_the_moderation_cannot_be_read():
    choices = definition("moderation").steps[0].config["fields"][0]["rules"][0]["choices"]
    assert sum(len(choice.get("hashes", ())) for choice in choices) > 300
    assert not any(choice.get("words") for choice in choices)


@pytest.mark.parametrize(
    ("line", "years"),
    [
        ("I have 7+ years of professional experience", 7),
        ("Work experience: 3 years", 3),
        ("for 12 years", 12),
        ("experienced", 0),
    ],
)
def test_the_years_of_a_resume_are_those_that_it_states(line, years):
    (outcome,) = in_memory("resumes", [{"text": f"Ana Example\nana@example.com\n{line}"}])
    assert outcome.result["years"] == years


def test_the_notice_names_the_data_that_words_were_learned_from():
    notice = (FOLDER / "NOTICE.md").read_text(encoding="utf-8")
    assert "moderation.yaml" in notice
    assert "MIT License" in notice
