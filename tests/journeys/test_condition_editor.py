import json

import pytest
from django.test import Client

from tests.factories import make_cast

URL = "/admin/build/conditions/translate/"
LISTED = [{"field": "payload.a", "test": "is", "value": "x"}, {"field": "now", "test": "not_null"}]
ROWS = {"join": "any", "rows": LISTED}


@pytest.fixture
def client(db):
    client = Client()
    client.force_login(make_cast("acme").viewer)
    return client


def ask(client, **fields):
    answer = client.post(URL, fields)
    return answer.status_code, answer.json()


def test_rows_become_an_expression_and_come_back(client):
    status, answer = ask(client, rows=json.dumps(ROWS))
    assert (status, answer["problem"]) == (200, "")
    assert answer["expression"] == '(has(payload.a) && payload.a == "x") || now != null'
    again = ask(client, expression=answer["expression"])[1]
    assert again == answer
    assert again["rows"]["join"] == "any"
    assert [row["field"] for row in again["rows"]["rows"]] == ["payload.a", "now"]


def test_a_row_may_compare_two_fields(client):
    row = {"field": "record.paid", "test": "less", "value": {"field": "record.total"}, "reads": True}
    answer = ask(client, rows=json.dumps({"rows": [row]}))[1]
    there = "record.paid != null && record.total != null"
    assert answer["expression"] == f"{there} && number(record.paid) < number(record.total)"
    assert answer["rows"] == {"join": "all", "rows": [row]}


def test_what_rows_cannot_say_has_none(client):
    assert ask(client, expression="payload.a == payload.b + 1")[1]["rows"] is None
    assert ask(client, expression="")[1] == {"expression": "", "rows": None, "problem": "the expression is empty"}


def test_what_is_wrong_with_an_expression_is_told(client):
    assert "'paylod' is not known, did you mean 'payload'?" in ask(client, expression="paylod.a == 1")[1]["problem"]
    assert "'output' is not known" in ask(client, expression="output.a == 1")[1]["problem"]
    assert ask(client, expression="output.a == 1", extra=["output", "confidence"])[1]["problem"] == ""


@pytest.mark.parametrize(
    "rows",
    [
        "{",
        "[]",
        "5",
        '{"rows": [5]}',
        '{"rows": [{"field": "a"}]}',
        '{"rows": [{"field": "a", "test": "is", "value": {}}]}',
        '{"rows": [{"field": "a", "test": "is", "value": {"field": ""}}]}',
        '{"rows": [{"field": "a", "test": "one_of", "value": {"field": "b"}}]}',
        json.dumps({"rows": LISTED[1:] * 51}),
        "[" * 5000,
    ],
)
def test_rows_that_are_none_are_refused(client, rows):
    status, answer = ask(client, rows=rows)
    assert status == 400
    assert answer["problem"].startswith("These rows cannot be read")


def test_only_members_may_ask(client):
    assert client.get(URL).status_code == 405
    assert Client().post(URL, {"expression": "true"}).status_code == 302
