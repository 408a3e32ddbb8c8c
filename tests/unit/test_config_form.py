import re
from pathlib import Path

import pytest
from django.http import QueryDict

from tests.pages import posted
from workflows.admin.config_form import ConfigForm, EditorContext, PydanticForm
from workflows.domain.definition import Problem, load_definition
from workflows.domain.retry import RetryPolicy
from workflows.domain.reviewing import ReviewRule
from workflows.domain.yamlfile import load_yaml
from workflows.kinds.registry import KINDS
from workflows.services.variables import Variable

ROOT = Path(__file__).parents[2]
FILES = [*sorted((ROOT / "workflows/gallery").glob("*.yaml")), *sorted((ROOT / "taskflow/demo").glob("*.yaml"))]
GUIDE = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/workflows.md").read_text(), re.DOTALL)


def definitions():
    for file in FILES:
        yield file.stem, load_definition(file.read_text())
    for number, text in enumerate(GUIDE):
        data = load_yaml(text)
        # A step of the guide stands alone, and reads what steps that are not shown have found.
        others = {"key": "others", "kind": "python", "config": {"function": "echo"}}
        yield f"guide-{number}", data if "steps" in data else {"steps": [others, data | {"key": "it"}]}


def steps():
    return [
        pytest.param(step, id=f"{name}-{step['key']}")
        for name, definition in definitions()
        for step in definition["steps"]
    ]


def back(form_of, data):
    """Return what comes back of `data` when its form is drawn and posted as it is."""
    return form_of(data, posted(form_of(data, None).render())).read()


@pytest.mark.parametrize("step", list(steps()))
def test_a_form_that_nobody_changes_gives_back_its_config(step):
    config = step["config"]
    found = back(lambda data, sent: ConfigForm(step["kind"], data, posted=sent), config)
    typed = KINDS[step["kind"]].Config.model_validate
    assert typed(found) == typed(config)


def reviews():
    found = [step["review"] for _, definition in definitions() for step in definition["steps"] if step.get("review")]
    return [*found, {"on_invalid": True, "due_in": 90, "fields": ["total", {"key": "team", "required": False}]}]


@pytest.mark.parametrize("review", reviews())
def test_the_form_of_a_review_gives_it_back(review):
    found = back(lambda data, sent: PydanticForm(ReviewRule, data, posted=sent, prefix="review"), review)
    assert ReviewRule.model_validate(found) == ReviewRule.model_validate(review)


RETRY = {
    "max_attempts": 3,
    "strategy": "linear",
    "cooldowns": {"429": 30, "ConnectTimeout": 1.5},
    "non_retryable": ["Bad"],
}


@pytest.mark.parametrize("retry", [{}, RETRY])
def test_the_form_of_a_retry_policy_gives_it_back(retry):
    found = back(lambda data, sent: PydanticForm(RetryPolicy, data, posted=sent, prefix="retry"), retry)
    assert found == retry


#: What no file has, but a config may: every kind of value where any may stand, and texts that look like others.
ODD = [
    (
        "spawn",
        {"workflow": "w", "payload": {"a": [1, [], {"b": None}], "c": {"expression": "x"}, "d": True, "e": ""}},
    ),
    ("spawn", {"workflow": "w", "payload": {"expression": {"expression": 5}, "x.y": "{{ 1 }}", "n": 0.5}}),
    ("http", {"url": "/x", "connection": "gone", "body": {"content": ["a", {"b": 1}]}, "idempotency_header": None}),
    ("http", {"url": "/x", "query": {"a": "", "b": None}, "success": [200, 404]}),
    ("webhook_out", {"connection": "hook", "type": "a.b", "data": {}}),
    ("validate", {"rules": [{"field": "a", "one_of": ["5", 5, "five", '"q"', "-1.50", 2.5]}]}),
    (
        "extract",
        {"source": None, "fields": [{"name": "a", "rules": [{"rule": "regex", "pattern": "(.)", "group": 1}]}]},
    ),
    (
        "extract",
        {"fields": [{"name": "a", "rules": [{"rule": "date", "labels": []}, {"rule": "constant", "value": ""}]}]},
    ),
    ("transform", {"fields": [{"name": "a", "template": ""}, {"name": "b", "template": "\nfirst\n\n last \n"}]}),
    (
        "classify",
        {"labels": [{"name": "a", "examples": ["two\nlines", " x "]}], "otherwise": "a", "llm": {"samples": 3}},
    ),
    ("document", {"types": ["text", "pdf"], "file": "payload.scan"}),
    ("approve", {"fields": ["total"], "show": ["total", "payload.items[0].x"], "assign_to": "gone", "due_in": "1d"}),
    ("python", {"function": "echo", "params": {"expression": "not one", "list": [{"expression": "x"}]}}),
    ("notify", {"channel": "mail", "to": ["{{ payload.to }}", "a@b.cd"], "text": "<b>\"&amp;'", "subject": ""}),
    ("route", {"routes": [{"to": "a", "when": "true", "goto": "gone"}], "default": {"to": "b", "stop": True}}),
]


