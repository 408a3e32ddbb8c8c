"""The pages of connections: a form for each kind, secrets that are never shown, and the test."""

import json

import pytest
from django.test import Client

from tenants.domain.connection_kinds import KINDS
from tenants.models import Connection
from tenants.services.connections import connections_of
from tests.factories import Cast, make_connection, make_workflow

BASE = "/admin/tenants/connection/"
SECRET = "sk-never-shown-again"
CALLS = {"kind": "http", "config": {"url": "/x", "connection": "shop"}}


def log_in(person) -> Client:
    client = Client()
    client.force_login(person)
    return client


def filled(cast: Cast, **more: str) -> dict[str, str]:
    return {"tenant": str(cast.tenant.pk), "name": "Model", "slug": "model", "enabled": "on"} | more


def errors(answer) -> dict[str, list[str]]:
    assert answer.status_code == 200
    return {name: list(found) for name, found in answer.context["adminform"].form.errors.items()}


@pytest.mark.slow
def test_every_kind_can_be_chosen_and_has_its_form(acme: Cast) -> None:
    client = log_in(acme.editor)
    page = client.get(f"{BASE}add/").content.decode()
    for kind in KINDS.values():
        assert f"?kind={kind.name}" in page
        form = client.get(f"{BASE}add/?kind={kind.name}").content.decode()
        for name in kind.Config.model_fields:
            assert f'name="config_{name}"' in form
        for secret in kind.secrets:
            assert f'name="secret_{secret.name}"' in form
            assert f'name="clear_{secret.name}"' not in form


def test_an_editor_adds_one_and_its_secret_is_never_shown(acme: Cast) -> None:
    client = log_in(acme.editor)
    sent = filled(
        acme, config_base_url="https://api.openai.com/v1", config_model="gpt-x", secret_api_key=SECRET, concurrent="3"
    )
    answer = client.post(f"{BASE}add/?kind=openai", sent, follow=True)
    row = Connection.objects.get()
    assert (row.slug, row.kind, row.config["model"], row.concurrent) == ("model", "openai", "gpt-x", 3)
    assert connections_of(acme.tenant.pk)["model"].secrets == {"api_key": SECRET}
    page = client.get(f"{BASE}{row.pk}/change/").content.decode()
    assert SECRET not in page + answer.content.decode()
    assert row.sealed not in page
    assert "it is not shown again. Leave empty to keep it." in page
    assert "Remove: API key" in page


def test_a_language_model_may_have_prices_of_its_own(acme: Cast) -> None:
    client = log_in(acme.editor)
    sent = filled(acme, config_base_url="https://api.openai.com/v1", config_model="gpt-x", secret_api_key=SECRET)
    wrong = client.post(f"{BASE}add/?kind=openai", sent | {"config_input_price": "-1"})
    assert "greater than or equal to 0" in errors(wrong)["config_input_price"][0]
    assert client.post(f"{BASE}add/?kind=openai", sent | {"config_input_price": "0.15"}).status_code == 302
    config = Connection.objects.get().config
    assert config["input_price"] == 0.15
    assert "output_price" not in config


def test_an_empty_secret_keeps_it_a_new_one_replaces_it_and_the_box_clears_it(acme: Cast) -> None:
    row = make_connection(acme.tenant, slug="m", kind="ollama", secrets={"api_key": SECRET})
    client, url = log_in(acme.editor), f"{BASE}{row.pk}/change/"
    sent = {"name": "Renamed", "enabled": "on", "config_base_url": "http://models.example/v1", "config_model": "m"}
    assert "leads elsewhere" in errors(client.post(url, sent))["secret_api_key"][0]
    sent["config_base_url"] = row.config["base_url"]
    for more, expected in (({}, SECRET), ({"secret_api_key": "new one"}, "new one"), ({"clear_api_key": "on"}, None)):
        assert client.post(url, sent | more).status_code == 302
        assert connections_of(acme.tenant.pk)["m"].secrets.get("api_key") == expected
    row.refresh_from_db()
    assert row.name == "Renamed"


@pytest.mark.parametrize(
    ("more", "field", "reason"),
    [
        ({"config_base_url": "http://10.0.0.1/v1"}, "config_base_url", "not in the public internet"),
        ({"config_model": ""}, "config_model", "required"),
        ({"secret_api_key": ""}, "secret_api_key", "Is missing."),
        ({"slug": "No Slug"}, "slug", "valid"),
        ({"concurrent": "0"}, "concurrent", "greater than or equal to 1"),
    ],
)
def test_what_cannot_work_is_said_at_its_field(acme: Cast, more: dict[str, str], field: str, reason: str) -> None:
    sent = filled(acme, config_base_url="https://api.openai.com/v1", config_model="m", secret_api_key="k") | more
    assert reason in errors(log_in(acme.owner).post(f"{BASE}add/?kind=openai", sent))[field][0]
    assert not Connection.objects.exists()


