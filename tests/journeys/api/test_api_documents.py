"""Documents through the whole system: sent over REST, read by a worker, with text or with a reason in the end.

Every file of the public sets where they lie in `../shared/data` beside the checkout, and files made to hurt.
"""

import io
import json
import resource
import time
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command

from jobs.domain.states import FINAL
from jobs.models import StepRun
from jobs.runtime.drain import Drain
from jobs.runtime.process import WorkerProcess
from tests.documents import hostile, made
from tests.factories import Cast, make_workflow
from tests.journeys.api.client import Api, read
from workflows.models import Workflow

SHARED = Path(settings.BASE_DIR).parent / "shared" / "data"
SETS = {"pdf-pypdf-samples": "*/*.pdf", "docx-mammoth": "*.docx", "emails-flanker": "messages/**/*.eml"}
READ = {"kind": "document", "key": "read", "config": {}}
#: Words that belong in a log, not before a person who sent a file.
JARGON = ("Traceback", "Error:", "Exception", "None", "object at 0x")


@pytest.fixture(autouse=True)
def _own_storage(settings, tmp_path):
    folder = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path)}}
    settings.STORAGES = settings.STORAGES | {"default": folder}


@pytest.fixture
def papers(acme: Cast, queue) -> Workflow:
    return make_workflow(acme.tenant, "papers", steps=[READ])


def send(api: Api, name: str, data: bytes) -> str:
    form = {
        "job": json.dumps({"workflow": "papers", "payload": {}}),
        "files": SimpleUploadedFile(name, data, content_type="application/octet-stream"),
    }
    answer = api.client.post("/api/v1/jobs", form, headers={"Authorization": f"Bearer {api.key}"})
    return str(read(answer, 201)["id"])


def drain(workflow: Workflow) -> None:
    """Run all jobs to their end; no step is left behind."""
    process = WorkerProcess(pool="default", slots=4)
    try:
        open_jobs, deadline = workflow.jobs.exclude(state__in=FINAL), time.monotonic() + 60
        while (job := open_jobs.first()) is not None and time.monotonic() < deadline:
            Drain(process, job.queue_id).run()
            time.sleep(0.02)
        assert not process.threads.stuck
    finally:
        process.close("the test is over")


def check(api: Api, uid: str) -> str:
    """A job has ended with text, or with a reason; returns which."""
    job = read(api.get(f"jobs/{uid}"))
    if job["state"] == "SUCCEEDED":
        assert job["result"]["text"].strip(), job
        return "text"
    assert job["state"] == "FAILED", job
    assert job["error"]["class"] == "DocumentError"
    message = job["error"]["message"]
    assert message.startswith("'")
    assert message.endswith("."), message
    assert not any(word in message for word in JARGON), message
    return message


@pytest.mark.django_db(transaction=True)
def test_a_document_is_read_and_the_steps_behind_it_work_on_its_text(api: Api, acme, queue):
    find = {"fields": [{"name": "total", "type": "number", "rules": [{"rule": "after_label", "labels": ["TOTAL"]}]}]}
    steps = [READ, {"kind": "extract", "key": "find", "config": {"source": "steps.read.text"} | find}]
    workflow = make_workflow(acme.tenant, "papers", steps=steps)
    uid = send(api, "bill.pdf", made.pdf("Thank you", "TOTAL 12.50"))
    drain(workflow)
    job = read(api.get(f"jobs/{uid}"))
    assert (job["state"], job["error"]) == ("SUCCEEDED", None)
    assert job["result"]["total"] == 12.5
    assert job["result"]["document"]["file"] == "bill.pdf"
    assert [run["step"] for run in job["step_runs"]] == ["read", "find"]
    assert StepRun.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_an_invoice_that_comes_as_a_pdf_goes_through_the_starter(api: Api, acme: Cast, queue):
    call_command(
        "gallery", "install", "invoices", "--tenant", "acme", "--as", "papers", "--publish", stdout=io.StringIO()
    )
    lines = ["Harbour Stationery Ltd", "Invoice No: HS-2041", "Invoice Date: 3 March 2026", "Total due  GBP 174.60"]
    uid = send(api, "bill.pdf", made.pdf(*lines))
    typed = read(api.post("jobs", {"workflow": "papers", "payload": {"text": "\n".join(lines)}}), 201)["id"]
    nothing = read(api.post("jobs", {"workflow": "papers", "payload": {}}), 201)["id"]
    drain(Workflow.objects.get(slug="papers"))
    for job in (read(api.get(f"jobs/{uid}")), read(api.get(f"jobs/{typed}"))):
        assert (job["state"], job["error"]) == ("SUCCEEDED", None)
        found = {name: job["result"][name] for name in ("supplier", "invoice_number", "total", "currency", "route")}
        assert list(found.values()) == ["Harbour Stationery Ltd", "HS-2041", 174.6, "GBP", "payable"]
    assert "neither a file nor a text" in read(api.get(f"jobs/{nothing}"))["error"]["message"]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("folder", "pattern"), SETS.items())
def test_every_document_of_the_public_sets_gives_text_or_a_reason(api, papers, folder, pattern):
    paths = sorted((SHARED / folder).glob(pattern))
    if not paths:
        pytest.skip(f"{folder} is not beside the checkout")
    sent = {send(api, path.name, path.read_bytes()): path.name for path in paths}
    drain(papers)
    ends = {name: check(api, uid) for uid, name in sent.items()}
    reasons = {name: end for name, end in ends.items() if end != "text"}
    assert len(reasons) <= len(ends) / 4, reasons


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_files_made_to_hurt_end_their_reader_and_not_the_worker(api, papers, settings):
    settings.DOCUMENT_SECONDS, settings.DOCUMENT_MEMORY_MB = 10.0, 400
    files = {
        "laughs.docx": hostile.billion_laughs(),
        "honest.docx": hostile.honest_bomb(),
        "lying.xlsx": hostile.lying_bomb(),
        "deep.pdf": hostile.deep_pdf(),
        "circle.pdf": hostile.circular_pdf(),
        "inflating.pdf": hostile.inflating_pdf(),
        "endless.eml": hostile.endless_mail(),
    }
    harmless = send(api, "after.txt", b"still here")
    sent = {send(api, name, data): name for name, data in files.items()}
    drain(papers)
    assert check(api, harmless) == "text"
    assert {name: check(api, uid) == "text" for uid, name in sent.items()} == dict.fromkeys(files, False)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 1_000_000
