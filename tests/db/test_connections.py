"""Connections as rows: what is refused, what stays secret, and what steps are given."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from taskflow.lib.sealing import new_key
from tenants.models import Connection
from tenants.services.connections import (
    ConnectionInUse,
    ConnectionInvalid,
    connections_of,
    create_connection,
    delete_connection,
    find_uses,
    update_connection,
)
from tests.factories import NOW, make_connection, make_tenant

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(days=1)
OPENAI = {"model": "gpt-x"}


def problems(**given):
    known = {"tenant": make_tenant(), "slug": "one", "kind": "openai", "config": OPENAI, "secrets": {"api_key": "k"}}
    with pytest.raises(ConnectionInvalid) as caught:
        create_connection(**known | given, now=NOW)
    return dict(caught.value.problems)


def test_a_connection_keeps_its_secrets_sealed_and_gives_them_to_steps():
    row = make_connection(secrets={"api_key": "sk-very-secret"}, concurrent=3, monthly_budget="12.50")
    row.refresh_from_db()
    assert "sk-very-secret" not in row.sealed
    assert "sk-very-secret" not in str(vars(row))
    found = connections_of(row.tenant_id)[row.slug]
    assert found.secrets == {"api_key": "sk-very-secret"}
    assert found.config == {"base_url": "https://api.openai.com/v1", "model": "gpt-x"}
    assert (found.limits.concurrent, found.limits.monthly_budget, found.problem) == (3, 12.5, "")
    assert "sk-very-secret" not in repr(found)
    assert row.secret_set_at("api_key") == NOW
    assert row.secret_set_at("other") is None


@pytest.mark.parametrize(
    ("given", "field", "reason"),
    [
        ({"slug": "Not A Slug"}, "slug", "lower-case"),
        ({"kind": "telepathy"}, "kind", "not a valid choice"),
        ({"config": {}}, "config.model", "is missing"),
        ({"config": OPENAI | {"x": 1}}, "config.x", "is not known here"),
        ({"config": OPENAI | {"base_url": 5}}, "config.base_url", "valid string"),
        ({"config": OPENAI | {"base_url": "https://a.example/v1?x=1"}}, "config.base_url", "no query"),
        ({"config": OPENAI | {"base_url": "ftp://a.example"}}, "config.base_url", "https://"),
        ({"secrets": {}}, "secrets.api_key", "is missing"),
        ({"secrets": {"api_key": "a\r\nX-Evil: 1"}}, "secrets.api_key", "line breaks"),
        ({"secrets": {"api_key": "ключ"}}, "secrets.api_key", "ASCII"),
        ({"secrets": {"api_key": "k" * 4001}}, "secrets.api_key", "longer than"),
        ({"secrets": {"api_key": "k", "pin": "1"}}, "secrets.pin", "no such secret"),
        ({"concurrent": 0}, "concurrent", "greater than or equal to 1"),
        ({"monthly_budget": -1}, "monthly_budget", "greater than or equal to 0"),
        ({"monthly_budget": "1e999"}, "monthly_budget", "digits"),
        ({"kind": "http", "config": {"base_url": "https://a.example"}, "slug": "default"}, "slug", "is kept for"),
        (
            {"kind": "http", "config": {"base_url": "https://a.example", "auth": "header"}},
            "config.auth_name",
            "name of the header",
        ),
        (
            {"kind": "http", "config": {"base_url": "https://a.example", "auth": "header", "auth_name": "Host"}},
            "config.auth_name",
            "cannot carry",
        ),
        (
            {"kind": "http", "config": {"base_url": "https://a.example", "auth": "query"}},
            "config.auth_name",
            "name of the parameter",
        ),
        (
            {"kind": "http", "config": {"base_url": "https://a.example", "auth": "basic"}},
            "config.username",
            "without a colon",
        ),
        ({"kind": "mail", "config": {"host": "10.0.0.1", "sender": "a@b.example"}}, "config.host", "not in the public"),
        (
            {"kind": "mail", "config": {"host": "m.example", "sender": "a@b.example\nBcc: c@d"}},
            "config.sender",
            "match pattern",
        ),
        (
            {
                "kind": "mail",
                "config": {"host": "m.example", "sender": "a@b.example", "security": "none", "username": "u"},
            },
            "config.username",
            "starttls or tls",
        ),
        ({"kind": "slack", "config": {}, "secrets": {}}, "secrets.webhook_url", "is missing"),
        (
            {"kind": "slack", "config": {}, "secrets": {"webhook_url": "http://hooks.slack.com/x"}},
            "secrets.webhook_url",
            "https",
        ),
        (
            {"kind": "teams", "config": {}, "secrets": {"webhook_url": "https://127.0.0.1/x"}},
            "secrets.webhook_url",
            "not in the public",
        ),
        (
            {"kind": "webhook", "config": {"url": "https://a.example"}, "secrets": {"signing_secret": "whsec_short"}},
            "secrets.signing_secret",
            "24 to 64 bytes",
        ),
    ],
)
def test_what_cannot_work_is_refused_by_field(given, field, reason):
    assert reason in problems(**given)[field]
    assert not Connection.objects.exists()


def test_a_slug_is_taken_once_in_a_tenant():
    row = make_connection(slug="one")
    assert "already" in problems(tenant=row.tenant)["slug"]
    make_connection(slug="one", tenant=make_tenant())


def test_a_secret_stays_changes_and_goes():
    row = make_connection(
        kind="webhook", config={"url": "https://a.example/in"}, secrets={"signing_secret": "whsec_" + "c2Vj" * 8}
    )
    update_connection(connection=row, now=LATER, name="Renamed")
    row.refresh_from_db()
    assert (row.name, row.secret_set_at("signing_secret")) == ("Renamed", NOW)
    update_connection(connection=row, now=LATER, secrets={"signing_secret": "whsec_" + "bmV3" * 8})
    row.refresh_from_db()
    assert row.secret_set_at("signing_secret") == LATER
    assert connections_of(row.tenant_id)[row.slug].secrets == {"signing_secret": "whsec_" + "bmV3" * 8}
    update_connection(connection=row, now=LATER, secrets={"signing_secret": None})
    row.refresh_from_db()
    assert (row.secret_set_at("signing_secret"), row.sealed) == (None, "")


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/v1", "http://api.example/v1", "https://api.example:444/v1", "https://api.evil"]
)
def test_a_secret_does_not_follow_a_connection_to_another_host(elsewhere):
    row = make_connection(config=OPENAI | {"base_url": "https://api.example/v1"}, secrets={"api_key": "k"})
    with pytest.raises(ConnectionInvalid, match="api_key: give it anew, as the connection now leads elsewhere"):
        update_connection(connection=row, config=OPENAI | {"base_url": elsewhere}, now=LATER)
    update_connection(connection=row, config=OPENAI | {"base_url": "https://API.example/v2"}, now=LATER)
    update_connection(connection=row, config=OPENAI | {"base_url": elsewhere}, secrets={"api_key": "new"}, now=LATER)
    row.refresh_from_db()
    assert row.config["base_url"] == elsewhere


def test_a_mail_password_does_not_follow_to_another_port():
    config = {"host": "mail.example", "sender": "a@b.example", "username": "u"}
    row = make_connection(kind="mail", config=config, secrets={"password": "p"})
    with pytest.raises(ConnectionInvalid, match="leads elsewhere"):
        update_connection(connection=row, config=config | {"port": 2525}, now=LATER)


def test_one_that_is_switched_off_says_so():
    row = make_connection(enabled=False)
    found = connections_of(row.tenant_id)[row.slug]
    assert (found.enabled, found.problem) == (False, "it is switched off")


def test_one_in_use_is_not_deleted_and_says_where(monkeypatch):
    row = make_connection(slug="one")
    monkeypatch.setattr("tenants.services.connections.find_uses", [*find_uses, lambda tenant, slug: [f"here: {slug}"]])
    with pytest.raises(ConnectionInUse, match="The connection 'one' is in use: here: one"):
        delete_connection(connection=row)
    assert Connection.objects.exists()


def test_one_that_nothing_uses_is_deleted():
    delete_connection(connection=make_connection())
    assert not Connection.objects.exists()


def test_the_deployments_own_model_appears_to_tenants_without_one(settings):
    settings.LLM_MODEL, settings.LLM_API_KEY, settings.LLM_CONCURRENT = "big", "env-key", 5
    tenant = make_tenant()
    own = connections_of(tenant.pk)["default"]
    assert (own.id, own.kind, own.config["model"], own.secrets) == (0, "openai", "big", {"api_key": "env-key"})
    assert own.config["base_url"] == "https://api.openai.com/v1"
    assert (own.limits.concurrent, own.limits.tokens_per_minute) == (5, None)
    row = make_connection(tenant, slug="default")
    assert connections_of(tenant.pk)["default"].id == row.pk


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"LLM_API_KEY": "k"}, "LLM_API_KEY without LLM_MODEL"),
        ({"LLM_MODEL": "m", "LLM_KIND": "oracle"}, "Known are anthropic, gemini, ollama, openai"),
        ({"LLM_MODEL": "m", "LLM_KIND": "anthropic"}, "LLM_API_KEY is not set, and Anthropic needs it"),
        ({"LLM_MODEL": "m" * 201, "LLM_KIND": "ollama"}, "LLM_URL or LLM_MODEL does not fit"),
        ({"LLM_MODEL": "m", "LLM_KIND": "ollama", "LLM_CONCURRENT": -1}, "LLM_CONCURRENT is below 0"),
    ],
)
def test_a_half_described_model_is_found_by_the_checks_and_not_used(settings, given, words):
    from taskflow.checks import check_language_model

    for name, value in given.items():
        setattr(settings, name, value)
    (found,) = check_language_model(None)
    assert found.id == "taskflow.E012"
    assert words in found.msg
    assert connections_of(make_tenant().pk) == {}


def test_without_variables_there_is_no_model_and_no_complaint(settings):
    from taskflow.checks import check_language_model

    assert list(check_language_model(None)) == []
    assert connections_of(make_tenant().pk) == {}


class TestKeys:
    """Changing the keys that seal."""

    def command(self, *words):
        out = StringIO()
        call_command("secrets", *words, stdout=out)
        return out.getvalue()

    def test_rotating_seals_everything_with_the_first_key(self, settings):
        old, new = new_key(), self.command("new-key").strip()
        settings.ENCRYPTION_KEYS = [old]
        row, bare = make_connection(secrets={"api_key": "k1"}), make_connection(kind="ollama", secrets={})
        settings.ENCRYPTION_KEYS = [new, old]
        assert "Sealed 1 with the first key; 0 were already" in self.command("rotate")
        assert "Sealed 0 with the first key; 1 were already" in self.command("rotate")
        settings.ENCRYPTION_KEYS = [new]
        assert self.command("check").strip() == "Every secret opens."
        assert connections_of(row.tenant_id)[row.slug].secrets == {"api_key": "k1"}
        assert connections_of(bare.tenant_id)[bare.slug].secrets == {}

    def test_with_a_wrong_key_each_command_names_what_does_not_open(self, settings):
        settings.ENCRYPTION_KEYS = [new_key()]
        row = make_connection(make_tenant("acme"), slug="llm", secrets={"api_key": "k1"})
        settings.ENCRYPTION_KEYS = [new_key()]
        for words in ("rotate", "check"):
            with pytest.raises(CommandError, match="secrets of 1:\n  acme/llm"):
                self.command(words)
        found = connections_of(row.tenant_id)["llm"]
        assert "no key of ENCRYPTION_KEYS opens its secrets" in found.problem
        assert found.secrets == {}
        assert found.enabled

    def test_what_no_key_opens_must_be_given_anew(self, settings):
        settings.ENCRYPTION_KEYS = [new_key()]
        row = make_connection(secrets={"api_key": "k1"})
        settings.ENCRYPTION_KEYS = [new_key()]
        with pytest.raises(ConnectionInvalid, match="cannot be read any more: give it anew"):
            update_connection(connection=row, name="New", now=LATER)
        update_connection(connection=row, secrets={"api_key": "k2"}, now=LATER)
        assert connections_of(row.tenant_id)[row.slug].secrets == {"api_key": "k2"}