def test_a_slug_that_is_taken_is_said_at_its_field(acme: Cast) -> None:
    make_connection(acme.tenant, slug="model")
    sent = filled(acme, config_base_url="https://api.openai.com/v1", config_model="m", secret_api_key="k")
    answer = log_in(acme.owner).post(f"{BASE}add/?kind=openai", sent)
    assert "of this slug already" in str(errors(answer))


@pytest.mark.parametrize("person", ["viewer", "reviewer", "operator"])
def test_others_look_but_do_not_touch(acme: Cast, person: str) -> None:
    row = make_connection(acme.tenant, slug="m", secrets={"api_key": SECRET})
    client = log_in(getattr(acme, person))
    page = client.get(f"{BASE}{row.pk}/change/").content.decode()
    assert "gpt-x" in page
    assert SECRET not in page
    assert "Test connection" not in page
    assert client.get(f"{BASE}add/").status_code == 403
    assert client.post(f"{BASE}{row.pk}/change/", {"name": "Mine"}).status_code == 403
    assert client.post(f"{BASE}{row.pk}/test/").status_code == 403
    assert client.post(f"{BASE}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    row.refresh_from_db()
    assert (row.name, row.last_test) == ("m", None)


def test_the_test_says_what_failed_and_what_works(acme: Cast, httpserver, settings) -> None:
    settings.OUTGOING_HTTP_ALLOW = ["127.0.0.1"]
    config = {"model": "small", "base_url": httpserver.url_for("/v1")}
    row = make_connection(acme.tenant, config=config, secrets={"api_key": SECRET})
    client, url = log_in(acme.editor), f"{BASE}{row.pk}/test/"
    models = httpserver.expect_request("/v1/models", headers={"Authorization": f"Bearer {SECRET}"})
    models.respond_with_json({"object": "list", "data": [{"id": "large"}]})
    page = client.post(url, follow=True).content.decode()
    assert "there is no model &#x27;small&#x27;. There are: large." in page
    models.respond_with_json({"object": "list", "data": [{"id": "small"}]})
    page = client.post(url, follow=True).content.decode()
    assert "it knows the model &#x27;small&#x27;" in page
    assert "Tested" in page
    row.refresh_from_db()
    assert row.last_test["ok"]
    assert client.get(url).status_code == 405
    assert "Works" in client.get(BASE).content.decode()


def test_one_in_use_is_not_deleted_and_the_page_says_where(acme: Cast) -> None:
    row = make_connection(
        acme.tenant, slug="shop", kind="http", config={"base_url": "https://shop.example"}, secrets={}
    )
    make_workflow(acme.tenant, "orders", steps=[CALLS | {"key": "send"}])
    client = log_in(acme.editor)
    page = client.get(f"{BASE}{row.pk}/change/").content.decode()
    assert "step &#x27;send&#x27; of orders (draft)" in page
    assert "step &#x27;send&#x27; of orders (version 1, live)" in page
    assert "orders (draft)" in client.get(f"{BASE}{row.pk}/delete/").content.decode()
    client.post(f"{BASE}{row.pk}/delete/", {"post": "yes"})
    client.post(BASE, {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"})
    assert Connection.objects.filter(pk=row.pk).exists()


def test_one_that_nothing_uses_is_deleted(acme: Cast) -> None:
    rows = [make_connection(acme.tenant) for _ in range(2)]
    client = log_in(acme.editor)
    client.post(f"{BASE}{rows[0].pk}/delete/", {"post": "yes"})
    client.post(BASE, {"action": "delete_selected", "_selected_action": [rows[1].pk], "post": "yes"})
    assert not Connection.objects.exists()


def test_the_history_and_the_log_of_changes_hold_no_secret(acme: Cast) -> None:
    from django.contrib.admin.models import LogEntry

    client = log_in(acme.editor)
    sent = filled(acme, config_base_url="https://api.openai.com/v1", config_model="gpt-x", secret_api_key=SECRET)
    client.post(f"{BASE}add/?kind=openai", sent)
    row = Connection.objects.get()
    client.post(f"{BASE}{row.pk}/change/", sent | {"name": "New", "secret_api_key": f"{SECRET}-2"})
    assert LogEntry.objects.count() == 2
    assert SECRET not in json.dumps(list(LogEntry.objects.values("change_message", "object_repr")))
