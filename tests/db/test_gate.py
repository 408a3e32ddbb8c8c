"""The gate over rows: limits that hold for all workers, what is spent, and jobs that wait instead of failing."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError

from jobs.domain.states import State
from jobs.domain.submission import NewJob
from jobs.models import Attempt, Job
from jobs.queries.story import get_job_story
from jobs.runtime.drain import Drain
from jobs.runtime.process import WorkerProcess
from jobs.runtime.tick import tick
from jobs.services.leases import living_leases
from jobs.services.submit import submit_job
from taskflow.lib.cache import forget_all
from taskflow.lib.clock import utcnow
from tenants.domain.connections import Connection, LimitReached, Limits
from tenants.models import ConnectionMeter, ConnectionSpend
from tenants.services.connections import connections_of, delete_connection, update_connection
from tenants.services.gate import Gate, note_spend
from tenants.services.spending import budget_notices, spending_of
from tests.factories import make_connection, make_lease, make_queue, make_tenant, make_workflow
from workflows.domain.outcomes import Done
from workflows.kinds.base import Effect, StepContext
from workflows.kinds.python import step_function

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 3, 30, 12, tzinfo=UTC)


@step_function("gate.use", effect=Effect.COSTLY)
def use(context: StepContext) -> Any:
    permit = context.gate.enter(context.connection("model"), now=utcnow(), tokens=10)
    permit.leave(tokens=7, cost=context.payload.get("cost", 0.0))
    return Done({"used": True})


@pytest.fixture
def process() -> Iterator[WorkerProcess]:
    process = WorkerProcess(pool="default", slots=4)
    yield process
    process.close("the test is over")


def limited(**limits: Any) -> Connection:
    return Connection("model", "openai", {"model": "m"}, {}, Limits(**limits), id=5)


def reason(gate: Gate, connection: Connection, now: datetime) -> LimitReached:
    with pytest.raises(LimitReached) as caught:
        gate.enter(connection, now=now)
    return caught.value


def test_a_connection_without_limits_is_not_metered() -> None:
    gate = Gate(make_tenant().pk)
    gate.enter(Connection("shop", "http", {}, id=5), now=utcnow()).leave()
    assert not ConnectionMeter.objects.exists()
    assert not ConnectionSpend.objects.exists()


def test_places_hold_over_all_gates_and_are_given_back() -> None:
    connection, now = limited(concurrent=2), utcnow()
    gates = [Gate(make_tenant().pk) for _ in range(3)]
    permits = [gate.enter(connection, now=now) for gate in gates[:2]]
    refused = reason(gates[2], connection, now)
    assert refused.reason == "The connection 'model' is busy: all 2 of its places for calls at once are taken"
    assert now < refused.until < now + timedelta(seconds=10)
    permits[0].leave()
    gates[2].enter(connection, now=now)


def test_a_dead_workers_places_come_back() -> None:
    connection = limited(concurrent=1)
    dead, alive = make_lease(), make_lease()
    tenant = make_tenant()
    Gate(tenant.pk, dead.pk, living_leases).enter(connection, now=utcnow())
    survivor = Gate(tenant.pk, alive.pk, living_leases)
    reason(survivor, connection, utcnow())
    type(dead).objects.filter(pk=dead.pk).update(ended_at=utcnow())
    survivor.enter(connection, now=utcnow())
    reason(survivor, connection, utcnow())


def test_what_is_spent_is_added_up_by_tenant_and_month() -> None:
    one, two = make_tenant(), make_tenant()
    for tenant, cost in ((one, 0.5), (one, 0.25), (two, 1.0)):
        note_spend(tenant.pk, 5, NOW, tokens=100, cost=cost)
    note_spend(one.pk, 5, NOW + timedelta(days=2), tokens=1, cost=2.0)
    rows = ConnectionSpend.objects.order_by("tenant", "month").values_list("tenant", "month", "calls", "tokens", "cost")
    assert [(row[0], row[1].month, *row[2:]) for row in rows] == [
        (one.pk, 3, 2, 200, 0.75),
        (one.pk, 4, 1, 1, 2.0),
        (two.pk, 3, 1, 100, 1.0),
    ]


def test_a_spent_budget_refuses_until_the_month_is_over_for_that_tenant_alone() -> None:
    connection = limited(monthly_budget=1.0)
    one, two = make_tenant(), make_tenant()
    note_spend(one.pk, 5, NOW, tokens=1, cost=0.99)
    Gate(one.pk).enter(connection, now=NOW)
    note_spend(one.pk, 5, NOW, tokens=1, cost=0.01)
    refused = reason(Gate(one.pk), connection, NOW)
    assert refused.reason == (
        "The connection 'model' has spent its budget of 1.00 US dollars for March 2026: "
        "steps that use it wait until 1 April, or until the budget is raised"
    )
    april = datetime(2026, 4, 1, tzinfo=UTC)
    assert april <= refused.until <= april + timedelta(minutes=10)
    Gate(two.pk).enter(connection, now=NOW)
    Gate(one.pk).enter(connection, now=april)
    reason(Gate(one.pk), connection, NOW + timedelta(hours=1))
    (paused,) = ConnectionSpend.objects.filter(paused_at__isnull=False)
    assert (paused.tenant, paused.paused_at) == (one, NOW)


def test_counters_that_cannot_be_reached_put_the_call_off_and_never_fail_one_that_was_made(monkeypatch) -> None:
    connection, gate = limited(concurrent=1), Gate(make_tenant().pk)
    permit = gate.enter(connection, now=utcnow())

    def away(*args: Any) -> None:
        raise OperationalError(2006, "gone away")

    monkeypatch.setattr("tenants.services.gate.change_meter", away)
    monkeypatch.setattr("tenants.services.gate.TRIES", 1)
    assert "cannot be read now" in reason(gate, connection, utcnow()).reason
    permit.leave(tokens=5)


def test_a_broken_counter_is_not_taken_for_an_absent_one(monkeypatch) -> None:
    def broken(*args: Any) -> None:
        raise OperationalError(1146, "no such table")

    monkeypatch.setattr("tenants.services.gate.change_meter", broken)
    with pytest.raises(OperationalError):
        Gate(make_tenant().pk).enter(limited(concurrent=1), now=utcnow())


def test_deleting_a_connection_forgets_what_it_was_used_for() -> None:
    row = make_connection(concurrent=1)
    connection = connections_of(row.tenant_id)[row.slug]
    Gate(row.tenant_id).enter(connection, now=NOW).leave(tokens=1, cost=0.1)
    assert (ConnectionMeter.objects.count(), ConnectionSpend.objects.count()) == (1, 1)
    delete_connection(connection=row)
    assert (ConnectionMeter.objects.count(), ConnectionSpend.objects.count()) == (0, 0)


def start(payload: dict[str, Any], **limits: Any) -> Job:
    workflow = make_workflow(steps=[{"key": "ask", "kind": "python", "config": {"function": "gate.use"}}])
    make_connection(workflow.tenant, slug="model", **limits)
    queue = make_queue()
    job = submit_job(
        tenant_id=workflow.tenant_id, request=NewJob(workflow.slug, payload, queue=queue.slug), now=utcnow()
    )
    return Job.objects.get(uid=job.uid)


def drain(process: WorkerProcess, job: Job) -> Job:
    forget_all()
    Drain(process, job.queue_id).run()
    job.refresh_from_db()
    return job


def test_a_job_that_meets_a_limit_is_snoozed_and_its_page_says_why(process: WorkerProcess) -> None:
    job = start({}, concurrent=1)
    connection = connections_of(job.tenant_id)["model"]
    permit = Gate(job.tenant_id, process.lease.pk).enter(connection, now=utcnow())
    drain(process, job)
    assert (job.state, job.failures) == (State.SCHEDULED, 0)
    told = get_job_story(job, now=utcnow()).explanation
    assert told.startswith(
        "The connection 'model' is busy: all 1 of its places for calls at once are taken. Step 'ask'"
    )
    assert "No attempt was charged." in told
    permit.leave()
    Job.objects.filter(pk=job.pk).update(wake_at=utcnow())
    tick(now=utcnow() + timedelta(seconds=5))
    assert drain(process, job).state == State.SUCCEEDED
    spend = ConnectionSpend.objects.get()
    assert (spend.calls, spend.tokens, spend.key) == (2, 7, connection.id)


def test_jobs_go_on_when_a_spent_budget_is_raised(process: WorkerProcess) -> None:
    job = start({"cost": 2.0}, monthly_budget=1)
    other = Job.objects.get(pk=job.pk)
    assert drain(process, job).state == State.SUCCEEDED
    again = submit_job(tenant_id=job.tenant_id, request=NewJob(job.workflow.slug, {}), now=utcnow())
    later = submit_job(
        tenant_id=job.tenant_id,
        request=NewJob(job.workflow.slug, {}, run_at=_month_after(utcnow()) + timedelta(minutes=1)),
        now=utcnow(),
    )
    other = drain(process, Job.objects.get(uid=again.uid))
    assert (other.state, other.failures) == (State.SCHEDULED, 0)
    assert other.due_at >= _month_after(utcnow())
    assert "has spent its budget of 1.00 US dollars" in get_job_story(other, now=utcnow()).explanation
    tick(now=utcnow() + timedelta(seconds=10))
    assert Job.objects.get(pk=other.pk).state == State.SCHEDULED
    row = job.tenant.connections.get()
    update_connection(connection=row, monthly_budget=10, now=utcnow())
    tick(now=utcnow() + timedelta(seconds=20))
    assert drain(process, other).state == State.SUCCEEDED
    assert Job.objects.get(uid=later.uid).state == State.SCHEDULED
    assert not ConnectionSpend.objects.filter(paused_at__isnull=False).exists()
    assert list(Attempt.objects.filter(job=other).values_list("outcome", flat=True)) == ["snoozed", "succeeded"]


def test_a_spent_budget_is_told_once_and_for_the_connection() -> None:
    row = make_connection(slug="model", monthly_budget=1)
    connection, gate = connections_of(row.tenant_id)["model"], Gate(row.tenant_id)
    assert budget_notices(row.tenant_id, NOW) == []
    note_spend(row.tenant_id, row.pk, NOW, tokens=5, cost=1.5)
    for _ in range(3):
        reason(gate, connection, NOW)
    (notice,) = budget_notices(row.tenant_id, NOW)
    assert notice.startswith("The connection 'model' has spent its budget of 1.00 US dollars for March 2026")
    shown = spending_of(row.tenant_id, row.pk, "model", 1.0, NOW)
    assert (shown.calls, shown.tokens, shown.cost, shown.notice) == (1, 5, 1.5, notice)
    assert spending_of(row.tenant_id, row.pk, "model", 2.0, NOW).notice == ""
    assert spending_of(make_tenant().pk, row.pk, "model", 1.0, NOW).calls == 0
    assert budget_notices(make_tenant().pk, NOW) == []


def _month_after(now: datetime) -> datetime:
    return (now.replace(day=1, hour=0, minute=0, second=0, microsecond=0) + timedelta(days=32)).replace(day=1)
