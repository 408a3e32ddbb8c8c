"""The kinds that need nothing outside: transform, validate, route and spawn, and what all kinds promise."""

from datetime import UTC, datetime

import pytest

from workflows.domain.outcomes import ChildJob, Done, PermanentError, Spawn, Stop
from workflows.kinds.base import ConfigError, Effect, StepContext, StepKind
from workflows.kinds.registry import KINDS, make_runner

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def context(payload=None, record=None, steps=None):
    return StepContext(payload or {}, steps or {}, {"id": "j"}, {"slug": "acme"}, NOW, record=record or {})


def run(kind, config, **values):
    return make_runner(kind, config).run(context(**values))


def refusal(kind, config):
    with pytest.raises(ConfigError) as caught:
        make_runner(kind, config)
    return list(caught.value.problems)


@pytest.mark.parametrize("kind", [kind for name, kind in sorted(KINDS.items())])
def test_every_kind_describes_itself(kind):
    assert issubclass(kind, StepKind)
    assert kind.title
    schema = kind.Config.model_json_schema()
    assert schema["properties"]
    assert schema["additionalProperties"] is False


def test_an_unknown_kind_is_refused_with_a_suggestion():
    assert refusal("transfrom", {}) == [("kind", "there is no step kind 'transfrom'; did you mean 'transform'?")]
    assert "known are" in refusal("zzz", {})[0][1]


def test_transform_makes_fields_from_templates_and_expressions():
    fields = [
        {"name": "total", "expression": "number(payload.price) * 2.0"},
        {"name": "note", "template": "Twice is {{ record.total }}"},
        {"name": "seen", "expression": "size(steps.read.lines)"},
    ]
    outcome = run("transform", {"fields": fields}, payload={"price": "1.5"}, steps={"read": {"lines": [1, 2]}})
    assert outcome == Done({"total": 3.0, "note": "Twice is 3.0", "seen": 2})


def test_transform_keeps_or_replaces_what_is_there():
    fields = [{"name": "a", "template": "new"}, {"name": "b", "template": "new"}, {"name": "c", "template": "new"}]
    record = {"a": "old", "b": ""}
    assert run("transform", {"fields": fields}, record=record).output == {"a": "new", "b": "new", "c": "new"}
    assert run("transform", {"fields": fields, "existing": "keep"}, record=record).output == {"b": "new", "c": "new"}


def test_transform_leaves_the_record_it_was_given_alone():
    record = {"a": 1}
    run("transform", {"fields": [{"name": "a", "expression": "2"}]}, record=record)
    assert record == {"a": 1}


def test_transform_tells_its_output():
    runner = make_runner("transform", {"fields": [{"name": "a", "template": "x"}, {"name": "b", "expression": "1"}]})
    assert runner.output_schema()["required"] == ["a", "b"]
    assert runner.output_schema()["properties"]["a"] == {"type": "string"}


def test_transform_reports_everything_that_is_wrong():
    fields = [{"name": "a", "template": "{{ x }}"}, {"name": "a", "expression": "y"}]
    assert [place for place, _ in refusal("transform", {"fields": fields})] == [
        "fields.0.template",
        "fields.1.name",
        "fields.1.expression",
    ]
    assert refusal("transform", {"fields": [{"name": "a"}]}) == [
        ("fields.0", "needs a template or an expression, and not both")
    ]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"fields": [{"name": "a", "template": "{{ payload.x }}"}]}, "payload.x is missing"),
        ({"fields": [{"name": "a", "expression": "payload.x"}]}, "payload.x is missing"),
    ],
)
def test_data_that_does_not_fit_is_a_permanent_error(config, words):
    with pytest.raises(PermanentError, match=words):
        run("transform", config)


TEXT = "ACME  Sdn Bhd\nNo. 5, Jalan\nTOTAL  RM 1,234.50  -3"


