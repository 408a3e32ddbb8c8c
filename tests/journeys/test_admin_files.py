"""Sending a job by hand in the admin, files included, and getting its files back."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from jobs.models import File, Job
from tests.documents.made import pdf
from tests.factories import Cast, make_queue, make_workflow

pytestmark = pytest.mark.django_db
FIELDS = [
    {"key": "invoice", "label": "The invoice", "type": "file", "required": True},
    {"key": "papers", "type": "files"},
    {"key": "note", "type": "text", "max_length": 20, "description": "What is odd about it"},
    {"key": "text", "type": "text"},
    {"key": "count", "type": "integer"},
    {"key": "price", "type": "number"},
    {"key": "urgent", "type": "boolean"},
    {"key": "day", "type": "date"},
    {"key": "moment", "type": "datetime"},
    {"key": "mail", "type": "email"},
    {"key": "page", "type": "url"},
    {"key": "kind", "type": "choice", "choices": ["a", "b"]},
    {"key": "tags", "type": "list"},
    {"key": "facts", "type": "object"},
    {"key": "total", "role": "output"},
]
NEW = "/admin/jobs/job/of/invoices/new/"


@pytest.fixture(autouse=True)
def _own_storage(settings, tmp_path):
    folder = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path)}}
    settings.STORAGES = settings.STORAGES | {"default": folder}


@pytest.fixture
def invoices(acme: Cast):
    make_queue()
    acme.tenant.time_zone = "Europe/Berlin"
    acme.tenant.save()
    return make_workflow(acme.tenant, "invoices", version={"fields": FIELDS}, label_singular="Invoice")


def log_in(person, client: Client) -> Client:
    client.force_login(person)
    return client


def bill(name="bill.pdf"):
    return SimpleUploadedFile(name, pdf("TOTAL 5"), content_type="x/y")


def test_the_form_has_an_input_for_each_input_field(acme: Cast, invoices, client: Client):
    answer = log_in(acme.operator, client).get(NEW)
    page = answer.content.decode()
    assert 'enctype="multipart/form-data"' in page
    assert "New invoice" in page
    assert "What is odd about it" in page
    names = list(answer.context["form"].fields)
    assert names == [field["key"] for field in FIELDS if field.get("role") != "output"]


def test_what_is_written_becomes_the_payload_and_the_files_the_jobs(acme: Cast, invoices, client: Client):
    form = {
        "invoice": bill(),
        "papers": [bill("a.pdf"), bill("b.pdf")],
        "note": "odd",
        "text": "",
        "count": "3",
        "price": "1.5",
        "urgent": "on",
        "day": "2026-03-02",
        "moment": "2026-03-02T10:00",
        "mail": "ann@example.com",
        "page": "https://example.com",
        "kind": "b",
        "tags": "one\n\n two ",
        "facts": "colour: red\nsize: 4: or so",
    }
    answer = log_in(acme.operator, client).post(NEW, form)
    job = Job.objects.get()
    assert answer["Location"] == f"/admin/jobs/job/{job.uid}/change/"
    files = {file.name: file for file in File.objects.filter(job=job)}
    assert set(files) == {"bill.pdf", "a.pdf", "b.pdf"}
    assert job.payload == {
        "invoice": files["bill.pdf"].plain().reference(),
        "papers": [files["a.pdf"].plain().reference(), files["b.pdf"].plain().reference()],
        "note": "odd",
        "count": 3,
        "price": 1.5,
        "urgent": True,
        "day": "2026-03-02",
        "moment": "2026-03-02T10:00:00+01:00",
        "mail": "ann@example.com",
        "page": "https://example.com",
        "kind": "b",
        "tags": ["one", "two"],
        "facts": {"colour": "red", "size": "4: or so"},
    }
    assert job.source == f"admin:{acme.operator.username}"


def test_what_is_wrong_stands_beside_its_input_and_nothing_is_sent(acme: Cast, invoices, client: Client, settings):
    settings.MAX_FILE_BYTES = 100
    form = {"note": "x" * 21, "count": "many", "facts": "no colon", "mail": "nobody"}
    errors = log_in(acme.operator, client).post(NEW, form).context["form"].errors
    assert set(errors) == {"invoice", "note", "count", "facts", "mail"}
    errors = client.post(NEW, {"invoice": bill()}).context["form"].errors
    assert errors == {"invoice": ["'bill.pdf' is larger than 100 bytes."]}
    empty = SimpleUploadedFile("e.pdf", b"", content_type="x/y")
    assert client.post(NEW, {"invoice": empty}).context["form"].errors == {"invoice": ["'e.pdf' is empty."]}
    assert not Job.objects.exists()


def test_a_workflow_that_reads_documents_takes_files_without_a_field(acme: Cast, client: Client):
    make_queue()
    make_workflow(acme.tenant, "invoices", steps=[{"kind": "document", "config": {}}])
    answer = log_in(acme.operator, client).post(NEW, {"files": [bill()]})
    assert answer.status_code == 302
    job = Job.objects.get()
    assert (job.payload, [file.name for file in job.files.all()]) == ({}, ["bill.pdf"])


def test_a_file_is_downloaded_from_the_jobs_page(acme: Cast, invoices, globex: Cast, client: Client):
    log_in(acme.operator, client).post(NEW, {"invoice": bill()})
    job, file = Job.objects.get(), File.objects.get()
    address = f"/admin/jobs/job/{job.uid}/files/{file.uid}/"
    page = log_in(acme.viewer, client).get(f"/admin/jobs/job/{job.uid}/change/").content.decode()
    assert address in page
    assert "bill.pdf" in page
    got = client.get(address)
    assert b"".join(got.streaming_content) == pdf("TOTAL 5")
    assert got["Content-Disposition"].startswith("attachment")
    assert log_in(globex.owner, client).get(address).status_code == 404


def test_only_who_may_act_on_jobs_sends_one(acme: Cast, invoices, client: Client):
    assert log_in(acme.reviewer, client).get(NEW).status_code == 403
    assert client.post(NEW, {"invoice": bill()}).status_code == 403
    listed = client.get("/admin/jobs/job/of/invoices/").content.decode()
    assert NEW not in listed
    assert NEW in log_in(acme.operator, client).get("/admin/jobs/job/of/invoices/").content.decode()


def test_a_workflow_that_is_not_published_takes_nothing(acme: Cast, invoices, client: Client):
    invoices.live_version = None
    invoices.save()
    answer = log_in(acme.operator, client).get(NEW, follow=True)
    assert "is not published yet" in answer.content.decode()
    assert client.get("/admin/jobs/job/of/nonsense/new/").status_code == 404
