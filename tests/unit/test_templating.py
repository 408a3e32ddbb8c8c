"""Templates: plain data in, text out, nothing else."""

from datetime import UTC, date, datetime
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.templating import TemplateError, compile_template

VALUES = {
    "payload": {
        "name": "Ann <b>",
        "lines": ["x", "y"],
        "order": {"id": 7, "open": True},
        "price": 1.5,
        "nothing": None,
        "day": date(2026, 3, 2),
        "long": "x" * 900_000,
        "many": list(range(5000)),
    },
    "steps": {"read": {"total": 12}},
    "record": {},
    "job": {"id": "j"},
    "tenant": {"slug": "acme"},
    "now": datetime(2026, 3, 2, 9, 0, tzinfo=UTC),
}


def render(source):
    return compile_template(source).render(VALUES)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("plain } text", "plain } text"),
        ("Hi {{ payload.name }}", "Hi Ann <b>"),
        ("{{ payload.lines.1 }}{{ payload.order.id }}", "y7"),
        ("{{ payload.nothing }}|{{ payload.order }}|{{ payload.order.open }}", '|{"id": 7, "open": true}|true'),
        ("{% for line in payload.lines %}{{ forloop.counter }}{{ line }}{% endfor %}", "1x2y"),
        ("{% for key, value in payload.order.items %}{{ key }}={{ value }};{% endfor %}", "id=7;open=true;"),
        ("{% if payload.price > 1 and steps.read.total == 12 %}yes{% else %}no{% endif %}", "yes"),
        ("{% with total=steps.read.total %}{{ total|add:1 }}{% endwith %}", "13"),
        ("{{ payload.gone|default:'none' }}{{ payload.nothing|default_if_none:'-' }}", "none-"),
        ("{% if 'gone' in payload %}a{% else %}b{% endif %}", "b"),
        ("{{ payload.lines|join:', ' }} {{ payload.name|join:',' }}", "x, y Ann <b>"),
        ("{{ payload.price|floatformat:2 }} {{ payload.price|floatformat }}", "1.50 1.50"),
        ("{{ payload.lines|json }} {{ '  a '|trim }}", '["x", "y"] a'),
        (
            "{{ now|date:'Y-m-d H:i' }} {{ payload.day|date }} {{ '2026-01-31'|date:'j.n.' }}",
            "2026-03-02 09:00 2026-03-02 31.1.",
        ),
        ("{{ now.year }}-{{ payload.day.month }}", "2026-3"),
        ("{% templatetag openvariable %}{# note #}{% comment %}{{ x }}{% endcomment %}", "{{"),
        ("{{ payload.name|upper|truncatechars:4 }}", "ANN…"),
    ],
)
def test_a_template_gives_its_text(source, text):
    assert render(source) == text


@pytest.mark.parametrize(
    "source",
    [
        "{{ payload.gone }}",
        "{% if payload.gone %}x{% endif %}",
        "{% if payload.gone == 1 %}x{% endif %}",
        "{% if not payload.gone %}x{% endif %}",
        "{% for x in payload.gone %}{% endfor %}",
        "{% with x=payload.gone %}{% endwith %}",
        "{{ payload.name|default:payload.gone }}",
        "{{ payload.lines|join:payload.gone }}",
        "{% for x in payload.lines %}{{ payload.gone }}{% endfor %}",
    ],
)
def test_a_missing_name_is_an_error_wherever_it_stands(source):
    with pytest.raises(TemplateError, match=r"payload\.gone is missing"):
        render(source)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{{ paylod.x }}", "'paylod' is not known, did you mean 'payload'"),
        ("{{ x }}", "'x' is not known"),
        ("a\n{{ payload.x|centre:9 }}", "line 2: there is no filter 'centre'"),
        ("{{ payload.x|center:900000000 }}", "there is no filter 'center'"),
        ("{% lorem 100000 w %}", "there is no tag 'lorem'"),
        ("{% include '/etc/passwd' %}", "there is no tag 'include'"),
        ("{% load static %}", "there is no tag 'load'"),
        ("{% debug %}", "there is no tag 'debug'"),
        ("{{ payload.__class__ }}", "underscores"),
        ("{{ payload.x", "is not closed"),
        ("{% if payload.x %}", "Unclosed tag"),
        ("{% if payload.x > %}{% endif %}", "if tag"),
        ("{{ payload.x|upper|upper|upper|upper|upper|upper|upper|upper|upper|upper|upper }}", "more than 10 filters"),
        ("{% if 1 %}" * 25 + "{% endif %}" * 25, "nested deeper than 20"),
        ("x" * 20_001, "longer than 20000"),
        ("{{}}", "Empty variable tag"),
    ],
)
def test_a_wrong_template_is_refused_with_a_reason(source, words):
    with pytest.raises(TemplateError) as caught:
        compile_template(source)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{{ payload.name.upper }}", "payload.name.upper is missing"),
        ("{{ payload.lines.9 }}", "payload.lines.9 is missing"),
        ("{{ payload.day.__class__|default:1 }}", "underscores"),
        ("{{ now.tzinfo }}", "now.tzinfo is missing"),
        ("{% for x in payload.name %}x{% endfor %}", "payload.name is not a list"),
        ("{% for a, b in payload.many %}x{% endfor %}", "2 values"),
        ("{{ payload.name|floatformat:2 }}", "float"),
        ("{{ payload.price|floatformat:99 }}", "0 to 12"),
        ("{{ payload.price|date }}", "date needs"),
    ],
)
def test_what_does_not_fit_the_data_is_an_error(source, words):
    with pytest.raises(TemplateError) as caught:
        render(source)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        "{% for x in payload.lines %}{{ payload.long }}{% endfor %}" * 2,
        "{% for a in payload.many %}{% for b in payload.many %}{% endfor %}{% endfor %}",
        "{% for a in payload.many %}" + "some text " * 100 + "{% endfor %}",
        "{% for a in payload.many %}{% if payload.long|upper %}{% endif %}{% endfor %}",
        "{{ payload.many|join:payload.long }}",
    ],
)
def test_a_text_cannot_grow_without_bound(source):
    with pytest.raises(TemplateError, match="characters"):
        render(source)


def test_values_are_quoted_where_a_quote_is_asked_for():
    template = compile_template(
        "https://x/{{ payload.name }}?a={{ payload.lines|join:'&'|safe }}", quote=lambda t: quote(t, safe="")
    )
    assert template.render(VALUES) == "https://x/Ann%20%3Cb%3E?a=x&y"


def test_the_steps_a_template_reads_are_known():
    template = compile_template(
        "{{ steps.a.x }}{% for steps2 in steps.b.list %}{{ steps2 }}{% endfor %}{{ steps.a.y }}"
    )
    assert template.step_keys == ("a", "b")
    assert "steps.a" in repr(template)


def test_names_can_be_added():
    assert compile_template("{{ item }}", names={"item"}).render({"item": 1}) == "1"


TAGS = [" if ", " endif ", " for x in payload.lines ", " endfor ", " with a=1 "]
NAMES = [" payload.name ", " payload.gone ", "|upper", "|default:'x'", " x "]
PIECES = st.sampled_from(["{{", "}}", "{%", "%}", "{#", "#}", "'", ":", "|", ".", "_", "text", *TAGS, *NAMES])


@given(st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=15).map("".join)))
def test_no_text_raises_anything_but_a_template_error(source):
    try:
        render(source)
    except TemplateError:
        return
