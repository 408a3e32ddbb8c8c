"""Lists become jobs: each good row once, whatever dies or is uploaded again, and the others are told."""

import io
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.storage import default_storage

from jobs.domain.intake.formats import BadFile
from jobs.models import Event, ImportedRow, ImportProblem, ImportState, Job, ListImport
from jobs.runtime import intake as runtime
from jobs.runtime.intake import run_list_import
from jobs.runtime.tick import tick
from jobs.services import intake as services
from jobs.services.intake import (
    MappingError,
    NotNew,
    cancel_import,
    continue_stale,
    look_at,
    pause_import,
    prune_uploads,
    receive_list,
    resume_import,
    start_import,
)
from jobs.services.intake_rows import Reader, store_rows, take_import
from taskflow.lib.clock import utcnow
from tests.factories import NOW, Cast, make_workflow
from workflows.models import Workflow

pytestmark = pytest.mark.django_db
FIELDS = [
    {"key": "text", "label": "Question", "required": True},
    {"key": "total", "type": "number"},
    {"key": "team", "role": "output"},
]


@pytest.fixture
def tickets(acme: Cast) -> Workflow:
    return make_workflow(acme.tenant, "tickets", version={"fields": FIELDS})


def upload(workflow: Workflow, text: str | bytes, **more: Any) -> ListImport:
    data = text.encode() if isinstance(text, str) else text
    known = {"filename": "list.csv", "size": len(data), "actor": "ann", "now": utcnow()}
    return receive_list(workflow=workflow, file=io.BytesIO(data), **known | more)


def run(workflow: Workflow, text: str | bytes, **choices: Any) -> ListImport:
    list_import = start_import(list_import=upload(workflow, text), now=utcnow(), **choices)
    run_list_import(list_import.pk)
    list_import.refresh_from_db()
    return list_import


def counts(list_import: ListImport) -> tuple[int, int, int, int]:
    list_import.refresh_from_db()
    return list_import.seen, list_import.made, list_import.already, list_import.wrong


def rows(count: int, start: int = 0) -> str:
    return "question,total\n" + "".join(f"number {number},{number}\n" for number in range(start, start + count))


