"""Lists in the admin: uploaded, mapped, watched, stopped; what was wrong is downloaded."""

import io
import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from openpyxl import Workbook

from jobs.models import ImportState, Job, ListImport
from jobs.runtime.intake import run_list_import
from tests.factories import Cast, make_workflow

pytestmark = pytest.mark.django_db
FIELDS = [{"key": "text", "label": "Question", "required": True}, {"key": "total", "type": "number"}]
READING = {"encoding": "utf-8", "delimiter": ",", "order": "day_first", "header": "1"}


@pytest.fixture(autouse=True)
def _workflow(acme: Cast) -> None:
    make_workflow(acme.tenant, "tickets", version={"fields": FIELDS}, label_plural="Tickets")


@pytest.fixture
def operator(acme: Cast, client: Client) -> Client:
    client.force_login(acme.operator)
    return client


def upload(client: Client, data: bytes = b"Question,Sum\nHow?,1\nWhy?,x\n", name: str = "my list.csv") -> str:
    answer = client.post("/admin/jobs/listimport/of/tickets/", {"file": SimpleUploadedFile(name, data)})
    assert answer.status_code == 302, answer.content.decode()
    return str(answer["Location"])


def text_of(answer: HttpResponse) -> str:
    return answer.content.decode()


def test_a_list_is_uploaded_mapped_and_imported(operator: Client, acme: Cast) -> None:
    assert "/admin/jobs/listimport/of/tickets/" in text_of(operator.get("/admin/jobs/job/of/tickets/"))
    page = upload(operator)
    text = text_of(operator.get(page))
    assert 'value="text" selected' in text
    assert "How?" in text
    assert Job.objects.count() == 0
    assert operator.post(page, READING | {"column-0": "text", "column-1": "total", "start": "1"})["Location"] == page
    run_list_import(ListImport.objects.get().pk)
    done = text_of(operator.get(page))
    assert re.search(r'id="made">.*?>1<', done)
    assert "total must be a number, not text" in done
    made = ListImport.objects.get()
    assert made.created_by == acme.operator
    found = text_of(operator.get(f"/admin/jobs/job/of/tickets/?q={made.correlation_id}"))
    assert str(Job.objects.get().uid) in found
    assert "my list.csv" in text_of(operator.get("/admin/jobs/listimport/"))


def test_the_wrong_rows_are_downloaded(operator: Client) -> None:
    page = upload(operator)
    operator.post(page, READING | {"column-0": "text", "column-1": "total", "start": "1"})
    run_list_import(ListImport.objects.get().pk)
    answer: Any = operator.get(page.replace("/change/", "/errors/"))
    assert b"".join(answer.streaming_content).decode("utf-8-sig").splitlines() == [
        "Row,Problem,Question,Sum",
        '3,"total must be a number, not text",Why?,x',
    ]


def test_what_does_not_fit_is_told_and_the_choices_are_kept(operator: Client) -> None:
    page = upload(operator)
    text = text_of(operator.post(page, READING | {"column-0": "", "column-1": "total", "start": "1"}))
    assert "Question is required: say which column it is in." in text
    assert 'value="total" selected' in text
    assert ListImport.objects.get().state == ImportState.NEW


def test_how_it_is_read_can_be_changed_and_looked_at_again(operator: Client) -> None:
    page = upload(operator, "Käse|1\nBrot|2\n".encode("cp1252"))
    assert "Käse" in text_of(operator.get(page))
    text = text_of(operator.post(page, {"encoding": "cp850", "delimiter": "|", "order": "day_first", "look": "1"}))
    assert "Column 1" in text
    assert "Kõse" in text
    operator.post(page, {"encoding": "cp1252", "delimiter": "|", "column-0": "text", "start": "1"})
    run_list_import(ListImport.objects.get().pk)
    assert [job.payload for job in Job.objects.order_by("pk")] == [{"text": "Käse"}, {"text": "Brot"}]


