"""Workflow files: read whole or refused with every reason, and the same after a round trip."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.domain.definition import DefinitionError
from workflows.domain.yamlfile import MAX_SIZE, YamlError, dump_yaml, load_yaml
from workflows.services.checking import check_definition, check_file

FILE = """
slug: receipts
name: Receipts
fields:
  - {key: text, required: true}
steps:
  - key: make
    kind: transform
    config: {fields: [{name: total, expression: number(payload.text)}]}
  - key: sort
    kind: route
    config:
      routes: [{when: steps.make.total > 100, to: large, goto: thank}]
      default: {to: small, stop: true}
  - key: thank
    kind: transform
    config: {fields: [{name: note, template: "Thanks for {{ record.total }}"}]}
samples:
  - {input: {text: "5"}, expected: {total: 5}}
"""


def problems(text):
    with pytest.raises(DefinitionError) as caught:
        check_file(text)
    return [str(problem) for problem in caught.value.problems]


def test_a_good_file_becomes_a_definition():
    definition = check_file(FILE)
    assert [step.key for step in definition.steps] == ["make", "sort", "thank"]
    assert definition.labels.plural == "Jobs"
    assert definition.queue == "default"
    assert definition.steps[0].shown_name == "Make"


def test_everything_that_is_wrong_is_reported_at_once_with_its_place():
    found = problems("""
slug: Receipts!
name: Receipts
colour: red
fields: [{key: text, required: true}, {key: text}, {key: n, type: integr}]
steps:
  - {key: a, kind: transfrom}
  - key: b
    kind: route
    config:
      routes:
        - {when: "payload.x > 100 and", to: large, goto: a}
        - {when: steps.c.total > 100, to: large, goto: big}
        - {when: steps.b.total > 100, to: me, goto: b}
  - {key: c, kind: validate, config: {rules: [{field: x}]}}
  - {key: c, kind: http, config: {url: "ftp://x"}, timout: 5}
samples: [{input: 7}]
""")
    for place in (
        "slug: 'Receipts!' does not fit",
        "colour: is not known here",
        "fields.1.key: 'text' is there twice",
        "fields.2.type: should be 'text'",
        "steps.0.kind: there is no step kind 'transfrom'; did you mean 'transform'?",
        "steps.1.config.routes.0.when: column 17: 'and' is not known; write && instead",
        "steps.2.config.rules.0: checks nothing",
        "steps.3.timout: is not known here",
        "steps.3.key: 'c' is there twice",
        "samples.0.input: should be an object",
    ):
        assert [line for line in found if line.startswith(place)], (place, found)


def test_what_steps_say_of_one_another_is_checked():
    found = problems("""
slug: s
name: S
steps:
  - key: a
    kind: route
    config:
      routes:
        - {when: steps.b.x > 1, to: t, goto: a}
        - {when: steps.a.x > 1, to: t, goto: c}
        - {when: steps.cc.x > 1, to: t, goto: bb}
  - key: b
    kind: route
    config: {routes: [{when: "true", to: t, goto: a}], default: {to: t, goto: zzz}}
