"""`/metrics` as Prometheus sees it: who may read it, and what it says of queues, workers and the engine."""

from datetime import timedelta
from ipaddress import ip_network
from socket import socket
from typing import Any
from urllib.request import urlopen

import pytest
from django.db import OperationalError, connection
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from jobs.domain.states import State
from jobs.models import EngineTick
from taskflow.lib.clock import utcnow
from taskflow.lib.telemetry import emit
from taskflow.metrics.server import serve_worker_metrics
from tests.factories import make_job, make_lease, make_queue, make_workflow

pytestmark = pytest.mark.django_db


def read(client: Client) -> dict[str, float]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    found = {}
    for family in text_string_to_metric_families(answer.content.decode()):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


def test_depth_and_age_are_told_by_queue_and_state(client: Client) -> None:
    now = utcnow()
    quick = make_workflow(queue="quick")
    make_queue("idle", paused_at=now)
    make_job(quick, now=now - timedelta(seconds=90))
    make_job(quick, now=now - timedelta(seconds=30))
    make_job(quick, State.SCHEDULED, now=now)
    make_job(quick, State.RUNNING, now=now)
    make_job(quick, State.SUCCEEDED, now=now)
    make_job(quick, State.DEAD, now=now)
    found = read(client)
    depths = {name: value for name, value in found.items() if name.startswith("taskflow_queue_jobs{queue=quick")}
    assert depths == {
        "taskflow_queue_jobs{queue=quick,state=pending}": 2,
        "taskflow_queue_jobs{queue=quick,state=scheduled}": 1,
        "taskflow_queue_jobs{queue=quick,state=running}": 1,
        "taskflow_queue_jobs{queue=quick,state=waiting}": 0,
    }
    assert found["taskflow_queue_oldest_due_age_seconds{queue=quick,state=pending}"] == pytest.approx(90, abs=20)
    assert found["taskflow_queue_oldest_due_age_seconds{queue=quick,state=scheduled}"] == 0
    assert "taskflow_queue_oldest_due_age_seconds{queue=quick,state=waiting}" not in found
    assert found["taskflow_queue_jobs{queue=idle,state=pending}"] == 0
    assert (found["taskflow_queue_paused{queue=idle}"], found["taskflow_queue_paused{queue=quick}"]) == (1, 0)


def test_living_workers_are_told_by_pool(client: Client) -> None:
    make_queue("default", pool="default")
    make_queue("gpu", pool="gpu")
    make_lease(slots=10, running=4)
    make_lease(slots=10, running=1)
    make_lease(age=3600)
    make_lease(ended_at=utcnow())
    found = read(client)
    assert found["taskflow_workers_alive{pool=default}"] == 2
    assert found["taskflow_worker_slots{pool=default}"] == 20
    assert found["taskflow_worker_jobs{pool=default}"] == 5
    assert found["taskflow_workers_alive{pool=gpu}"] == 0


def test_the_age_of_the_last_tick_is_told_once_there_was_one(client: Client) -> None:
    assert "taskflow_last_tick_age_seconds{}" not in read(client)
    EngineTick.objects.update_or_create(pk=1, defaults={"ticked_at": utcnow() - timedelta(seconds=60)})
    assert read(client)["taskflow_last_tick_age_seconds{}"] == pytest.approx(60, abs=20)


def test_what_processes_counted_is_there_too(client: Client) -> None:
    emit("engine.finish", queue="page", counts={"succeeded": 2})
    assert read(client)["taskflow_jobs_finished_total{outcome=succeeded,queue=page}"] >= 2


def test_when_the_database_is_down_the_counts_are_still_handed_out(client: Client) -> None:
    emit("engine.finish", queue="page", counts={"succeeded": 2})

    def gone_away(*_query: Any) -> None:
        raise OperationalError(2006, "Server has gone away")

    with connection.execute_wrapper(gone_away):
        found = read(client)
    assert found["taskflow_database_up{}"] == 0
    assert "taskflow_jobs_finished_total{outcome=succeeded,queue=page}" in found
    assert read(client)["taskflow_database_up{}"] == 1


def test_a_client_at_another_address_is_refused_without_a_token(client: Client) -> None:
    answer = client.get("/metrics", REMOTE_ADDR="192.0.2.7")
    assert answer.status_code == 403
    assert "METRICS_ALLOWED" in answer.content.decode()


@pytest.mark.parametrize("header", ["HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED"])
def test_who_comes_through_a_proxy_does_not_pass_for_the_proxy(client: Client, header: str) -> None:
    assert client.get("/metrics", **{header: "127.0.0.1"}).status_code == 403


@pytest.mark.parametrize("address", ["", "unix:", "127.0.0.1:80", "999.1.1.1"])
def test_an_address_that_is_none_is_refused(client: Client, address: str) -> None:
    assert client.get("/metrics", REMOTE_ADDR=address).status_code == 403


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3"])
def test_an_allowed_network_may_read(client: Client, settings: Any, address: str) -> None:
    settings.METRICS_ALLOWED = [ip_network("10.0.0.0/8")]
    assert client.get("/metrics", REMOTE_ADDR=address).status_code == 200
    assert client.get("/metrics", REMOTE_ADDR="127.0.0.1").status_code == 403


def test_where_a_token_is_set_it_is_asked_of_everybody(client: Client, settings: Any) -> None:
    settings.METRICS_TOKEN = "sesame"
    refused = client.get("/metrics")
    assert (refused.status_code, refused["WWW-Authenticate"]) == (401, "Bearer")
    for wrong in ("Bearer ", "Bearer sesam", "sesame", "Bearer sésame"):
        assert client.get("/metrics", HTTP_AUTHORIZATION=wrong).status_code == 401
    good = {"HTTP_AUTHORIZATION": "Bearer sesame", "REMOTE_ADDR": "192.0.2.7", "HTTP_X_FORWARDED_FOR": "198.51.100.1"}
    assert client.get("/metrics", **good).status_code == 200


def test_a_worker_hands_out_what_its_host_counted_on_a_port_of_its_own(settings: Any) -> None:
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        settings.WORKER_METRICS_PORT = free.getsockname()[1]
    emit("engine.finish", queue="worker-page", counts={"succeeded": 2})
    for _ in range(2):
        serve_worker_metrics()
        with urlopen(f"http://127.0.0.1:{settings.WORKER_METRICS_PORT}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        assert 'taskflow_jobs_finished_total{outcome="succeeded",queue="worker-page"}' in text
        assert "taskflow_queue_jobs" not in text


def test_metrics_are_read_only(client: Client) -> None:
    assert client.post("/metrics").status_code == 405
