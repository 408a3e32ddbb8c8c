"""The kinds, run by the engine: from a file and a submitted job to its result."""

import re

import pytest
from werkzeug import Response

from jobs.domain.states import State
from jobs.domain.submission import NewJob
from jobs.models import Job
from jobs.runtime.drain import Drain
from jobs.runtime.process import WorkerProcess
from jobs.services.submit import submit_jobs
from taskflow.lib.clock import utcnow
from tests.factories import make_queue, make_tenant
from workflows.services import check_file, import_workflow, publish

ORDER_URL = re.compile("/orders/.*")
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
pytestmark = pytest.mark.django_db
ORDERS = """
slug: orders
name: Orders
fields: [{key: lines, type: list, required: true}]
steps:
  - key: add
    kind: transform
    config:
      fields:
        - {name: total, expression: "sum(payload.lines.map(line, line.price))"}
        - {name: note, template: "{{ payload.lines|length }} lines for {{ tenant.slug }}"}
  - key: check
    kind: validate
    config: {rules: [{field: total, min: 0}]}
  - key: sort
    kind: route
    config:
      routes: [{when: steps.add.total > 100, to: large, goto: tell}]
      default: {to: small, stop: true}
  - key: skipped
    kind: transform
    config: {fields: [{name: never, template: "here"}]}
  - key: tell
    kind: http
    config:
      method: POST
      url: URL/orders/{{ job.id }}
      body: {content: {total: {expression: record.total}}}
      fields: [{name: ticket, path: id}]
  - key: split
    kind: spawn
    config:
      workflow: lines
      for_each: payload.lines
      payload: {price: {expression: item.price}}
"""
LINES = """
slug: lines
name: Lines
steps:
  - key: twice
    kind: transform
    config: {fields: [{name: twice, expression: payload.price * 2}]}
"""


@pytest.fixture
def process():
    process = WorkerProcess(pool="default", slots=2)
    yield process
    process.close("the test is over")


@pytest.fixture
def tenant(httpserver, settings):
    settings.OUTGOING_HTTP_ALLOW = ["127.0.0.1"]
    tenant = make_tenant("acme")
    for text in (ORDERS.replace("URL", httpserver.url_for("").rstrip("/")), LINES):
        workflow = import_workflow(tenant=tenant, definition=check_file(text)).workflow
        publish(workflow=workflow, now=utcnow())
    return tenant


def finished(process, tenant, lines, **more):
    queue = make_queue()
    (job,) = submit_jobs(tenant_id=tenant.pk, requests=[NewJob("orders", {"lines": lines}, **more)], now=utcnow())
    Drain(process, queue.pk).run()
    job.refresh_from_db()
    return job


def test_a_large_order_goes_all_the_way_and_makes_its_sub_jobs(process, tenant, httpserver):
    sent = []

    def take(request):
        headers = [request.headers.get(name) for name in ("Idempotency-Key", "traceparent")]
        sent.append((request.path, request.get_json(), *headers))
        return Response('{"id": "T-1"}', content_type="application/json")

    httpserver.expect_request(ORDER_URL, method="POST").respond_with_handler(take)
    job = finished(process, tenant, [{"price": 100}, {"price": 50}], traceparent=TRACE)
    assert (job.state, job.error_message) == (State.SUCCEEDED, None)
    assert job.result["total"] == 150
    assert job.result["note"] == "2 lines for acme"
    assert (job.result["route"], job.result["ticket"], job.result["spawned"]) == ("large", "T-1", 2)
    assert "never" not in job.result
    assert sent == [(f"/orders/{job.uid}", {"total": 150}, f"{job.uid}:tell:1", TRACE)]
    children = Job.objects.filter(parent=job).order_by("id")
    assert [(child.payload, child.state, child.result) for child in children] == [
        ({"price": 100}, State.SUCCEEDED, {"twice": 200}),
        ({"price": 50}, State.SUCCEEDED, {"twice": 100}),
    ]


def test_a_small_order_stops_at_the_route(process, tenant):
    job = finished(process, tenant, [{"price": 5}])
    assert (job.state, job.result["route"], "ticket" in job.result) == (State.SUCCEEDED, "small", False)


def test_an_order_that_breaks_a_rule_fails_with_the_reason(process, tenant):
    job = finished(process, tenant, [{"price": -5}])
    assert job.state == State.FAILED
    assert "total: -5 is less than 0" in job.error_message


def test_an_order_that_does_not_fit_its_expressions_fails_with_the_place(process, tenant):
    job = finished(process, tenant, [{"cost": 5}])
    assert job.state == State.FAILED
    assert "'price' is missing" in job.error_message


def test_an_answer_that_may_pass_is_tried_again_later(process, tenant, httpserver):
    httpserver.expect_request(ORDER_URL).respond_with_data("busy", status=503, headers={"Retry-After": "120"})
    job = finished(process, tenant, [{"price": 500}])
    assert (job.state, job.failures) == (State.SCHEDULED, 1)
    assert (job.wake_at - utcnow()).total_seconds() > 100
