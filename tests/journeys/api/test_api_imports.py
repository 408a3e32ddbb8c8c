"""Lists over the API: uploaded, followed, stopped, and their wrong rows downloaded."""

import csv
import io
import json
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse

from jobs.models import Job, ListImport
from jobs.runtime.intake import run_list_import
from tests.factories import Cast, make_workflow
from tests.journeys.api.client import Api, faults, read

FIELDS = [{"key": "text", "label": "Question", "required": True}, {"key": "total", "type": "number"}]


@pytest.fixture(autouse=True)
def _workflow(acme: Cast) -> None:
    make_workflow(acme.tenant, "tickets", version={"fields": FIELDS})


def send(api: Api, data: bytes | None, **form: Any) -> HttpResponse:
    body = {"workflow": "tickets"} | form
    if data is not None:
        body["file"] = SimpleUploadedFile("my list.csv", data)
    return api.client.post("/api/v1/imports", body, headers=api._headers({}))  # type: ignore[return-value]


def run() -> None:
    run_list_import(ListImport.objects.latest("pk").pk)


def test_a_list_is_uploaded_and_its_rows_become_jobs(api: Api) -> None:
    answer = send(api, b"Question,Total\nHow?,1\nWhy?,x\n")
    started = read(answer, 202)
    assert answer["Location"] == f"/api/v1/imports/{started['id']}"
    assert (started["state"], started["filename"], started["mapping"]) == (
        "running",
        "my list.csv",
        {"Question": "text", "Total": "total"},
    )
    run()
    done = read(api.get(f"imports/{started['id']}"))
    assert (done["state"], done["progress"]) == ("done", 1.0)
    assert done["rows"] == {"seen": 2, "made": 1, "already_there": 0, "wrong": 1}
    found = read(api.get("jobs", {"correlation_id": done["correlation_id"]}))["results"]
    assert [job["payload"] for job in found] == [{"text": "How?", "total": 1}]


def test_the_wrong_rows_are_a_file_that_can_be_corrected_and_no_formula(api: Api) -> None:
    started = read(send(api, b"Question,Total,Note\nHow?,x,=cmd()\n,1,-5\n"), 202)
    run()
    answer = api.get(f"imports/{started['id']}/errors")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer["Content-Disposition"]
    text = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    assert list(csv.DictReader(io.StringIO(text))) == [
        {
            "Row": "2",
            "Problem": "total must be a number, not text",
            "Question": "How?",
            "Total": "x",
            "Note": "'=cmd()",
        },
        {"Row": "3", "Problem": "text is required, and must not be empty", "Question": "", "Total": "1", "Note": "-5"},
    ]
    corrected = text.replace(",x,", ",7,").encode()
    read(send(api, corrected), 202)
    run()
    assert Job.objects.get().payload == {"text": "How?", "total": 7}


def test_mapping_key_and_form_are_taken_from_the_caller(api: Api) -> None:
    form = {"mapping": json.dumps({"Column 2": "text"}), "key_column": "Column 1", "header": "false"}
    read(send(api, b"a,b\na,c\n", **form), 202)
    run()
    assert Job.objects.get().payload == {"text": "b"}


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"workflow": "nothing"}, "workflow"),
        ({"mapping": "{"}, "mapping"),
        ({"mapping": "[]"}, "mapping"),
        ({"mapping": '{"Question": 5}'}, "mapping.Question"),
        ({"mapping": '{"Nothing": "text"}'}, "mapping.Nothing"),
        ({"mapping": '{"Total": "total"}'}, "mapping.text"),
        ({"key_column": "Nothing"}, "mapping.Nothing"),
        ({"header": "perhaps"}, "header"),
        ({"date_order": "year"}, "date_order"),
        ({"more": "x"}, "more"),
    ],
)
def test_what_is_wrong_is_told_with_its_field_and_nothing_is_kept(api: Api, form: dict[str, str], field: str) -> None:
    assert field in faults(send(api, b"Question,Total\nHow?,1\n", **form))
    assert ListImport.objects.count() == 0


@pytest.mark.parametrize(
    ("data", "reason"),
    [(None, "This field is required"), (b"", "empty"), (b"%PDF-1.7", "no list"), (b"PK\x03\x04...", "damaged")],
)
def test_a_file_that_is_none_is_refused(api: Api, data: bytes | None, reason: str) -> None:
    assert reason in faults(send(api, data))["file"]


def test_a_file_that_is_too_large_is_refused(api: Api, settings: Any) -> None:
    settings.MAX_LIST_BYTES = 10
    assert "10 at most" in faults(send(api, b"Question\n" + b"x" * 50))["file"]
    read(send(api, b"Question\n" + b"x" * 2_000_000), 413)


def test_a_body_that_is_no_form_is_refused(api: Api) -> None:
    read(api.post("imports", {"workflow": "tickets"}), 415)
    read(api.post("imports", raw=b"nonsense", kind="multipart/form-data; boundary=x"), 400)


def test_an_import_is_paused_resumed_and_cancelled(api: Api) -> None:
    uid = read(send(api, b"Question\nHow?\n"), 202)["id"]
    assert read(api.post(f"imports/{uid}/pause"))["state"] == "paused"
    read(api.post(f"imports/{uid}/pause"), 409)
    assert read(api.post(f"imports/{uid}/resume"))["state"] == "running"
    read(api.post(f"imports/{uid}/resume"), 409)
    assert read(api.post(f"imports/{uid}/cancel"))["state"] == "cancelled"
    read(api.post(f"imports/{uid}/cancel"), 409)
    run()
    assert Job.objects.count() == 0


def test_an_import_of_another_tenant_does_not_exist(api: Api, globex: Cast) -> None:
    make_workflow(globex.tenant, "secret")
    uid = read(send(api, b"Question\nHow?\n"), 202)["id"]
    other = Api(globex.tenant)
    for one in (uid, uuid4()):
        read(other.get(f"imports/{one}"), 404)
        read(other.get(f"imports/{one}/errors"), 404)
        for verb in ("pause", "resume", "cancel"):
            read(other.post(f"imports/{one}/{verb}"), 404)
    assert "workflow" in faults(send(api, b"a\nb\n", workflow="secret"))


def test_a_key_that_may_only_read_uploads_nothing(acme: Cast) -> None:
    reader = Api(acme.tenant, ["jobs:read"])
    assert read(send(reader, b"Question\nHow?\n"), 403)["status"] == 403
