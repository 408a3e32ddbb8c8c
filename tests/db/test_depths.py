"""How deep the queues are: right, and at a cost that has an end."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.domain.states import State
from jobs.queries.depths import count_active, oldest_due
from jobs.queries.figures import queue_figures
from jobs.queries.gauges import queue_depths
from tests.factories import NOW, Cast, make_job, make_queue, make_workflow

pytestmark = pytest.mark.django_db


def test_figures_are_those_of_a_tenant_or_of_all(acme: Cast, globex: Cast) -> None:
    default, express = make_queue(), make_queue("express")
    mine, theirs = make_workflow(acme.tenant), make_workflow(globex.tenant)
    for hours in (3, 1, 2):
        make_job(mine, due_at=NOW + timedelta(hours=hours), priority=hours)
    make_job(mine, State.RUNNING)
    make_job(mine, State.SUCCEEDED, due_at=NOW - timedelta(days=9))
    make_job(theirs, due_at=NOW - timedelta(hours=5))
    make_job(theirs, State.WAITING, queue=express)

    of_mine, of_all = queue_figures(acme.tenant.pk), queue_figures(None)
    assert [each.queue for each in of_mine] == [each.queue for each in of_all] == [default, express]
    assert of_mine[0].depth == {"PENDING": 3, "SCHEDULED": 0, "RUNNING": 1, "WAITING": 0}
    assert of_all[0].depth == {"PENDING": 4, "SCHEDULED": 0, "RUNNING": 1, "WAITING": 0}
    assert (of_mine[1].depth["WAITING"], of_all[1].depth["WAITING"]) == (0, 1)
    assert of_mine[0].oldest_due_at == NOW + timedelta(hours=1)
    assert of_all[0].oldest_due_at == NOW - timedelta(hours=5)
    assert of_mine[1].oldest_due_at is of_all[1].oldest_due_at is None


def test_gauges_have_every_queue_in_every_active_state(acme: Cast) -> None:
    make_queue("express")
    make_job(make_workflow(acme.tenant), due_at=NOW)
    found = {(depth.queue, depth.state): (depth.jobs, depth.oldest_due_at) for depth in queue_depths()}
    assert found["default", "PENDING"] == (1, NOW)
    assert found["express", "WAITING"] == (0, None)
    assert len(found) == 8


def test_counting_stops_at_the_limit(acme: Cast) -> None:
    workflow = make_workflow(acme.tenant)
    jobs = [make_job(workflow) for _ in range(4)]
    queue_id = jobs[0].queue_id
    for tenant_id in (None, acme.tenant.pk):
        assert count_active([queue_id], tenant_id=tenant_id, limit=3)[queue_id, "PENDING"] == 3
    assert count_active([]) == {}


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "mysql", reason="SQLite has no loose index scan")
def test_the_oldest_is_found_without_reading_what_waits_behind_it(acme: Cast) -> None:
    workflow = make_workflow(acme.tenant)
    queue_id = make_job(workflow).queue_id
    for number in range(60):
        make_job(workflow, now=NOW + timedelta(seconds=number))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE TABLE jobs_job")
        cursor.fetchall()
    for tenant_id in (None, acme.tenant.pk):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            oldest_due([queue_id], tenant_id=tenant_id)
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN " + queries[0]["sql"])
            assert "for group-by" in str(cursor.fetchall())
