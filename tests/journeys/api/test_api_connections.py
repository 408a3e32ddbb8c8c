"""Connections over the API: made, changed, tested and deleted, with secrets that go in and never come out."""

import json

import pytest

from tenants.models import Connection
from tenants.services.connections import connections_of
from tests.factories import Cast, make_connection, make_workflow
from tests.journeys.api.client import Api, faults, read

SECRET = "sk-never-given-out"
MODEL = {"slug": "model", "kind": "openai", "config": {"model": "gpt-x"}, "secrets": {"api_key": SECRET}}


def patch(api: Api, path: str, body):
    return api.client.patch(
        f"/api/v1/{path}", json.dumps(body), content_type="application/json", headers=api._headers({})
    )


def delete(api: Api, path: str):
    return api.client.delete(f"/api/v1/{path}", headers=api._headers({}))


def test_one_is_made_read_changed_and_deleted(api: Api, acme: Cast) -> None:
    made = api.post("connections", MODEL | {"concurrent": 3, "monthly_budget": 12.5})
    assert made["Location"] == "/api/v1/connections/model"
    first = read(made, 201)
    assert (first["name"], first["concurrent"], first["monthly_budget"]) == ("model", 3, 12.5)
    assert first["config"] == {"base_url": "https://api.openai.com/v1", "model": "gpt-x"}
    assert set(first["secrets"]) == {"api_key"}
    assert read(api.get("connections/model")) == first
    assert read(api.get("connections"))["results"] == [first]
    change = {"name": "Better", "config": {"model": "gpt-y"}, "concurrent": None, "enabled": False}
    second = read(patch(api, "connections/model", change))
    assert second | {"updated_at": "", "name": "model"} == first | {
        "updated_at": "",
        "config": first["config"] | {"model": "gpt-y"},
        "concurrent": None,
        "enabled": False,
    }
    assert connections_of(acme.tenant.pk)["model"].secrets == {"api_key": SECRET}
    assert delete(api, "connections/model").status_code == 204
    assert read(api.get("connections/model"), 404)["detail"] == "There is no connection 'model'."


def test_no_answer_holds_a_secret(api: Api) -> None:
    answers = [
        api.post("connections", MODEL),
        api.post("connections", MODEL),
        api.post("connections", MODEL | {"slug": "b", "config": {}}),
        patch(api, "connections/model", {"secrets": {"api_key": f"{SECRET}\n"}}),
        patch(api, "connections/model", {"secrets": {"api_key": f"{SECRET}2"}}),
        api.get("connections/model"),
        api.get("connections"),
    ]
    assert [answer.status_code for answer in answers] == [201, 400, 400, 400, 200, 200, 200]
    assert not [answer for answer in answers if SECRET in answer.content.decode()]
    assert Connection.objects.get().sealed not in "".join(answer.content.decode() for answer in answers)


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        ({"slug": "No Slug"}, "slug", "lower-case"),
        ({"slug": ""}, "slug", "blank"),
        ({"kind": "telepathy"}, "kind", "not a valid choice"),
        ({"kind": None}, "kind", "Must be text"),
        ({"config": "x"}, "config", "JSON object"),
        ({"config": {}}, "config.model", "is missing"),
        ({"config": {"model": "m", "base_url": "http://[::1]/v1"}}, "config.base_url", "not in the public internet"),
        ({"config": {"model": "m", "base_url": "https://x\ud800.example"}}, "config.base_url", ""),
        ({"secrets": {"api_key": 5}}, "secrets.api_key", "Must be text"),
        ({"secrets": {}}, "secrets.api_key", "is missing"),
        ({"name": " "}, "name", "not blank"),
        ({"name": "n" * 201}, "name", "at most 200"),
        ({"enabled": "yes"}, "enabled", "true or false"),
        ({"concurrent": 0}, "concurrent", "greater than or equal to 1"),
        ({"concurrent": 20_000}, "concurrent", "less than or equal to 10000"),
        ({"tokens_per_minute": 10**12}, "tokens_per_minute", "less than"),
        ({"monthly_budget": -1}, "monthly_budget", "greater than or equal to 0"),
        ({"monthly_budget": 1e300}, "monthly_budget", "less than"),
        ({"monthly_budget": 1.239}, "monthly_budget", "2 decimal places"),
        ({"colour": "red"}, "colour", "not known"),
    ],
)
def test_a_wrong_field_is_named_with_its_reason(api: Api, change, field: str, reason: str) -> None:
    found = faults(api.post("connections", MODEL | change))
    assert reason in found[field]
    assert not Connection.objects.exists()


def test_texts_that_no_database_holds_are_refused(api: Api) -> None:
    for change in ({"name": "x\ud800"}, {"name": "x\x00"}, {"config": {"model": "m\ud800"}}, {"slug": "x\x00"}):
        assert api.post("connections", MODEL | change).status_code == 400, change
    assert not Connection.objects.exists()


def test_what_is_set_once_cannot_be_changed(api: Api) -> None:
    api.post("connections", MODEL)
    assert set(faults(patch(api, "connections/model", {"slug": "b", "kind": "http"}))) == {"slug", "kind"}


def test_secrets_do_not_follow_to_another_host(api: Api) -> None:
    api.post("connections", MODEL)
    moved = {"config": {"base_url": "https://evil.example/v1"}}
    assert "leads elsewhere" in faults(patch(api, "connections/model", moved))["secrets.api_key"]
    assert read(patch(api, "connections/model", moved | {"secrets": {"api_key": "other"}}))
    assert read(patch(api, "connections/model", {"secrets": {"api_key": None}}))["secrets"] == {}


def test_one_in_use_is_not_deleted(api: Api, acme: Cast) -> None:
    make_connection(acme.tenant, slug="shop", kind="http", config={"base_url": "https://shop.example"}, secrets={})
    send = {"key": "send", "kind": "http", "config": {"url": "/x", "connection": "shop"}}
    make_workflow(acme.tenant, "orders", steps=[send])
    problem = read(delete(api, "connections/shop"), 409)
    assert problem["type"] == "urn:taskflow:problem:in-use"
    assert problem["uses"] == ["step 'send' of orders (draft)", "step 'send' of orders (version 1, live)"]


def test_the_test_says_what_came_of_it(api: Api, acme: Cast) -> None:
    make_connection(acme.tenant, slug="local", kind="ollama", secrets={})
    found = read(api.post("connections/local/test"))
    assert found["ok"] is False
    assert "localhost is not in the public internet" in found["message"]
    assert read(api.get("connections/local"))["last_test"] == found


@pytest.mark.parametrize(
    ("scope", "allowed"), [("connections:read", {"get"}), ("connections:write", {"post", "patch", "delete", "test"})]
)
def test_each_scope_opens_its_own_doors(acme: Cast, scope: str, allowed: set[str]) -> None:
    make_connection(acme.tenant, slug="local", kind="ollama", secrets={})
    api = Api(acme.tenant, [scope])
    answers = {
        "get": api.get("connections"),
        "post": api.post("connections", MODEL),
        "patch": patch(api, "connections/local", {"name": "x"}),
        "test": api.post("connections/local/test"),
        "delete": delete(api, "connections/local"),
    }
    assert {name for name, answer in answers.items() if answer.status_code != 403} == allowed
