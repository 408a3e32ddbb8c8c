"""What alerts look at, of one tenant, at a cost that does not grow with how many jobs there are."""

from datetime import datetime, timedelta

from django.db import connection

from automations.domain.triggers import Measure, MeasureTrigger
from jobs.domain.reviews import ReviewState
from jobs.domain.states import State
from jobs.models import Queue, Review
from jobs.queries.depths import oldest_due
from taskflow.lib.db import database_time
from tenants.models import ConnectionSpend
from tenants.services.connections import connections_of
from tenants.services.gate import month_of
from workflows.models import Workflow

#: Of more finished jobs, the latest are looked at; reviews are counted up to here.
MOST = 20_000
WENT_WRONG = (State.FAILED.value, State.DEAD.value)


def measured(trigger: MeasureTrigger, tenant_id: int, *, now: datetime) -> float | None:
    """Return the present value of a measure; None where there is none."""
    match trigger.measure:
        case Measure.QUEUE_AGE:
            return _queue_age(trigger, tenant_id, now)
        case Measure.FAILURE_RATE:
            return _failure_rate(trigger, tenant_id, now)
        case Measure.OPEN_REVIEWS:
            return _open_reviews(trigger, tenant_id)
        case Measure.BUDGET_USED:
            return _budget_used(trigger, tenant_id, now)


def _queue_age(trigger: MeasureTrigger, tenant_id: int, now: datetime) -> float:
    """Return for how many seconds the job due longest has been due."""
    queues = Queue.objects.filter(slug=trigger.of) if trigger.of else Queue.objects.all()
    oldest = oldest_due(list(queues.values_list("pk", flat=True)), tenant_id=tenant_id)
    due = [at for (_, state), at in oldest.items() if state == State.PENDING]
    return max((now - min(due)).total_seconds(), 0.0) if due else 0.0


def _failure_rate(trigger: MeasureTrigger, tenant_id: int, now: datetime) -> float | None:
    """Return the share of jobs that ended FAILED or DEAD, of those that ended by themselves in the window."""
    workflow = _workflow(trigger, tenant_id)
    if workflow is None and trigger.of:
        return None
    mine, given = ("", []) if workflow is None else (" AND workflow_id = %s", [workflow])
    # What is selected from is ours; values are parameters.
    sql = (
        "SELECT state, COUNT(*) FROM (SELECT state FROM jobs_job WHERE tenant_id = %s AND finished_at > %s"  # noqa: S608
        f"{mine} ORDER BY finished_at DESC LIMIT {MOST}) t GROUP BY state"
    )
    since = database_time(now - timedelta(seconds=trigger.window))
    with connection.cursor() as cursor:
        cursor.execute(sql, [tenant_id, since, *given])
        counts = {str(state): int(count) for state, count in cursor.fetchall()}
    wrong = sum(counts.get(state, 0) for state in WENT_WRONG)
    total = wrong + counts.get(State.SUCCEEDED.value, 0)
    return wrong / total if total >= trigger.least else None


def _open_reviews(trigger: MeasureTrigger, tenant_id: int) -> float | None:
    rows = Review.objects.for_tenant(tenant_id).filter(state=ReviewState.OPEN.value)
    if trigger.of:
        rows = rows.filter(workflow_id=_workflow(trigger, tenant_id) or 0)
    return float(rows.order_by()[:MOST].count())


def _budget_used(trigger: MeasureTrigger, tenant_id: int, now: datetime) -> float | None:
    """Return which part of a connection's budget of this month is spent."""
    found = connections_of(tenant_id).get(trigger.of or "")
    budget = None if found is None else found.limits.monthly_budget
    if found is None or not budget:
        return None
    spends = ConnectionSpend.objects.for_tenant(tenant_id).filter(key=found.id, month=month_of(now))
    return (spends.values_list("cost", flat=True).first() or 0.0) / budget


def _workflow(trigger: MeasureTrigger, tenant_id: int) -> int | None:
    if not trigger.of:
        return None
    return Workflow.objects.for_tenant(tenant_id).filter(slug=trigger.of).values_list("pk", flat=True).first()
