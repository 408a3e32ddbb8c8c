"""Whole jobs by way of connections: what they send, why they fail, and that no secret is left anywhere."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from werkzeug import Response

from jobs.domain.states import State
from jobs.domain.submission import NewJob
from jobs.models import Attempt, Job, StepRun
from jobs.runtime.drain import Drain
from jobs.runtime.process import WorkerProcess
from jobs.services.submit import submit_job
from taskflow.lib.cache import forget_all
from taskflow.lib.clock import utcnow
from taskflow.lib.sealing import new_key
from tenants.models import ConnectionMeter, Tenant
from tenants.services.connections import update_connection
from tests.factories import make_connection, make_queue, make_tenant, make_workflow
from workflows.models import Workflow

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "tok-never-written-down"
SIGNING = "whsec_" + "c2Vj" * 8
CALL = {"key": "call", "kind": "http", "config": {"connection": "shop", "url": "/orders"}}
TELL = {"key": "tell", "kind": "notify", "config": {"channel": "slack", "connection": "team", "text": "Done"}}
SEND = {"key": "send", "kind": "webhook_out", "config": {"connection": "out", "type": "order.done"}}


@pytest.fixture
def process(settings) -> Iterator[WorkerProcess]:
    settings.OUTGOING_HTTP_ALLOW = ["127.0.0.1/32"]
    process = WorkerProcess(pool="default", slots=4)
    yield process
    process.close("the test is over")


def run(process: WorkerProcess, workflow: Workflow) -> Job:
    queue = make_queue()
    told = submit_job(tenant_id=workflow.tenant_id, request=NewJob(workflow.slug, {"text": "x"}), now=utcnow())
    forget_all()
    Drain(process, queue.pk).run()
    return Job.objects.get(uid=told.uid)


def furnish(httpserver: Any) -> Tenant:
    tenant = make_tenant()
    base, limits = (
        {"base_url": httpserver.url_for("/v1"), "auth": "bearer"},
        {"concurrent": 2, "requests_per_minute": 9},
    )
    make_connection(tenant, slug="shop", kind="http", config=base, secrets={"token": SECRET}, **limits)
    out = {"url": httpserver.url_for("/out")}
    make_connection(tenant, slug="out", kind="webhook", config=out, secrets={"signing_secret": SIGNING})
    return tenant


def everything() -> str:
    """Return all rows of ours as text."""
    models = [model for app in ("tenants", "workflows", "jobs") for model in apps.get_app_config(app).get_models()]
    return "".join(str(list(model._default_manager.values())) for model in models)


def test_a_job_calls_out_over_its_connections_and_leaves_no_secret(process, httpserver, caplog) -> None:
    def echo(request: Any) -> Response:
        return Response(f'{{"seen": "{request.headers["Authorization"]}"}}', content_type="application/json")

    httpserver.expect_request("/v1/orders").respond_with_handler(echo)
    httpserver.expect_request("/out", method="POST").respond_with_data("thanks")
    job = run(process, make_workflow(furnish(httpserver), steps=[CALL, SEND]))
    assert (job.state, job.error_message) == (State.SUCCEEDED, None)
    assert StepRun.objects.get(step_key="call").output["body"] == {"seen": "Bearer ***"}
    sent = next(request for request, _ in httpserver.log if request.path == "/out")
    assert sent.headers["webhook-id"] == f"{job.uid}:send:1"
    assert ConnectionMeter.objects.get().state["places"] == {}
    for secret in (SECRET, SIGNING, SIGNING.removeprefix("whsec_")):
        assert secret not in everything()
        assert secret not in caplog.text


def test_a_failed_call_leaves_no_secret_in_the_error_and_its_traceback(process, httpserver) -> None:
    httpserver.expect_request("/v1/orders").respond_with_data(f"no such token {SECRET}", status=400)
    job = run(process, make_workflow(furnish(httpserver), steps=[CALL]))
    assert job.state == State.FAILED
    assert "answered 400: no such token ***" in job.error_message
    assert Attempt.objects.get().traceback
    assert SECRET not in everything()
    assert ConnectionMeter.objects.get().state["places"] == {}


@pytest.mark.parametrize(("step", "slug"), [(CALL, "shop"), (TELL, "team"), (SEND, "out")])
def test_a_connection_that_is_not_there_is_a_clear_reason(process, step, slug) -> None:
    job = run(process, make_workflow(steps=[step]))
    assert (job.state, job.failures) == (State.FAILED, 1)
    assert job.error_message == f"There is no connection '{slug}': add it, or name another in the step."


def test_another_tenants_connection_is_not_there(process, httpserver) -> None:
    furnish(httpserver)
    assert "There is no connection 'shop'" in run(process, make_workflow(steps=[CALL])).error_message
    assert httpserver.log == []


def test_secrets_that_no_key_opens_fail_the_job_and_say_so(process, httpserver, settings) -> None:
    tenant = furnish(httpserver)
    settings.SECRET_KEY = "another one"
    settings.ENCRYPTION_KEYS = [new_key()]
    job = run(process, make_workflow(tenant, steps=[CALL]))
    assert job.state == State.FAILED
    assert "'shop' cannot be used: no key of ENCRYPTION_KEYS opens its secrets" in job.error_message
    assert httpserver.log == []


def test_switching_a_connection_off_and_on_again_takes_effect(process, httpserver) -> None:
    httpserver.expect_request("/v1/orders").respond_with_json({"ok": True})
    tenant = furnish(httpserver)
    workflow, row = make_workflow(tenant, steps=[CALL]), tenant.connections.get(slug="shop")
    update_connection(connection=row, enabled=False, now=utcnow())
    assert "'shop' cannot be used: it is switched off" in run(process, workflow).error_message
    update_connection(connection=row, enabled=True, now=utcnow())
    assert run(process, workflow).state == State.SUCCEEDED