def test_every_good_row_becomes_a_job_and_the_others_are_told(
    tickets: Workflow, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        done = run(tickets, 'Question,Total\nHow?,"1,50"\n,2\nWhy?,many\nWhen?,\n')
    assert done.state == ImportState.DONE
    assert counts(done) == (4, 2, 0, 2)
    jobs = Job.objects.order_by("pk")
    assert [job.payload for job in jobs] == [{"text": "How?", "total": 1.5}, {"text": "When?"}]
    assert {(job.source, job.correlation_id, job.state) for job in jobs} == {
        ("import:ann", f"import-{done.uid}", "PENDING")
    }
    assert Event.objects.filter(kind="created").count() == 2
    assert list(done.problems.values_list("row", "message")) == [
        (3, "text is required, and must not be empty"),
        (4, "total must be a number, not text"),
    ]
    assert done.problems.get(row=4).values == {"Question": "Why?", "Total": "many"}
    assert not default_storage.exists(done.stored_as)


def test_the_same_list_again_makes_nothing_new_and_a_longer_one_only_what_is_new(tickets: Workflow) -> None:
    run(tickets, rows(10))
    assert counts(run(tickets, rows(10))) == (10, 0, 10, 0)
    assert counts(run(tickets, rows(13))) == (13, 3, 10, 0)
    assert Job.objects.count() == 13


def test_a_row_that_was_wrong_is_made_once_it_is_right(tickets: Workflow) -> None:
    assert counts(run(tickets, "question,total\na,1\nb,x\n")) == (2, 1, 0, 1)
    assert counts(run(tickets, "question,total\na,1\nb,2\n")) == (2, 1, 1, 0)


def test_with_a_key_column_a_row_is_the_same_by_its_key(tickets: Workflow) -> None:
    text = "Id,Question\n7,How?\n8,Why?\n7,How then?\n,When?\n"
    done = run(tickets, text, key_column="Id")
    assert counts(done) == (4, 2, 1, 1)
    assert "no value in the key column 'Id'" in done.problems.get().message
    assert counts(run(tickets, "Id,Question\n8,Changed\n9,New\n", key_column="Id")) == (2, 1, 1, 0)


def test_a_key_of_zero_is_a_key(tickets: Workflow) -> None:
    done = run(tickets, b'{"id": 0, "text": "a"}\n{"id": null, "text": "b"}\n', key_column="id")
    assert counts(done) == (2, 1, 0, 1)


def test_rows_of_another_workflow_are_others(tickets: Workflow, acme: Cast) -> None:
    run(tickets, rows(3))
    other = make_workflow(acme.tenant, "other", version={"fields": FIELDS})
    assert counts(run(other, rows(3))) == (3, 3, 0, 0)


def test_the_mapping_is_guessed_shown_and_remembered(tickets: Workflow) -> None:
    first = upload(tickets, "Was,Betrag,team\nWie?,5\n")
    shown = look_at(first)
    assert (shown.columns, shown.mapping) == (("Was", "Betrag", "team"), {})
    assert shown.rows[0].values == {"Was": "Wie?", "Betrag": "5"}
    start_import(list_import=first, now=utcnow(), mapping={"Was": "text", "Betrag": "total"})
    run_list_import(first.pk)
    assert look_at(upload(tickets, "Betrag,Was\n1,a\n")).mapping == {"Betrag": "total", "Was": "text"}


@pytest.mark.parametrize(
    ("choices", "field"),
    [
        ({"mapping": {}}, ""),
        ({"mapping": {"total": "total"}}, "text"),
        ({"mapping": {"question": "text", "nothing": "total"}}, "nothing"),
        ({"key_column": "nothing"}, "nothing"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused_with_the_place(
    tickets: Workflow, choices: dict[str, Any], field: str
) -> None:
    list_import = upload(tickets, rows(1))
    with pytest.raises(MappingError) as refused:
        start_import(list_import=list_import, now=utcnow(), **choices)
    assert field in dict(refused.value.problems)
    list_import.refresh_from_db()
    assert list_import.state == ImportState.NEW


def test_a_workflow_that_is_not_published_takes_no_list(acme: Cast) -> None:
    workflow = make_workflow(acme.tenant, version={"fields": FIELDS})
    workflow.live_version = None
    workflow.save()
    with pytest.raises(MappingError, match="not published"):
        start_import(list_import=upload(workflow, rows(1)), now=utcnow())


def test_a_list_is_started_once(tickets: Workflow) -> None:
    list_import = upload(tickets, rows(1))
    start_import(list_import=list_import, now=utcnow())
    with pytest.raises(NotNew):
        start_import(list_import=list_import, now=utcnow())


def test_a_list_that_is_too_large_or_no_list_is_refused_and_not_stored(tickets: Workflow, settings: Any) -> None:
    settings.MAX_LIST_BYTES = 10
    with pytest.raises(BadFile, match="10 at most"):
        upload(tickets, rows(3))
    with pytest.raises(BadFile, match="no list"):
        upload(tickets, b"%PDF-1.")
    assert ListImport.objects.count() == 0


def test_a_list_with_too_many_rows_ends_with_the_reason(tickets: Workflow, settings: Any) -> None:
    settings.MAX_LIST_ROWS = 5
    done = run(tickets, rows(7))
    assert (done.state, done.made) == (ImportState.FAILED, 5)
    assert "more than 5 rows" in done.error_message


def test_a_row_larger_than_a_payload_may_be_is_told(tickets: Workflow, settings: Any) -> None:
    settings.MAX_PAYLOAD_BYTES = 50
    done = run(tickets, f"question\n{'x' * 60}\nshort\n")
    assert counts(done) == (2, 1, 0, 1)
    assert "larger than 50 bytes" in done.problems.get().message


def test_json_lines_become_jobs_with_every_key(tickets: Workflow) -> None:
    done = run(tickets, b'{"text": "a", "total": 1, "more": {"x": [1]}}\n{"text": 5}\n{\n{"total": 1}\n')
    assert counts(done) == (4, 2, 0, 2)
    assert Job.objects.order_by("pk").first().payload == {"text": "a", "total": 1, "more": {"x": [1]}}
    assert set(done.problems.values_list("row", flat=True)) == {3, 4}


def test_a_worker_that_loses_the_import_writes_nothing(tickets: Workflow) -> None:
    list_import = start_import(list_import=upload(tickets, rows(2)), now=NOW)
    slow = take_import(import_id=list_import.pk, now=NOW)
    assert take_import(import_id=list_import.pk, now=NOW + timedelta(seconds=14)) is None
    assert take_import(import_id=list_import.pk, now=NOW + timedelta(seconds=16)) is not None
    ready = [Reader(slow).ready(row) for row in look_at(slow).rows]
    assert not store_rows(list_import=slow, rows=ready, permille=0, now=NOW + timedelta(seconds=17))
    assert Job.objects.count() == ImportedRow.objects.count() == 0


def test_an_import_goes_on_where_its_last_whole_chunk_ended(tickets: Workflow, monkeypatch: Any) -> None:
    monkeypatch.setattr(runtime, "CHUNK", 4)
    list_import = start_import(list_import=upload(tickets, rows(10)), now=NOW)
    run_list_import(list_import.pk, slice_seconds=0)
    assert counts(list_import) == (4, 4, 0, 0)
    assert 0 < list_import.permille < 1000
    run_list_import(list_import.pk, slice_seconds=60)
    assert counts(list_import) == (10, 10, 0, 0)
    assert Job.objects.count() == 10


def test_an_import_whose_worker_died_in_a_chunk_is_taken_up_without_doing_a_row_twice(
    tickets: Workflow, monkeypatch: Any
) -> None:
    monkeypatch.setattr(runtime, "CHUNK", 4)
    list_import = start_import(list_import=upload(tickets, rows(10)), now=NOW)
    stored, calls = runtime.store_rows, iter(range(10))

    def dies(**arguments: Any) -> bool:
        if next(calls) == 1:
            raise MemoryError
        return stored(**arguments)

    monkeypatch.setattr(runtime, "store_rows", dies)
    with pytest.raises(MemoryError):
        run_list_import(list_import.pk)
    assert continue_stale(utcnow() + timedelta(seconds=16)) == 1
    ListImport.objects.update(worked_at=NOW)
    run_list_import(list_import.pk)
    assert counts(list_import) == (10, 10, 0, 0)
    assert Job.objects.count() == 10


def test_the_tick_sends_a_hint_for_what_nobody_works_on(tickets: Workflow, monkeypatch: Any) -> None:
    hinted: list[int] = []
    list_import = start_import(list_import=upload(tickets, rows(1)), now=NOW)
    monkeypatch.setattr(services, "hint", hinted.append)
    tick(now=NOW + timedelta(seconds=10))
    assert hinted == []
    tick(now=NOW + timedelta(seconds=20))
    assert hinted == [list_import.pk]


def test_an_import_is_paused_goes_on_and_is_cancelled(
    tickets: Workflow, monkeypatch: Any, django_capture_on_commit_callbacks: Any
) -> None:
    monkeypatch.setattr(runtime, "CHUNK", 4)
    list_import = start_import(list_import=upload(tickets, rows(10)), now=NOW)
    run_list_import(list_import.pk, slice_seconds=0)
    assert pause_import(list_import=list_import)
    assert not pause_import(list_import=list_import)
    run_list_import(list_import.pk)
    assert counts(list_import) == (4, 4, 0, 0)
    assert resume_import(list_import=list_import)
    assert not resume_import(list_import=list_import)
    run_list_import(list_import.pk, slice_seconds=0)
    assert counts(list_import) == (8, 8, 0, 0)
    with django_capture_on_commit_callbacks(execute=True):
        assert cancel_import(list_import=list_import, actor="ann", now=NOW)
    assert not cancel_import(list_import=list_import, actor="ann", now=NOW)
    run_list_import(list_import.pk)
    assert counts(list_import) == (8, 8, 0, 0)
    assert list_import.error_message == "Cancelled by ann."
    assert not default_storage.exists(list_import.stored_as)


def test_an_import_stops_where_the_workflow_takes_no_jobs_and_goes_on_when_it_does(tickets: Workflow) -> None:
    list_import = start_import(list_import=upload(tickets, rows(3)), now=NOW)
    Workflow.objects.filter(pk=tickets.pk).update(active=False)
    run_list_import(list_import.pk)
    list_import.refresh_from_db()
    assert (list_import.state, list_import.seen) == (ImportState.PAUSED, 0)
    assert "There is no workflow 'tickets'" in list_import.error_message
    assert default_storage.exists(list_import.stored_as)


def test_a_file_that_is_gone_ends_the_import_with_the_reason(tickets: Workflow) -> None:
    list_import = start_import(list_import=upload(tickets, rows(3)), now=NOW)
    default_storage.delete(list_import.stored_as)
    run_list_import(list_import.pk)
    list_import.refresh_from_db()
    assert list_import.state == ImportState.FAILED
    assert list_import.error_message == "The uploaded file is gone. Upload it again."


def test_uploads_that_nobody_started_are_forgotten(tickets: Workflow) -> None:
    old, fresh = upload(tickets, rows(1), now=NOW), upload(tickets, rows(1), now=NOW + timedelta(hours=2))
    assert prune_uploads(now=NOW + timedelta(hours=25)) == 1
    assert list(ListImport.objects.all()) == [fresh]
    assert not default_storage.exists(old.stored_as)


def test_text_that_databases_cannot_keep_as_it_is_does_no_harm(tickets: Workflow) -> None:
    text = rows(500).encode() + '"a\x00b \U0001f600 =1+1",1\n\ud800,2\n'.encode("utf-8", "surrogatepass")
    done = run(tickets, text)
    assert done.state == ImportState.DONE
    assert done.seen == 502
    assert ImportProblem.objects.count() == done.wrong
