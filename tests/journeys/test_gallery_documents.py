"""The invoice starter end to end: a PDF sent to the API, read by a worker's child, and its fields found by rules."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from jobs.models import Job
from jobs.runtime.drain import Drain
from jobs.runtime.process import WorkerProcess
from taskflow.lib.clock import utcnow
from tests.factories import make_queue, make_tenant
from tests.journeys.api.client import Api, read
from workflows.services.gallery import get_starter, install_starter

FOLDER = Path("../shared/data/invoices-invoice2data")
EXPECTED = {
    "QualityHosting": {
        "supplier": "QualityHosting AG",
        "invoice_number": "30064443",
        "total": 34.73,
        "currency": "EUR",
    },
    "AzureInterior": {"invoice_number": "INV/2023/03/0008", "date": "2023-03-20", "total": 279.84, "currency": "USD"},
}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not FOLDER.exists(), reason="the invoices are not there"),
]


@pytest.mark.parametrize("name", EXPECTED)
def test_the_fields_of_a_pdf_are_found(name: str, settings: Any, tmp_path: Path) -> None:
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path)}}
    }
    tenant, queue = make_tenant(), make_queue()
    install_starter(tenant=tenant, starter=get_starter("invoices"), now=utcnow())
    api = Api(tenant)
    file = SimpleUploadedFile(f"{name}.pdf", (FOLDER / f"{name}.pdf").read_bytes())
    body = {"job": json.dumps({"workflow": "invoices", "payload": {}}), "document": file}
    made = read(api.client.post("/api/v1/jobs", body, headers=api._headers({})), 201)
    process = WorkerProcess(pool="default", slots=2)
    try:
        Drain(process, queue.pk).run()
    finally:
        process.close("the test is over")
    job = Job.objects.get(uid=made["id"])
    assert (job.state, job.error_message) == ("SUCCEEDED", None)
    assert {key: job.result[key] for key in EXPECTED[name]} == EXPECTED[name]
