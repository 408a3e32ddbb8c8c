"""Moving jobs to another version while workers claim them: each job runs the version that its row says."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from jobs.domain.states import State
from jobs.models import Event, Job
from jobs.runtime.drain import Drain
from jobs.runtime.process import WorkerProcess
from jobs.services.versioning import LeftAlone, move_job
from taskflow.lib.clock import utcnow
from tests.factories import NOW, make_job, make_version, make_workflow
from workflows.models import Step, WorkflowVersion

pytestmark = pytest.mark.django_db(transaction=True)
JOBS = 60


def says(text: str) -> dict[str, Any]:
    return {"key": "say", "kind": "transform", "config": {"fields": [{"name": "said", "template": text}]}}


def test_a_job_runs_the_version_it_was_moved_to_or_was_not_moved() -> None:
    workflow = make_workflow(steps=[says("1")])
    jobs = [make_job(workflow, now=utcnow()) for _ in range(JOBS)]
    second = make_version(workflow, number=2, steps=[says("2")])
    process, together = WorkerProcess(pool="default", slots=2), Barrier(2)

    def move_all() -> int:
        moved = 0
        try:
            together.wait()
            for job in reversed(jobs):
                try:
                    move_job(job=job, version=second, actor="ann", now=utcnow())
                    moved += 1
                except LeftAlone:
                    continue
            return moved
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        moving = pool.submit(move_all)
        together.wait()
        Drain(process, jobs[0].queue_id).run()
        moved = moving.result()
    while Job.objects.filter(state=State.PENDING.value).exists():
        Drain(process, jobs[0].queue_id).run()
    process.close("the test is over")
    done = Job.objects.filter(state=State.SUCCEEDED.value).select_related("version")
    assert [job.result for job in done] == [{"said": str(job.version.number)} for job in done]
    assert len(done) == JOBS
    assert done.filter(version=second).count() == moved == Event.objects.filter(kind="moved").count()


def test_a_step_cannot_slip_into_a_version_that_is_just_being_published() -> None:
    workflow = make_workflow()
    inserted, tried = Barrier(2), []

    def slip_in(version_id: int) -> None:
        try:
            inserted.wait()
            Step._base_manager.bulk_create(
                [Step(version_id=version_id, position=9, key="late", name="L", kind="python")]
            )
            tried.append("slipped in")
        except DatabaseError:
            tried.append("refused")
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            version = WorkflowVersion.objects.create(workflow=workflow, number=7, published_at=NOW)
            slipping = pool.submit(slip_in, version.pk)
            inserted.wait()
            version.seal()
        slipping.result(30)
    assert tried == ["refused"]
    assert not version.steps.exists()
