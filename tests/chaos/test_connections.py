"""Connections to the database that break at any moment, also while a transaction is being committed."""

import random
import time
from collections import Counter
from pathlib import Path

import pytest
from django.db import Error, connection

from jobs.domain.states import FINAL, State
from jobs.domain.submission import NewJob
from jobs.models import Attempt, Job
from jobs.services.submit import submit_jobs
from taskflow.lib.clock import utcnow
from tests.chaos.fleet import Fleet, Process, scaled, wait_for
from tests.chaos.steps import read
from tests.factories import make_queue, make_tenant, make_workflow
from tests.history import check, load

pytestmark = pytest.mark.timeout(900)
ECHO = {"kind": "python", "config": {"function": "echo"}}
MARK = {"kind": "python", "config": {"function": "chaos.mark", "params": {"seconds": 0.01}}}


@pytest.fixture(scope="module")
def worker(workers: Fleet) -> Process:
    workers.beat()
    return workers.worker(children=2)


def others() -> list[int]:
    """Return the connections to this database but our own."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()")
        return [row[0] for row in cursor.fetchall()]


def break_one(chance: random.Random) -> bool:
    found = others()
    if not found:
        return False
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"KILL CONNECTION {chance.choice(found)}")
    except Error:
        return False  # it was gone already
    return True


def test_connections_that_break_at_any_moment_lose_nothing_and_repeat_nothing(workers: Fleet, worker: Process) -> None:
    make_queue()
    quick, outside = (make_workflow(make_tenant(), steps=steps) for steps in ([ECHO, ECHO], [MARK, ECHO, MARK]))
    for workflow in (quick, outside):
        requests = [NewJob(workflow.slug, {"text": "x"}) for _ in range(scaled(3000))]
        submit_jobs(tenant_id=workflow.tenant_id, requests=requests, now=utcnow())
    unfinished = Job.objects.exclude(state__in=[state.value for state in FINAL])
    wait_for(lambda: Job.objects.filter(state=State.SUCCEEDED).exists(), told=workers.logs)
    chance, broken, deadline = random.Random(3), 0, time.monotonic() + 300
    while unfinished.exists() and time.monotonic() < deadline:
        broken += break_one(chance)
        time.sleep(chance.uniform(0, 0.15))
    wait_for(lambda: not unfinished.exists(), within=300, told=workers.logs)
    assert broken > 10, "hardly a connection was broken: nothing was tried"
    assert check(load()) == []
    assert set(Job.objects.values_list("state", "attempts", "crashes")) == {(State.SUCCEEDED, 1, 0)}
    assert set(Attempt.objects.values_list("outcome", flat=True)) == {"succeeded"}
    begun = Counter(mark.key for mark in read(Path(workers.env["CHAOS_LEDGER"])) if mark.what == "begin")
    assert [key for key, times in begun.items() if times > 1] == []
    assert len(begun) == 2 * scaled(3000)
    print(f"{broken} connections broken under {Job.objects.count()} jobs")
