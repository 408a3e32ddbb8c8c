"""Tenants and keys from the command line."""

import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from taskflow.lib.clock import utcnow
from tenants.domain.keys import Refusal, is_key
from tenants.domain.roles import Role
from tenants.models import ApiKey, Tenant
from tenants.queries import role_of
from tenants.services import authenticate
from tests.factories import make_tenant, make_user

pytestmark = pytest.mark.django_db


def run(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def test_a_tenant_is_created_and_listed() -> None:
    run("tenant", "create", "acme", "--name", "Acme Ltd", "--plan", "pro", "--time-zone", "Europe/Berlin")
    tenant = Tenant.objects.get()
    assert (tenant.slug, tenant.name, tenant.plan, tenant.time_zone) == ("acme", "Acme Ltd", "pro", "Europe/Berlin")
    head, row = run("tenant", "list").splitlines()
    assert head.split() == ["SLUG", "NAME", "PLAN", "TIME", "ZONE", "ACTIVE"]
    assert row.split() == ["acme", "Acme", "Ltd", "pro", "Europe/Berlin", "yes"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["Bad Slug", "--name", "x"], "slug: "),
        (["taken", "--name", "x"], "slug: .*already exists"),
        (["acme", "--name", ""], "name: "),
        (["acme", "--name", "x", "--time-zone", "Mars/Base"], "time_zone: 'Mars/Base' is not a time zone"),
        (["acme"], "--name"),
    ],
)
def test_a_wrong_tenant_is_refused_with_the_field_and_the_reason(words: list[str], reason: str) -> None:
    make_tenant("taken")
    with pytest.raises(CommandError, match=reason):
        run("tenant", "create", *words)
    assert Tenant.objects.count() == 1


def test_a_person_is_given_a_role() -> None:
    tenant, user = make_tenant("acme"), make_user("ada@acme.test")
    run("tenant", "member", "acme", "ada@acme.test", "--role", "editor")
    assert role_of(user, tenant) is Role.EDITOR


def test_the_last_owner_stays_one() -> None:
    tenant, user = make_tenant("acme"), make_user("ada@acme.test")
    run("tenant", "member", "acme", "ada@acme.test", "--role", "owner")
    with pytest.raises(CommandError, match="is the last owner of 'acme'"):
        run("tenant", "member", "acme", "ada@acme.test", "--role", "viewer")
    make_user("bo@acme.test", tenant=tenant)
    run("tenant", "member", "acme", "ada@acme.test", "--role", "viewer")
    assert role_of(user, tenant) is Role.VIEWER


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["nobody", "ada@acme.test", "--role", "editor"], "no tenant 'nobody'"),
        (["acme", "bob", "--role", "editor"], "no user 'bob'"),
        (["acme", "ada@acme.test", "--role", "king"], "owner"),
    ],
)
def test_a_wrong_member_is_refused_with_the_reason(words: list[str], reason: str) -> None:
    make_tenant("acme")
    make_user("ada@acme.test")
    with pytest.raises(CommandError, match=reason):
        run("tenant", "member", *words)


def test_a_new_key_stands_alone_on_the_last_line_and_works() -> None:
    tenant = make_tenant("acme")
    last = run("apikey", "create", "--tenant", "acme", "--name", "shop").splitlines()[-1]
    assert is_key(last)
    key = authenticate(last, now=utcnow())
    assert isinstance(key, ApiKey)
    assert (key.tenant, key.name, key.expires_at) == (tenant, "shop", None)
    assert "fleet" not in key.scopes


def test_the_fleet_scope_and_an_expiry_come_from_the_command_line() -> None:
    make_tenant("acme")
    run("apikey", "create", "--tenant", "acme", "--name", "ops", "--scopes", "fleet, jobs:read", "--expires", "30d")
    key = ApiKey.objects.get()
    assert key.scopes == ["jobs:read", "fleet"]
    assert key.expires_at is not None
    assert (key.expires_at - key.created_at).days in {29, 30}


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--tenant", "nobody", "--name", "x"], "no tenant 'nobody'. See: manage.py tenant list"),
        (["--tenant", "acme", "--name", "x", "--scopes", "jobs"], "Unknown scope: jobs. Allowed: jobs:read"),
        (["--tenant", "acme", "--name", "x", "--expires", "soon"], "such as 30d"),
        (["--tenant", "acme", "--name", "x", "--expires", "99999w"], "such as 30d"),
        (["--tenant", "acme", "--name", "x" * 101], "name: "),
    ],
)
def test_a_wrong_key_is_refused_with_the_reason(words: list[str], reason: str) -> None:
    make_tenant("acme")
    with pytest.raises(CommandError, match=reason):
        run("apikey", "create", *words)
    assert not ApiKey.objects.exists()


def test_keys_are_listed_without_their_secrets() -> None:
    make_tenant("acme")
    make_tenant("globex")
    clear = run("apikey", "create", "--tenant", "acme", "--name", "shop").splitlines()[-1]
    run("apikey", "create", "--tenant", "globex", "--name", "till")
    everything, mine = run("apikey", "list"), run("apikey", "list", "--tenant", "acme")
    assert "till" in everything
    assert "till" not in mine
    assert clear.split("_")[1] in mine
    assert clear.split("_")[2] not in everything
    assert ApiKey.objects.first().key_hash not in everything


def test_a_key_is_revoked_by_its_prefix_once() -> None:
    make_tenant("acme")
    clear = run("apikey", "create", "--tenant", "acme", "--name", "shop").splitlines()[-1]
    prefix = clear.split("_")[1]
    run("apikey", "revoke", prefix)
    assert authenticate(clear, now=utcnow()) is Refusal.REVOKED
    assert "revoked" in run("apikey", "list")
    with pytest.raises(CommandError, match="revoked before"):
        run("apikey", "revoke", prefix)
    with pytest.raises(CommandError, match="0 keys have the prefix 'nope'"):
        run("apikey", "revoke", "nope")


@pytest.mark.slow
def test_a_script_takes_the_key_from_the_last_line(process_env: dict[str, str]) -> None:
    make_tenant("acme")
    manage = str(Path(__file__).parents[2] / "manage.py")
    command = [sys.executable, manage, "apikey", "create", "--tenant", "acme", "--name", "shop"]
    done = subprocess.run(command, env=process_env, capture_output=True, text=True, timeout=60, check=True)
    assert isinstance(authenticate(done.stdout.splitlines()[-1], now=utcnow()), ApiKey)
