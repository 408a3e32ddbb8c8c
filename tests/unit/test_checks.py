"""The numbered checks: each wrong setting is found, and the message says what to set."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from taskflow import checks


def ids(messages) -> list[str]:
    return [message.id for message in messages]


def test_the_settings_of_the_tests_pass() -> None:
    for check in (checks.check_secret_key, checks.check_hosts, checks.check_broker, checks.check_engine):
        assert not [message for message in check(None) if message.id != "taskflow.W004"]


def test_a_missing_secret_key_is_an_error(settings) -> None:
    settings.SECRET_KEY = ""
    (found,) = checks.check_secret_key(None)
    assert found.id == "taskflow.E001"
    assert "token_urlsafe" in found.hint


def test_every_name_is_too_many(settings) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    assert ids(checks.check_hosts(None)) == ["taskflow.W002"]


def test_an_unknown_broker_is_an_error(settings) -> None:
    settings.BROKER_URL = "carrier-pigeon://coop"
    (found,) = checks.check_broker(None)
    assert found.id == "taskflow.E003"
    assert "carrier-pigeon" in found.msg


def test_messages_in_files_beside_a_database_server_are_a_warning(settings, monkeypatch) -> None:
    settings.BROKER_URL = "filesystem://"
    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", "django.db.backends.mysql")
    assert ids(checks.check_broker(None)) == ["taskflow.W004"]


@pytest.mark.parametrize("name", checks.POSITIVE)
def test_a_number_that_is_not_above_zero_is_an_error(settings, name: str) -> None:
    setattr(settings, name, 0)
    found = next(message for message in checks.check_engine(None) if message.id == "taskflow.E005")
    assert name in found.msg


def test_a_heartbeat_must_come_twice_in_a_lease(settings) -> None:
    settings.HEARTBEAT_SECONDS, settings.LEASE_SECONDS = 10.0, 20.0
    assert ids(checks.check_engine(None)) == ["taskflow.E006"]
    settings.HEARTBEAT_SECONDS = 9.9
    assert ids(checks.check_engine(None)) == []


def test_a_payload_must_fit_into_a_request(settings) -> None:
    settings.MAX_PAYLOAD_BYTES = settings.MAX_BODY_BYTES + 1
    assert ids(checks.check_engine(None)) == ["taskflow.E007"]


def server(*, mariadb: bool, version: tuple[int, ...], zones: bool):
    features = SimpleNamespace(has_zoneinfo_database=zones)
    return SimpleNamespace(vendor="mysql", mysql_is_mariadb=mariadb, mysql_version=version, features=features)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (server(mariadb=True, version=(10, 5, 9), zones=True), ["taskflow.E008"]),
        (server(mariadb=True, version=(10, 6, 0), zones=True), []),
        (server(mariadb=False, version=(5, 7, 44), zones=True), ["taskflow.E008"]),
        (server(mariadb=False, version=(8, 0, 11), zones=True), []),
        (server(mariadb=True, version=(11, 4, 2), zones=False), ["taskflow.W009"]),
        (SimpleNamespace(vendor="sqlite"), []),
    ],
)
def test_a_server_must_be_new_enough_and_know_the_time_zones(monkeypatch, found, expected: list[str]) -> None:
    monkeypatch.setattr(checks, "connections", {"default": found})
    assert ids(checks.check_server(None, databases=["default"])) == expected


@pytest.mark.slow
def test_the_production_settings_pass_the_deployment_checks() -> None:
    env = os.environ | {
        "ALLOWED_HOSTS": "taskflow.example.com",
        "ENCRYPTION_KEYS": "b25seS1mb3ItY2hlY2tzLTAxMjM0NTY3ODktYWJjZGU=",
        "HTTPS": "true",
        "BROKER_URL": "redis://127.0.0.1:6379/0",
    }
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    ended = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
