"""Files on jobs, over REST: sent with the job, listed with it, downloaded by their tenant alone."""

import hashlib
import io
import json
from datetime import timedelta

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError

from jobs.models import File, Job
from jobs.services import files as file_service
from jobs.services.files import prune_files
from taskflow.lib.clock import utcnow
from taskflow.lib.ids import new_uid
from tests.documents.hostile import endless_mail
from tests.documents.made import mail, pdf, word
from tests.factories import Cast, make_job, make_workflow
from tests.journeys.api.client import Api, faults, read
from tests.storage import stored_keys
from workflows.models import Workflow

pytestmark = pytest.mark.django_db
FIELDS = [
    {"key": "invoice", "type": "file"},
    {"key": "papers", "type": "files", "max_length": 2},
    {"key": "note", "type": "text"},
]


@pytest.fixture(autouse=True)
def _own_storage(settings, tmp_path):
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path)}}
    }


@pytest.fixture
def invoices(acme: Cast, queue) -> Workflow:
    return make_workflow(acme.tenant, "invoices", version={"fields": FIELDS})


def file(name: str, data: bytes, kind: str = "application/octet-stream") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data, content_type=kind)


class Named(io.BytesIO):
    """A file whose name the test client sends as it is."""

    def __init__(self, name: str) -> None:
        super().__init__(b"text")
        self.name = name


def send(api: Api, job: object, headers: dict[str, str] | None = None, **parts: object):
    """Send a job as a form; `parts` are files, or lists of them, by the name of their part."""
    form = {"job": job if isinstance(job, (str, list, SimpleUploadedFile)) else json.dumps(job)} | parts
    all_headers = {"Authorization": f"Bearer {api.key}"} | (headers or {})
    return api.client.post("/api/v1/jobs", form, headers=all_headers)


def test_a_file_comes_with_its_job_and_is_named_by_its_field(api: Api, invoices: Workflow):
    data = pdf("TOTAL 12.50")
    answer = send(api, {"workflow": "invoices", "payload": {"note": "paid"}}, invoice=file("bill.pdf", data))
    made = read(answer, 201)
    (listed,) = made["files"]
    assert listed | {"created_at": ""} == {
        "id": listed["id"],
        "name": "bill.pdf",
        "type": "application/pdf",
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "created_at": "",
    }
    reference = {"id": listed["id"], "name": "bill.pdf", "type": "application/pdf", "size": len(data)}
    assert made["payload"] == {"note": "paid", "invoice": reference}
    assert read(api.get(f"jobs/{made['id']}"))["files"] == [listed]
    got = api.get(f"jobs/{made['id']}/files/{listed['id']}")
    assert b"".join(got.streaming_content) == data
    assert got["Content-Disposition"] == 'attachment; filename="bill.pdf"'
    assert got["X-Content-Type-Options"] == "nosniff"


def test_several_files_go_into_one_field_or_into_none(api: Api, invoices: Workflow):
    papers = [file("a.txt", b"one"), file("b.txt", b"two")]
    made = read(send(api, {"workflow": "invoices", "payload": {}}, papers=papers, files=file("c.txt", b"three")), 201)
    assert [paper["name"] for paper in made["payload"]["papers"]] == ["a.txt", "b.txt"]
    assert [one["name"] for one in made["files"]] == ["a.txt", "b.txt", "c.txt"]


def test_the_job_may_be_a_part_with_a_type_of_its_own(api: Api, invoices: Workflow):
    part = file("job.json", b'{"workflow": "invoices", "payload": {}}', "application/json")
    assert read(send(api, part, files=file("a.txt", b"x")), 201)["files"][0]["name"] == "a.txt"


def test_what_a_file_is_comes_from_its_bytes(api: Api, invoices: Workflow):
    sent = [file("a.pdf", word("hello"), "application/pdf"), file("b.html", b"<html><body>x", "text/plain")]
    made = read(send(api, {"workflow": "invoices", "payload": {}}, files=sent), 201)
    assert [one["type"].rpartition(".")[2] for one in made["files"]] == ["document", "text/html"]
    got = api.get(f"jobs/{made['id']}/files/{made['files'][1]['id']}")
    assert got["Content-Type"] == "application/octet-stream"
    assert b"".join(got.streaming_content) == b"<html><body>x"


