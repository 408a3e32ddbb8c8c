"""The engine from submit to result, in this process: one drain at a time."""

import pytest
from jobs.domain.states import State
from jobs.domain.submission import NewJob
from jobs.models import Attempt, Event, Job, StepRun
from jobs.runtime.drain import Drain
from jobs.runtime.process import WorkerProcess
from jobs.services.submit import submit_jobs
from taskflow.lib.clock import utcnow

from tests.factories import make_queue, make_workflow

pytestmark = pytest.mark.django_db


@pytest.fixture
def process():
    process = WorkerProcess(pool="default", slots=4)
    yield process
    process.close("the test is over")


def test_a_submitted_job_runs_through_its_steps_and_succeeds(process):
    workflow = make_workflow()
    queue = make_queue()
    jobs = submit_jobs(tenant_id=workflow.tenant_id, requests=[NewJob(workflow.slug, {"text": str(i)}) for i in range(20)], now=utcnow())
    Drain(process, queue.pk).run()
    for job in jobs:
        job.refresh_from_db()
        assert job.state == State.SUCCEEDED, (job.error_class, job.error_message)
    assert [e.kind for e in Event.objects.filter(job=jobs[0])] == ["created", "started", "succeeded"]
    assert Attempt.objects.count() == 20
    assert StepRun.objects.count() == 20
    assert Job.objects.filter(claim_token__isnull=False).count() == 0