@pytest.mark.parametrize(("kind", "config"), ODD)
def test_what_is_rare_comes_back_too(kind, config):
    found = back(lambda data, sent: ConfigForm(kind, data, posted=sent), config)
    typed = KINDS[kind].Config.model_validate
    assert typed(found) == typed(config)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_an_empty_form_gives_an_empty_config_back(kind):
    found = back(lambda data, sent: ConfigForm(kind, data, posted=sent), {})
    required = {name for name, info in KINDS[kind].Config.model_fields.items() if info.is_required()}
    assert found.keys() <= required


def send(**values):
    query = QueryDict(mutable=True)
    for name, value in values.items():
        query.setlist(name.replace("__", "."), value if isinstance(value, list) else [value])
    return query


def read(kind, **values):
    return ConfigForm(kind, {}, posted=send(**values)).read()


def test_what_cannot_be_typed_stays_as_it_was_typed():
    found = read("score", config__least="low", config__most="1e3")
    assert (found["least"], found["most"]) == ("low", 1000.0)
    assert read("http", config__success="200, 2xx")["success"] == [200, "2xx"]


def test_rows_come_in_the_order_of_the_page_whatever_they_are_called():
    values = {f"config__fields__{name}__name": name for name in ("n7", "0", "n2")}
    assert [field["name"] for field in read("transform", **values)["fields"]] == ["n7", "0", "n2"]


@pytest.mark.parametrize(
    ("rows", "condition"),
    [
        ("", "typed"),
        ("{", "typed"),
        ("5", "typed"),
        ('{"rows": [{"field": "record.a", "test": "contains", "value": "BIG"}]}',
         'record.a != null && lower(record.a).contains("big")'),
        ('{"rows": [{"field": "record.a", "test": "one_of", "value": ["x", 5]}]}', 'record.a in ["x", 5]'),
        ('{"rows": [{"field": "record.a", "test": "true"}, {"field": "record.b", "test": "more", "value": null}]}',
         "record.a == true && record.b == "),
        ('{"rows": [5]}', "typed"),
    ],
)  # fmt: skip
def test_a_condition_by_rows_goes_before_the_expression_and_is_never_lost(rows, condition):
    found = read("route", config__routes__0__when="typed", config__routes__0__when__rows=rows)
    assert found["routes"] == [{"when": condition}]


def test_names_that_are_missing_or_doubled_lose_nothing():
    values = {}
    for number, (name, value) in enumerate([("a", "1"), ("a", "2"), ("", "3"), ("", "")]):
        values |= {f"config__headers__{number}__key": name, f"config__headers__{number}__value": value}
    assert read("http", **values)["headers"] == {"a": "1", "a_2": "2", "unnamed": "3"}


STRANGE = [
    "config",
    "config.",
    "config..",
    "config.labels.0",
    "config.labels.0.name.x",
    "config.labels",
    "config" + ".payload.0.value.of" * 300,
    "config.default",
    "config.default.to",
    "config.routes.0.when.rows",
    "config.rules.0.rule",
    "config.either",
]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_whatever_is_posted_is_read(kind):
    form = ConfigForm(kind, {}, posted=send(**dict.fromkeys(STRANGE, "x")))
    assert isinstance(form.read(), dict)
    form.render()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_config_of_a_wrong_form_is_drawn(kind):
    wrong = [5, None, "x", ["x"], {"y": 1}, [{"z": None}]]
    for value in wrong:
        ConfigForm(kind, dict.fromkeys(KINDS[kind].Config.model_fields, value)).render()


def test_problems_stand_at_their_place():
    config = {"fields": [{"name": "a", "rules": [{"rule": "regex", "pattern": "("}]}]}
    problems = [
        Problem("fields.0.rules.0.regex.pattern", "not closed"),
        Problem("llm", "odd"),
        Problem("nowhere.x", "?"),
    ]
    html = ConfigForm("extract", config, problems=problems).render()
    control = re.search(r'id="(id_config.fields.0.rules.0.pattern)"[^>]*aria-invalid="true"', html)
    assert re.search(rf'id="{control[1]}-problem"[^>]*>not closed<', html)
    assert html.count("not closed") == html.count("odd") == html.count("nowhere.x: ?") == 1


def test_a_value_that_there_is_no_more_is_kept_and_said_to_be_unknown():
    context = EditorContext(later_steps=[("next", "The next")], connections=[("a", "http", "A"), ("b", "mail", "B")])
    html = ConfigForm("http", {"url": "/", "connection": "old"}, context=context).render()
    select = re.search(r'name="config.connection".*?</select>', html, re.DOTALL)[0]
    assert re.findall(r'<option value="(\w*)"', select) == ["", "a", "old"]
    assert "old (not known)" in html


def test_texts_of_people_are_escaped():
    config = {"labels": [{"name": "<script>alert(1)</script>", "description": "</textarea><b>"}]}
    context = EditorContext(variables=[Variable("payload.x", "</script><script>")])
    html = ConfigForm("classify", config, context=context).render()
    assert "<script>alert" not in html
    assert "</textarea><b>" not in html
    assert "</script><script>" not in html


def test_every_control_has_a_label():
    for kind in KINDS:
        html = ConfigForm(kind, {}).render()
        for control in re.findall(r'<(?:input|select|textarea)[^>]*?id="(id_[^"]+)"', html):
            assert f'for="{control}"' in html or f'id="{control}-label"' in html, control