def test_a_choice_that_is_none_is_ignored(operator: Client) -> None:
    page = upload(operator)
    form = {"encoding": "rot13", "delimiter": "x", "order": "never", "header": "1", "column-0": "text", "start": "1"}
    assert operator.post(page, form).status_code == 302
    assert ListImport.objects.get().form["encoding"] == "utf-8"


def test_a_column_may_keep_its_own_name_and_rows_a_key(operator: Client) -> None:
    page = upload(operator, b"Id,Question\n1,a\n1,b\n")
    form = READING | {"column-0": "=", "column-1": "text", "key_column": "Id", "start": "1"}
    operator.post(page, form)
    run_list_import(ListImport.objects.get().pk)
    assert Job.objects.get().payload == {"Id": "1", "text": "a"}
    assert ListImport.objects.get().already == 1


def test_a_workbook_and_json_lines_are_taken_too(operator: Client) -> None:
    book, file = Workbook(), io.BytesIO()
    book.active.append(["Question", "Total"])
    book.active.append(["How?", 2.5])
    book.save(file)
    for number, (data, name) in enumerate([(file.getvalue(), "a.xlsx"), (b'{"text": "Why?"}\n', "a.jsonl")]):
        page = upload(operator, data, name)
        assert operator.get(page).status_code == 200
        choices = {"column-0": "text", "column-1": "total"} if number == 0 else {"column-0": "text"}
        operator.post(page, READING | choices | {"start": "1"})
        run_list_import(ListImport.objects.latest("pk").pk)
    assert [job.payload for job in Job.objects.order_by("pk")] == [{"text": "How?", "total": 2.5}, {"text": "Why?"}]


@pytest.mark.parametrize(("data", "reason"), [(b"%PDF-1.7", "This is no list."), (b"", "The submitted file is empty")])
def test_what_is_no_list_is_told_on_the_page(operator: Client, data: bytes, reason: str) -> None:
    answer = operator.post("/admin/jobs/listimport/of/tickets/", {"file": SimpleUploadedFile("a.csv", data)})
    assert answer.status_code == 200
    assert reason in text_of(answer) or "The file is empty." in text_of(answer)
    assert "Choose a file first." in text_of(operator.post("/admin/jobs/listimport/of/tickets/"))


def test_an_import_is_paused_resumed_and_cancelled(operator: Client) -> None:
    page = upload(operator)
    operator.post(page, READING | {"column-0": "text", "start": "1"})
    for verb, state in (("pause", "Paused"), ("resume", "Waits for a worker"), ("cancel", "Cancelled by operator")):
        answer = operator.post(page.replace("/change/", f"/{verb}/"), follow=True)
        assert state in text_of(answer), verb
    answer = operator.post(page.replace("/change/", "/cancel/"), follow=True)
    assert "It was in another state already." in text_of(answer)


def test_an_upload_is_started_once_by_two_people(operator: Client) -> None:
    page = upload(operator)
    form = READING | {"column-0": "text", "start": "1"}
    assert operator.post(page, form).status_code == 302
    assert operator.post(page, form).status_code == 200
    assert ListImport.objects.get().state == ImportState.RUNNING


def test_who_may_not_send_jobs_uploads_nothing_and_starts_nothing(acme: Cast, operator: Client) -> None:
    page = upload(operator)
    operator.force_login(acme.viewer)
    assert operator.get("/admin/jobs/listimport/of/tickets/").status_code == 403
    assert operator.post(page, READING | {"column-0": "text", "start": "1"}).status_code == 200
    assert operator.post(page.replace("/change/", "/cancel/")).status_code == 403
    assert ListImport.objects.get().state == ImportState.NEW


def test_without_imports_the_list_says_how_to_begin(operator: Client) -> None:
    assert "No imports yet" in text_of(operator.get("/admin/jobs/listimport/"))
    assert operator.get("/admin/jobs/listimport/nonsense/change/").status_code == 404
