"""Workers that die while they make jobs of a list: no row is lost, and none is made twice."""

import io
from collections import Counter

import pytest
from django.conf import settings

from jobs.models import ImportedRow, ImportState, Job, ListImport
from jobs.services.intake import receive_list, start_import
from taskflow.lib.clock import utcnow
from tests.chaos.fleet import Fleet, scaled, wait_for
from tests.factories import make_queue, make_tenant, make_workflow

pytestmark = pytest.mark.timeout(600)
ROWS = max(scaled(60_000), 4_000)
ECHO = {"kind": "python", "config": {"function": "echo"}}


def state_of(found: ListImport) -> tuple[str, int]:
    row = ListImport.objects.get(pk=found.pk)
    return row.state, row.seen


def test_an_import_survives_the_death_of_its_workers(workers: Fleet) -> None:
    make_queue(paused_at=utcnow())
    workflow = make_workflow(make_tenant(), steps=[ECHO], version={"fields": [{"key": "text", "required": True}]})
    data = "".join(["number,text\n", *(f"{number},row {number}\n" for number in range(ROWS))]).encode()
    found = receive_list(
        workflow=workflow, file=io.BytesIO(data), filename="list.csv", size=len(data), actor="chaos", now=utcnow()
    )
    workers.beat()
    worker = workers.worker(children=2, FILES_DIR=str(settings.FILES_DIR))
    start_import(list_import=found, now=utcnow(), mapping={"number": "number", "text": "text"}, key_column="number")
    for share in (0, ROWS // 3):
        wait_for(lambda share=share: state_of(found)[1] > share, told=worker.tail)
        workers.killed |= set(worker.kill())
        worker = workers.worker(children=2, FILES_DIR=str(settings.FILES_DIR))
    wait_for(lambda: state_of(found)[0] == ImportState.DONE, told=lambda: (state_of(found), worker.tail()))
    found.refresh_from_db()
    assert (found.seen, found.made, found.already, found.wrong) == (ROWS, ROWS, 0, 0)
    numbers = Counter(job.payload["number"] for job in Job.objects.filter(workflow=workflow))
    assert set(numbers.values()) == {1}
    assert len(numbers) == ROWS == ImportedRow.objects.filter(list_import=found).count()