@pytest.mark.parametrize(
    ("rule", "value", "reason"),
    [
        ({"required": True}, None, "has no value"),
        ({"required": True}, "", "has no value"),
        ({"required": True}, [], "has no value"),
        ({"required": True}, 0, ""),
        ({"required": True}, False, ""),
        ({"min": 1}, None, ""),
        ({"min": 1}, 0.5, "0.5 is less than 1"),
        ({"min": 1, "max": 5}, "1,200.00", "'1,200.00' is more than 5"),
        ({"max": 5}, 5, ""),
        ({"max": 5}, "five", "'five' is not a number"),
        ({"max": 5}, True, "True is not a number"),
        ({"max": 5}, "nan", "'nan' is not a number"),
        ({"max_length": 3}, "abcd", "is longer than 3"),
        ({"one_of": ["a", "b"]}, "a", ""),
        ({"one_of": ["a", 2]}, 2, ""),
        ({"one_of": ["a", "b"]}, "c", "'c' is not one of a, b"),
        ({"one_of": ["a"]}, ["a"], "is not one of a"),
        ({"pattern": r"\d{4}"}, "2026", ""),
        ({"pattern": r"\d{4}"}, "x2026", r"'x2026' does not look like \d{4}"),
        ({"pattern": r"\d+"}, 2026, ""),
        ({"occurs_in": "text"}, "acme sdn bhd", ""),
        ({"occurs_in": "text"}, "5,Jalan", ""),
        ({"occurs_in": "payload.text"}, "5 Jalan Besar", "does not occur in payload.text"),
        ({"occurs_in": "text"}, 1234.5, ""),
        ({"occurs_in": "text"}, -3, ""),
        ({"occurs_in": "text"}, 99, "99 does not occur in text"),
        ({"occurs_in": "text"}, ["ACME", 5], ""),
        ({"occurs_in": "text"}, ["ACME", "x"], "does not occur"),
        ({"occurs_in": "text"}, True, "does not occur"),
        ({"occurs_in": "gone"}, "ACME", "does not occur in gone"),
        ({"that": "record.f == 1"}, 1, ""),
        ({"that": "record.f == 1"}, 2, "does not hold: record.f == 1"),
        ({"that": "false", "when": "record.f == 5"}, 2, ""),
        ({"that": "false", "when": "record.f == 2"}, 2, "does not hold"),
    ],
)
def test_validate_checks_one_value(rule, value, reason):
    outcome = run(
        "validate",
        {"rules": [{"field": "f"} | rule], "on_invalid": "flag"},
        payload={"text": TEXT},
        record={"f": value},
    )
    problems = outcome.output["problems"]
    assert outcome.output["valid"] is (not reason)
    assert [problem["field"] for problem in problems] == (["f"] if reason else [])
    assert not problems or reason in problems[0]["message"]


def test_validate_fails_with_every_broken_rule():
    rules = [{"field": "a", "required": True}, {"that": "1 > 2", "message": "never so"}, {"field": "b", "min": 1}]
    with pytest.raises(PermanentError) as caught:
        run("validate", {"rules": rules}, record={"b": 0})
    assert str(caught.value) == "a: has no value; never so; b: 0 is less than 1"
    assert len(caught.value.details["problems"]) == 3


def test_validate_lets_a_good_record_pass():
    assert run("validate", {"rules": [{"field": "a", "required": True}]}, record={"a": 1}) == Done({"valid": True})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("a", 1),
        ("b", 2),
        ("payload.a", 3),
        ("record.a", 1),
        ("steps.s.list[1].x", 5),
        ("c[0]", 6),
        ("gone.x", None),
        ("a.x", None),
    ],
)
def test_validate_finds_the_field_in_the_record_then_the_payload(field, value):
    rule = {"field": field, "required": True, "one_of": [value] if value else []}
    outcome = run(
        "validate",
        {"rules": [rule], "on_invalid": "flag"},
        payload={"a": 3, "b": 2, "c": [6]},
        record={"a": 1},
        steps={"s": {"list": [0, {"x": 5}]}},
    )
    assert outcome.output["valid"] is (value is not None)


def test_validate_stops_a_pattern_that_never_ends():
    with pytest.raises(PermanentError, match="takes too long"):
        run("validate", {"rules": [{"field": "f", "pattern": "(a|aa)+b"}]}, record={"f": "a" * 5000 + "c"})


def test_validate_reports_everything_that_is_wrong():
    rules = [{"field": "a b", "pattern": "("}, {"that": "payload.x =="}, {"field": "steps.other.x", "required": True}]
    assert [place for place, _ in refusal("validate", {"rules": rules})] == [
        "rules.0.pattern",
        "rules.0.field",
        "rules.1.that",
    ]
    assert refusal("validate", {"rules": [{"field": "a"}, {"min": 1}]}) == [
        ("rules.0", "checks nothing; give that, required, pattern, min, max, max_length, one_of or occurs_in"),
        ("rules.1", "needs a field to check"),
    ]
    runner = make_runner("validate", {"rules": [{"field": "steps.other.x", "required": True}], "on_invalid": "flag"})
    assert [reference.key for reference in runner.references] == ["other"]
    assert runner.output_schema()["required"] == ["valid", "problems"]


