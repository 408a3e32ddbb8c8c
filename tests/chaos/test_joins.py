"""Jobs that wait for their sub-jobs, run by several real workers of which some are killed: no wake-up is lost."""

import time

import pytest

from jobs.domain.states import FINAL, State
from jobs.domain.submission import NewJob
from jobs.models import Job, Join
from jobs.services.submit import submit_jobs
from taskflow.lib.clock import utcnow
from tests.chaos.fleet import Fleet, scaled, wait_for
from tests.factories import make_queue, make_workflow
from tests.history import check, load

pytestmark = pytest.mark.timeout(600)
ECHO = [{"key": "echo", "kind": "python", "config": {"function": "echo"}}]
FAN = {"workflow": "child", "for_each": "payload.items", "payload": {"n": {"expression": "item"}}, "join": True}
LAST = {"key": "last", "kind": "transform", "config": {"fields": [{"name": "done", "template": "yes"}]}}
WIDTH = 12


def test_every_job_goes_on_when_its_last_sub_jobs_end_at_once_and_workers_die(workers: Fleet) -> None:
    make_queue()
    workflow = make_workflow(slug="parent", steps=[{"key": "fan", "kind": "spawn", "config": FAN}, LAST])
    make_workflow(workflow.tenant, "child", steps=ECHO)
    workers.beat()
    first, *_ = [workers.worker(children=1) for _ in range(3)]
    count = scaled(200)
    requests = [NewJob(workflow.slug, {"items": list(range(WIDTH))}) for _ in range(count)]
    submit_jobs(tenant_id=workflow.tenant_id, requests=requests, now=utcnow())
    parents = Job.objects.filter(workflow=workflow)
    wait_for(lambda: Join.objects.exists() or parents.filter(state=State.SUCCEEDED).exists())
    time.sleep(0.3)
    workers.kill(first)
    workers.worker(children=1)
    final = [state.value for state in FINAL]
    wait_for(lambda: not Job.objects.exclude(state__in=final).exists(), told=lambda: str(Join.objects.count()))
    assert set(parents.values_list("state", flat=True)) == {State.SUCCEEDED}
    assert not Join.objects.exists()
    for result in parents.values_list("result", flat=True):
        assert [child["result"]["n"] for child in result["children"]] == list(range(WIDTH))
    assert Job.objects.filter(parent__isnull=False).count() == count * WIDTH
    assert check(load()) == []
