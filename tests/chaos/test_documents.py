"""Real workers and files made to hurt: the reader of a file may die, the worker does not, and stays small."""

from pathlib import Path

import psutil
import pytest

from jobs.domain.states import FINAL
from jobs.domain.submission import NewJob
from jobs.domain.uploads import new_upload
from jobs.models import Attempt, Job
from jobs.services.files import submit_with_files
from taskflow.lib.clock import utcnow
from taskflow.lib.ids import new_uid
from tests.chaos.fleet import fleet, wait_for
from tests.documents import hostile, made
from tests.factories import make_queue, make_tenant, make_workflow

pytestmark = pytest.mark.timeout(600)
READ = {"kind": "document", "key": "read", "config": {}}
LARGEST_WORKER = 400 * 1024 * 1024


def test_no_worker_dies_of_a_document_and_none_grows(env: dict[str, str], place: Path, settings):
    folder = str(place / "files")
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": folder}}
    }
    files = {
        "laughs.docx": hostile.billion_laughs(),
        "honest.docx": hostile.honest_bomb(),
        "lying.xlsx": hostile.lying_bomb(),
        "deep.pdf": hostile.deep_pdf(),
        "circle.pdf": hostile.circular_pdf(),
        "inflating.pdf": hostile.inflating_pdf(),
        "endless.eml": hostile.endless_mail(),
    }
    queue = make_queue("papers", pool="papers")
    workflow = make_workflow(make_tenant(), steps=[READ], queue=queue.slug)
    with fleet(env, place) as found:
        limits = {"FILES_DIR": folder, "DOCUMENT_SECONDS": "20", "DOCUMENT_MEMORY_MB": "400"}
        worker = found.worker(children=2, pool="papers", **limits)
        found.beat()
        processes = set(wait_for(lambda: worker.children() if len(worker.children()) == 2 else [], told=worker.tail))
        for name, data in [*files.items(), ("after.pdf", made.pdf("still here"))]:
            send(workflow, name, data)
        jobs = Job.objects.filter(workflow=workflow)
        wait_for(lambda: not jobs.exclude(state__in=FINAL).exists(), told=worker.tail)
        assert set(worker.children()) == processes
        assert max(psutil.Process(pid).memory_info().rss for pid in processes) < LARGEST_WORKER
    ends = {job.files.get().name: (job.state, job.error_class) for job in jobs}
    assert ends == dict.fromkeys(files, ("FAILED", "DocumentError")) | {"after.pdf": ("SUCCEEDED", "")}
    assert set(Attempt.objects.filter(job__in=jobs).values_list("outcome", flat=True)) == {"failed", "succeeded"}


def send(workflow, name: str, data: bytes) -> None:
    upload = new_upload(uid=new_uid(), part="files", name=name, data=data)
    request = NewJob(workflow=workflow.slug, payload={})
    submit_with_files(tenant_id=workflow.tenant_id, request=request, uploads=[upload], now=utcnow(), unpack=False)