ROUTES = {
    "routes": [
        {"when": "record.total > 100.0", "to": "large", "goto": "approve"},
        {"when": "record.total > 10.0", "to": "medium"},
        {"when": "record.total < 0.0", "to": "refund", "stop": True},
    ],
    "default": {"to": "small", "goto": "thank"},
}


@pytest.mark.parametrize(
    ("total", "outcome"),
    [
        (500, Done({"route": "large"}, goto="approve")),
        (50, Done({"route": "medium"})),
        (-1, Stop({"route": "refund"})),
        (5, Done({"route": "small"}, goto="thank")),
    ],
)
def test_route_takes_the_first_way_whose_condition_holds(total, outcome):
    assert run("route", ROUTES, record={"total": total}) == outcome


def test_route_tells_its_targets_and_its_names():
    runner = make_runner("route", ROUTES)
    assert runner.targets() == ("approve", "thank")
    assert runner.output_schema()["properties"]["route"]["enum"] == ["large", "medium", "refund", "small"]


def test_a_route_cannot_stop_and_go_on():
    problems = refusal("route", {"routes": [{"when": "true", "to": "x", "goto": "y", "stop": True}]})
    assert problems == [("routes.0", "a job cannot both stop and go on with a step")]


def test_a_condition_that_fits_no_data_is_a_permanent_error():
    with pytest.raises(PermanentError, match=r"record\.total is missing"):
        run("route", ROUTES)


def test_spawn_makes_one_job():
    config = {"workflow": "tickets", "payload": {"text": "About {{ payload.text }}"}, "queue": "slow", "priority": 5}
    job = ChildJob("tickets", {"text": "About x"}, queue="slow", priority=5)
    assert run("spawn", config, payload={"text": "x"}) == Spawn((job,), {"spawned": 1})


def test_spawn_makes_a_job_for_each_element():
    config = {
        "workflow": "lines",
        "for_each": "payload.lines",
        "payload": {"sku": "{{ item.sku }}", "n": {"expression": "item.n * 2"}, "from": ["{{ job.id }}", 1, None]},
    }
    outcome = run("spawn", config, payload={"lines": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}]})
    assert [job.payload for job in outcome.jobs] == [
        {"sku": "a", "n": 2, "from": ["j", 1, None]},
        {"sku": "b", "n": 4, "from": ["j", 1, None]},
    ]


def test_spawn_of_an_empty_list_makes_nothing():
    config = {"workflow": "lines", "for_each": "payload.lines", "payload": {"a": "{{ item }}"}}
    assert run("spawn", config, payload={"lines": []}) == Done({"spawned": 0, "jobs": []})


@pytest.mark.parametrize(("lines", "words"), [([1, 2, 3], "more than the limit of 2"), ("abc", "must give a list")])
def test_spawn_refuses_what_is_no_list_or_too_long(lines, words):
    config = {"workflow": "lines", "for_each": "payload.lines", "payload": {"a": "{{ item }}"}, "limit": 2}
    with pytest.raises(PermanentError, match=words):
        run("spawn", config, payload={"lines": lines})


def test_spawn_says_in_a_dry_run_what_it_would_do():
    runner = make_runner("spawn", {"workflow": "lines", "payload": {"a": "x"}})
    assert runner.dry_run(context()) == Done({"spawned": 1, "would_spawn": [{"a": "x"}]})
    assert runner.output_schema()["required"] == ["spawned"]
    assert runner.effect is Effect.PURE


def test_spawn_reports_everything_that_is_wrong():
    deep = {}
    for _ in range(30):
        deep = {"a": deep}
    problems = refusal(
        "spawn", {"workflow": "x", "payload": {"a": "{{ item }}", "b": {"expression": "1 +"}, "c": deep}}
    )
    assert [place for place, _ in problems][:2] == ["payload.a", "payload.b.expression"]
    assert "nested deeper" in problems[2][1]
    assert refusal("spawn", {"workflow": "x", "payload": {}}) == [("payload", "a sub-job needs a payload")]
