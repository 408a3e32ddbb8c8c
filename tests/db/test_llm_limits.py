"""A connection's limits around each call to a model, runs in memory, and sums by several writers at once."""

import threading
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from django.db import connection

from jobs.domain.work import CallRecord, ClaimedJob, Report
from jobs.models import LlmCall, LlmUsage
from jobs.services.llm import record_calls
from taskflow.lib.db import in_transaction
from tenants.domain.connections import Connection, LimitReached
from tests.factories import NOW, make_job, make_workflow
from tests.llm_server import Answer, Failure
from workflows.domain.calls import ModelCall
from workflows.domain.outcomes import Snooze, Usage
from workflows.runtime import build_plan, run_plan

STEP = {"key": "sort", "kind": "classify", "config": {"labels": [{"name": "cards"}, {"name": "fees"}]}}


@dataclass
class CountingGate:
    """A gate that lets `most` calls in, and notes what they took."""

    most: int
    entered: list[int] = field(default_factory=list)
    left: list[tuple[int, float]] = field(default_factory=list)

    def enter(self, connection, *, now, tokens=0):
        if len(self.entered) >= self.most:
            raise LimitReached("The connection 'default' is at its limit.", until=now + timedelta(seconds=30))
        self.entered.append(tokens)
        return self

    def leave(self, *, tokens=0, cost=0.0):
        self.left.append((tokens, cost))


@pytest.fixture
def connections(llm):
    config = {"base_url": llm.url, "model": "gpt-4o-mini", "input_price": 10.0, "output_price": 10.0}
    return {"default": Connection("default", "openai", config)}


@pytest.fixture
def plan(db):
    return build_plan(make_workflow(steps=[STEP]).live_version)


def test_a_run_in_memory_asks_the_model(plan, connections, llm):
    llm.script(Answer({"label": "fees", "confidence": 1}))
    result = run_plan(plan, {"text": "x"}, tenant={}, now=NOW, connections=connections)
    assert (result.record, result.error) == ({"label": "fees"}, None)
    assert [call.answer for call in result.calls] == ['{"label": "fees", "confidence": 1}']


def test_a_run_in_memory_without_connections_says_so(plan):
    result = run_plan(plan, {"text": "x"}, tenant={}, now=NOW)
    assert result.failed_step == "sort"
    assert "no connection to a language model" in str(result.error)


def test_each_call_enters_and_leaves_with_what_it_took(plan, connections, llm):
    gate = CountingGate(most=2)
    llm.script(Answer("no", tokens=(90, 10)), Answer({"label": "fees", "confidence": 1}, tokens=(50, 50)))
    run_plan(plan, {"text": "x"}, tenant={}, now=NOW, connections=connections, gate=gate)
    assert [(tokens, round(cost, 6)) for tokens, cost in gate.left] == [(100, 0.001), (100, 0.001)]
    assert all(tokens > 1000 for tokens in gate.entered)  # the longest answer is counted in


def test_a_call_that_fails_leaves_too(plan, connections, llm):
    gate = CountingGate(most=1)
    llm.script(Failure(500))
    result = run_plan(plan, {"text": "x"}, tenant={}, now=NOW, connections=connections, gate=gate)
    assert (result.error.status, gate.left) == (500, [(0, 0.0)])


def test_a_limit_puts_off_and_is_no_error(plan, connections, llm):
    result = run_plan(plan, {"text": "x"}, tenant={}, now=NOW, connections=connections, gate=CountingGate(most=0))
    assert isinstance(result.paused, Snooze)
    assert (result.paused.reason, result.error) == ("The connection 'default' is at its limit.", None)
    assert llm.requests == []


@pytest.mark.django_db(transaction=True)
def test_sums_of_many_writers_are_exact():
    job = make_job(make_workflow())
    report = _report(job, [_call("a"), _call("b")])
    barrier = threading.Barrier(4)
    errors = []

    def write():
        barrier.wait()
        try:
            for _ in range(5):
                in_transaction(lambda: record_calls([report]))
        except Exception as error:  # noqa: BLE001 - shown by the test
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert LlmCall.objects.count() == 40
    sums = LlmUsage.objects.order_by("model").values_list("model", "calls", "input_tokens", "cost")
    assert [(model, calls, read, round(cost, 6)) for model, calls, read, cost in sums] == [
        ("a", 20, 200, 10.0),
        ("b", 20, 200, 10.0),
    ]


def _call(model):
    return ModelCall("default", model, "prompt", NOW, usage=Usage(10, 1, 0.5), seconds=0.1)


def _report(job, calls):
    claimed = ClaimedJob(
        id=job.pk,
        uid=job.uid,
        tenant_id=job.tenant_id,
        workflow_id=job.workflow_id,
        version_id=job.version_id,
        queue_id=job.queue_id,
        lane_id=1,
        claim_token=1,
        position=0,
        attempt=1,
        failures=0,
        crashes=0,
        run_number=1,
        priority=100,
        payload={},
        retry_policy=None,
        correlation_id="",
        traceparent="",
        due_at=NOW,
        created_at=NOW,
        started_at=NOW,
    )
    return Report(job=claimed, position=0, at=NOW, calls=[CallRecord(0, "step1", call) for call in calls])
