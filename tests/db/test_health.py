"""/health and /ready, and that they say which part is down."""

import threading

import pytest
from django.db import OperationalError
from django.test import Client

from taskflow import health
from tests.factories import make_lease

pytestmark = pytest.mark.django_db(transaction=True)


def test_health_answers_without_the_database(client: Client, django_db_blocker) -> None:
    with django_db_blocker.block():
        answer = client.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert "no-store" in answer.headers["Cache-Control"]


def test_ready_when_all_parts_are_up(client: Client) -> None:
    make_lease()
    answer = client.get("/ready")
    assert answer.json() == {"status": "ready", "checks": {key: {"ok": True} for key in health.CHECKS}}
    assert answer.status_code == 200


@pytest.mark.parametrize("lease", [None, {"age": 3600}])
def test_without_a_live_worker_it_is_not_ready(client: Client, lease) -> None:
    if lease:
        make_lease(**lease)
    answer = client.get("/ready")
    assert answer.status_code == 503
    checks = answer.json()["checks"]
    assert checks.pop("worker") == {"ok": False, "reason": "no worker process has been heard of lately"}
    assert checks == {key: {"ok": True} for key in ["database", "migrations", "broker"]}


def test_a_redis_that_is_gone_is_named(client: Client, settings) -> None:
    settings.BROKER_URL = "redis://127.0.0.1:1/0"
    make_lease()
    answer = client.get("/ready")
    assert answer.status_code == 503
    assert answer.json()["checks"]["broker"] == {"ok": False, "reason": "ConnectionError"}


def test_a_message_folder_that_is_gone_is_named(client: Client, settings, tmp_path) -> None:
    settings.BROKER_URL = "filesystem://"
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {"data_folder_out": str(tmp_path / "gone")}
    answer = client.get("/ready")
    assert answer.json()["checks"]["broker"] == {"ok": False, "reason": "the message folder cannot be written"}


def test_a_migration_that_was_not_applied_is_named(client: Client, monkeypatch) -> None:
    monkeypatch.setattr(health, "newest_migrations", lambda: frozenset({("jobs", "9999_not_yet")}))
    answer = client.get("/ready")
    assert answer.json()["checks"]["migrations"] == {"ok": False, "reason": "not applied: jobs.9999_not_yet"}


def test_a_database_error_is_named_without_its_details(client: Client, monkeypatch) -> None:
    def broken() -> None:
        raise OperationalError("Access denied for user 'secret'")

    monkeypatch.setitem(health.CHECKS, "database", broken)
    assert client.get("/ready").json()["checks"]["database"] == {"ok": False, "reason": "OperationalError"}


def test_a_check_that_hangs_is_down_and_the_others_are_told(client: Client, monkeypatch) -> None:
    make_lease()
    release = threading.Event()
    monkeypatch.setattr(health, "LIMIT_SECONDS", 1.0)
    monkeypatch.setitem(health.CHECKS, "broker", release.wait)
    answer = client.get("/ready")
    release.set()
    checks = answer.json()["checks"]
    assert checks.pop("broker") == {"ok": False, "reason": "no answer within 1 s"}
    assert checks == {key: {"ok": True} for key in ["database", "migrations", "worker"]}


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_only_reading_is_allowed(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405
