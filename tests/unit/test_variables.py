from pathlib import Path

import pytest

from tests.unit.test_config_form import definitions
from workflows.domain.definition import Definition, Problem
from workflows.services.gallery import list_starters
from workflows.services.variables import Variable, list_variables, unknown_variables

ROOT = Path(__file__).parents[2]
FIELDS = [
    {"key": "text", "label": "Message"},
    {"key": "sent", "type": "date"},
    {"key": "total", "label": "The total", "type": "number", "role": "output"},
]


def made(key, **fields):
    return {
        "key": key,
        "kind": "transform",
        "config": {"fields": [{"name": n, "template": t} for n, t in fields.items()]},
    }


def checks(key="check"):
    return {"key": key, "name": "Check it", "kind": "validate", "config": {"rules": [{"field": "x", "required": True}]}}


def workflow(*steps, fields=FIELDS):
    return {"slug": "w", "name": "W", "fields": fields, "steps": list(steps)}


def paths(found):
    return [each.path for each in found]


def test_a_step_sees_the_payload_and_what_the_steps_before_it_give():
    data = workflow(made("first", a="x"), {**made("off", b="x"), "enabled": False}, checks(), made("last", c="x"))
    found = list_variables(data, "last")
    assert paths(found)[:6] == [
        "payload.text",
        "payload.sent",
        "record.a",
        "record.valid",
        "steps.first.a",
        "steps.check.valid",
    ]
    assert found[0] == Variable("payload.text", "Message", "text")
    assert Variable("steps.check.valid", "Check it: Valid", "boolean") in found
    assert paths(list_variables(data, "first"))[2] == "job.id"
    assert list_variables(data, "first")[-1] == Variable("now", "Now", "datetime")


def test_what_a_step_gives_is_called_as_the_workflow_calls_it():
    found = list_variables(workflow(made("first", total="1"), checks()), "check")
    assert Variable("record.total", "The total", "text") in found


def test_a_review_sees_the_output_too():
    data = workflow(made("first", total="1"))
    assert Variable("output.total", "The total", "text") in list_variables(data, "first", own_output=True)
    assert "output.total" not in paths(list_variables(data, "first"))


def test_what_is_not_right_yet_is_left_out():
    data = workflow(
        {"key": "broken", "kind": "route", "config": {}}, {"key": 5}, checks(), fields=[{"key": "?"}, FIELDS[0]]
    )
    assert paths(list_variables(data, "check"))[:2] == ["payload.text", "job.id"]
    assert unknown_variables(data) == []
    assert paths(list_variables({"fields": None}, "x"))[0] == "job.id"


def test_every_variable_can_be_read_by_an_expression_and_a_template():
    for starter in list_starters():
        for step in starter.definition.steps:
            sees = list_variables(starter.definition, step.key)
            uses = made("uses", **{f"v{n}": f"{{{{ {each.path} }}}}" for n, each in enumerate(sees)})
            data = starter.definition.to_data()
            at = [one["key"] for one in data["steps"]].index(step.key)
            data["steps"] = [*data["steps"][:at], uses]
            assert unknown_variables(data) == []
            Definition.model_validate(data)


@pytest.mark.parametrize("definition", [pytest.param(each, id=name) for name, each in definitions()])
def test_nothing_of_the_gallery_the_demo_and_the_guide_is_unknown(definition):
    assert unknown_variables(definition) == []


def test_misspelt_names_are_found_with_their_places():
    review = {"when": "output.totl > 1 && record.valid", "question": "{{ payload.test }}?"}
    data = workflow(
        made("first", a="{{ payload.txt }}", b="{{ record.a }} {{ payload.gone|default:'' }}"),
        checks(),
        {"key": "go", "kind": "route", "config": {"routes": [{"to": "x", "when": "steps.first.aa == record.vald"}]}},
        {**made("last", total="{{ record.route }}"), "review": review},
    )
    assert unknown_variables(data) == [
        Problem("steps.0.config.fields.0.template", "there is no field 'payload.txt', did you mean 'payload.text'?"),
        Problem("steps.2.config.routes.0.when", "there is no output 'steps.first.aa', did you mean 'steps.first.a'?"),
        Problem(
            "steps.2.config.routes.0.when",
            "there is no output of a step before 'record.vald', did you mean 'record.valid'?",
        ),
        Problem("steps.3.review.when", "there is no output 'output.totl', did you mean 'output.total'?"),
        Problem("steps.3.review.question", "there is no field 'payload.test', did you mean 'payload.text'?"),
    ]


def test_what_may_be_there_is_no_mistake():
    free = {"key": "free", "kind": "python", "config": {"function": "echo"}}
    asks = "has(payload.q) && payload.q.r == 1"
    data = workflow(
        free,
        made("first", a="{{ record.anything }} {% for x in payload.text %}{{ x.y }}{% endfor %}"),
        {"key": "go", "kind": "route", "config": {"routes": [{"to": "x", "when": asks}]}},
    )
    assert unknown_variables(data) == []
    assert unknown_variables(workflow(made("first", a="{{ payload.x }}"), fields=[])) == []
    offered = {**checks(), "review": {"on_invalid": True, "fields": ["added"]}}
    assert unknown_variables(workflow(offered, made("last", a="{{ record.added }}"))) == []