@pytest.mark.parametrize(
    ("parts", "field", "reason"),
    [
        ({"invoice": [file("a", b"1"), file("b", b"2")]}, "invoice", "This field takes one file."),
        ({"other": file("a", b"1")}, "other", "There is no file field of this name; send other files as `files`."),
        ({"note": file("a", b"1")}, "note", "There is no file field of this name; send other files as `files`."),
        ({"papers": [file(n, b"1") for n in "abc"]}, "payload.papers", "must be at most 2 long, and is 3"),
        ({"files": file("a.txt", b"")}, "files", "'a.txt' is empty."),
        ({"files": file("x.txt", b"\x7fELF123")}, "files", "'x.txt' is a program, which is not taken here."),
        ({"files": file("x.txt", b"12345678901")}, "files", "'x.txt' is larger than 10 bytes."),
        ({"files": [file(n, b"1") for n in "abcd"]}, "files", "4 files are too many; a job may have 3."),
        ({"payload": "x"}, "payload", "This is not a file. What the payload holds belongs in the part `job`."),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_kept(api: Api, invoices, settings, parts, field, reason):
    settings.MAX_FILE_BYTES, settings.MAX_FILES = 10, 3
    for part in parts.values():
        for one in part if isinstance(part, list) else [part]:
            if not isinstance(one, str):
                one.seek(0)
    assert faults(send(api, {"workflow": "invoices", "payload": {}}, **parts)) == {field: reason}
    assert not Job.objects.exists()
    assert not File.objects.exists()
    assert stored_keys() == set()


def test_every_problem_is_named_at_once(api: Api, invoices: Workflow):
    answer = send(api, {"workflow": "invoices", "payload": {"note": 1}}, other=file("a", b"1"), files=file("b", b""))
    assert set(faults(answer)) == {"payload.note", "other", "files"}


def test_a_form_without_one_job_of_json_is_refused(api: Api, invoices: Workflow):
    assert read(send(api, "{"), 400)["type"].endswith("not-json")
    assert faults(send(api, ["{}", "{}"])) == {"job": "Send one part of this name, with the job as JSON."}
    assert faults(send(api, {"workflow": "invoices"}, files=file("a", b"1"))) == {"payload": "This field is required."}
    broken = api.post("jobs", raw=b"--x\r\nnonsense", kind="multipart/form-data; boundary=x")
    assert broken.status_code == 400
    assert api.post("jobs", raw=b"", kind="multipart/form-data").status_code == 400


def test_a_form_that_is_too_large_is_not_read(api: Api, invoices: Workflow, settings):
    settings.MAX_UPLOAD_BYTES = 1000
    answer = send(api, {"workflow": "invoices", "payload": {}}, files=file("a", b"1" * 1000))
    assert read(answer, 413)["type"] == "urn:taskflow:problem:too-large"


def test_another_tenants_file_does_not_exist(api: Api, invoices: Workflow, globex: Cast):
    made = read(send(api, {"workflow": "invoices", "payload": {}}, files=file("a", b"1")), 201)
    path = f"jobs/{made['id']}/files/{made['files'][0]['id']}"
    assert read(Api(globex.tenant).get(path), 404)["detail"] == "There is no such file."
    assert api.get(f"jobs/{made['id']}/files/{new_uid()}").status_code == 404
    other = make_job(invoices)
    assert api.get(f"jobs/{other.uid}/files/{made['files'][0]['id']}").status_code == 404


def test_a_payload_may_name_an_earlier_file_of_its_tenant_only(api: Api, invoices: Workflow, globex: Cast, queue):
    made = read(send(api, {"workflow": "invoices", "payload": {}}, files=file("a", b"1")), 201)
    reference = {"id": made["files"][0]["id"]}
    body = {"workflow": "invoices", "payload": {"invoice": reference}}
    assert read(api.post("jobs", body), 201)["payload"]["invoice"] == reference
    make_workflow(globex.tenant, "invoices", version={"fields": FIELDS})
    reason = "There is no such file. Send it with the job, as multipart/form-data."
    assert faults(Api(globex.tenant).post("jobs", body)) == {"payload.invoice": reason}
    body["payload"]["invoice"] = {"id": str(new_uid())}
    assert faults(api.post("jobs", body)) == {"payload.invoice": reason}
    body["payload"] = {"invoice": "text", "papers": [1]}
    assert faults(api.post("jobs", body)) == {
        "payload.invoice": 'must be a file, like {"id": "…"}, not text',
        "payload.papers": 'must be a list of files, each like {"id": "…"}',
    }


def test_the_same_form_again_gives_the_first_job(api: Api, invoices: Workflow):
    job, key = {"workflow": "invoices", "payload": {}}, {"Idempotency-Key": "bill-1"}
    first = send(api, job, key, files=file("a", b"1"))
    again = send(api, job, key, files=file("a", b"1"))
    assert (first.status_code, again.status_code) == (201, 200)
    assert read(first, 201) == read(again, 200)
    other = send(api, job, key, files=file("a", b"2"))
    assert read(other, 409)["type"] == "urn:taskflow:problem:idempotency-conflict"
    assert len(stored_keys()) == File.objects.count() == Job.objects.count() == 1


def test_a_job_that_cannot_be_stored_takes_its_files_with_it(api: Api, invoices: Workflow, monkeypatch):
    def refuse(**_given: object) -> None:
        raise IntegrityError("no")

    monkeypatch.setattr(file_service, "submit_job", refuse)
    with pytest.raises(IntegrityError):
        send(api, {"workflow": "invoices", "payload": {}}, files=file("a", b"1"))
    assert not File.objects.exists()
    assert stored_keys() == set()


def test_files_whose_job_is_gone_are_cleaned_away(api: Api, invoices: Workflow):
    kept = read(send(api, {"workflow": "invoices", "payload": {}}, files=file("a", b"1")), 201)
    gone = read(send(api, {"workflow": "invoices", "payload": {}}, files=file("b", b"2")), 201)
    Job.objects.filter(uid=gone["id"]).delete()
    assert prune_files(now=utcnow()) == 0
    assert prune_files(now=utcnow() + timedelta(hours=2)) == 1
    assert [str(row.uid) for row in File.objects.all()] == [kept["files"][0]["id"]]
    assert stored_keys() == set(File.objects.values_list("key", flat=True))


def test_what_a_message_brings_becomes_files_of_the_job_too(api: Api, invoices: Workflow, settings):
    settings.MAX_FILES = 3
    raw = mail("see the bill", attachments={"bill.pdf": pdf("x"), "run.exe": b"MZ\x00", "a.txt": b"1", "b.txt": b"2"})
    made = read(send(api, {"workflow": "invoices", "payload": {}}, files=file("a.eml", raw)), 201)
    assert [one["name"] for one in made["files"]] == ["a.eml", "bill.pdf", "a.txt"]
    deep = file("deep.eml", endless_mail())
    assert len(read(send(api, {"workflow": "invoices", "payload": {}}, files=deep), 201)["files"]) == 1


def test_a_file_the_storage_has_lost_is_not_found(api: Api, invoices: Workflow):
    made = read(send(api, {"workflow": "invoices", "payload": {}}, files=file("a", b"1")), 201)
    default_storage.delete(File.objects.get().key)
    assert api.get(f"jobs/{made['id']}/files/{made['files'][0]['id']}").status_code == 404


@pytest.mark.parametrize("name", ["../../etc/passwd", "a\u202egpj.exe", "x" * 400 + ".pdf", "<b>.html", "c:\\d\\e.txt"])
def test_no_name_leads_anywhere(api: Api, invoices: Workflow, name):
    made = read(send(api, {"workflow": "invoices", "payload": {}}, files=Named(name)), 201)
    stored = File.objects.get()
    assert 0 < len(stored.name) <= 255
    assert not set(stored.name) & set("/\\\u202e")
    assert stored.key.endswith(str(stored.uid))
    got = api.get(f"jobs/{made['id']}/files/{stored.uid}")
    assert b"".join(got.streaming_content) == b"text"