""")
    assert found == [
        "steps.0.config.routes.0.when: the step 'b' comes later, so it has no output yet",
        "steps.0.config.routes.1.when: 'a' is this step itself",
        "steps.0.config.routes.2.when: there is no step 'cc'",
        "steps.0.config.routes.0.goto: 'a' is this step itself",
        "steps.0.config.routes.1.goto: there is no step 'c'",
        "steps.0.config.routes.2.goto: there is no step 'bb', did you mean 'b'?",
        "steps.1.config.routes.0.goto: the step 'a' comes earlier; a job only goes forward",
        "steps.1.config.default.goto: there is no step 'zzz'",
    ]


def test_samples_are_checked_against_the_fields():
    assert problems(FILE.replace('input: {text: "5"}', "input: {text: 5}")) == [
        "samples.0.input.text: must be text, not a number"
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "top level"),
        ("- a\n", "top level"),
        ("slug: [", "line 2"),
        ("slug: a\nslug: b\n", "line 2, column 1: the key 'slug' is there twice"),
        ("a: &x 1\nb: *x\n", "anchors and aliases"),
        ("a: *x\n", "anchors and aliases"),
        ("a: !!python/object:os.system ls\n", "tags"),
        ("a: !secret x\n", "tags"),
        ("1: x\n", "a key must be text"),
        ("? [a]\n: x\n", "a key must be text"),
        ("a: 1e999\n", "too large"),
        ("a: " + "9" * 5000 + "\n", "5000 digits"),
        ("a: " + "[" * 60 + "]" * 60, "nested deeper than 50"),
        ("a: \x00", "character"),
        ("a: '\ud800'", "character"),
        ("--- a\n--- b\n", "line 2"),
        ("a" * (MAX_SIZE + 1), "larger than 512 KiB"),
    ],
)
def test_a_file_that_is_no_plain_yaml_is_refused_with_its_place(text, words):
    assert words in problems(text)[0]


def test_values_that_other_yaml_readers_turn_into_something_else_stay_text():
    read = load_yaml(
        "{a: no, b: on, c: 2026-01-31, d: '5', e: 12:30, f: 007, g: +49, h: 1_000, i: ~, j: true, k: -5, l: 1.5}"
    )
    assert read == {
        "a": "no", "b": "on", "c": "2026-01-31", "d": "5", "e": "12:30", "f": "007", "g": "+49", "h": "1_000",
        "i": None, "j": True, "k": -5, "l": 1.5,
    }  # fmt: skip


TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
LINES = st.lists(st.text(alphabet=" ab:#-'\"|>{}[]\t,", max_size=8), max_size=4).map("\n".join)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | LINES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT | LINES, inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_what_is_written_reads_back_the_same(data):
    assert load_yaml(dump_yaml(data)) == data


@pytest.mark.slow
@given(st.one_of(st.text(max_size=80), st.text(alphabet="ab:-[]{}&*!|>?'\"\n #,1.~", max_size=60)))
def test_no_text_raises_anything_but_a_yaml_error(text):
    try:
        load_yaml(text)
    except YamlError:
        return


@given(JSON)
def test_no_data_raises_anything_but_a_definition_error(data):
    for attempt in (
        data,
        {"slug": "s", "name": "S", "fields": data, "steps": data},
        {"steps": [{"key": "a", "kind": "route", "config": data}]},
    ):
        with pytest.raises(DefinitionError):
            check_definition(attempt)


def step(key, earlier):
    reads = f"{{{{ steps.{earlier}.x|default:'' }}}}" if earlier else "hello"
    return {
        "key": key,
        "name": f"Step {key}",
        "kind": "transform",
        "config": {"fields": [{"name": "x", "template": reads}]},
    }


@st.composite
def definitions(draw):
    keys = draw(st.lists(st.from_regex(r"\A[a-z][a-z0-9_]{0,8}\Z"), min_size=1, max_size=4, unique=True))
    data = {
        "slug": "s-1",
        "name": draw(TEXT.filter(bool)),
        "steps": [step(k, keys[i - 1] if i else "") for i, k in enumerate(keys)],
    }
    if draw(st.booleans()):
        data["samples"] = draw(
            st.lists(
                st.fixed_dictionaries({"input": st.dictionaries(TEXT, JSON, max_size=3), "expected": JSON}), max_size=2
            )
        )
    if draw(st.booleans()):
        data |= {"retry_policy": {"max_attempts": 3, "strategy": "linear"}, "timeout": 60.5, "description": draw(LINES)}
    if draw(st.booleans()):
        data["fields"] = [
            {"key": "k", "type": "choice", "choices": draw(st.lists(TEXT, min_size=1, max_size=3, unique=True))}
        ]
        data.pop("samples", None)
    return data


@pytest.mark.slow
@given(definitions())
def test_a_definition_is_the_same_after_a_round_trip(data):
    definition = check_definition(data)
    assert check_file(dump_yaml(definition.to_data())) == definition
