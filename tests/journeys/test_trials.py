"""Samples and tests of a draft, as people use them in the admin."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from jobs.domain.states import State
from jobs.models import Job, Trial
from jobs.runtime.trials import run_trial
from tests.factories import NOW, Cast, make_job, make_review, make_trial, make_workflow
from workflows.models import Sample, Step, Workflow

FIELDS = [
    {"key": "text", "label": "Receipt text", "required": True},
    {"key": "total", "type": "number", "role": "output"},
    {"key": "card", "redact": True},
]
BASE = "/admin/build/receipts/test/"
As = Callable[[str], Client]


@pytest.fixture
def workflow(acme: Cast) -> Workflow:
    return make_workflow(acme.tenant, "receipts", version={"fields": FIELDS})


@pytest.fixture
def client_as(acme: Cast) -> As:
    def log_in(role: str) -> Client:
        client = Client()
        client.force_login(getattr(acme, role))
        return client

    return log_in


def add(client: Client, **fields: Any) -> str:
    return client.post(f"{BASE}samples/add/", fields, follow=True).content.decode()


def texts(workflow: Workflow) -> list[tuple[Any, Any]]:
    return [(sample.input, sample.expected) for sample in workflow.samples.order_by("pk")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("one\n\n two ", [({"text": "one"}, None), ({"text": "two"}, None)]),
        ("Receipt text;total\none;1,5", [({"text": "one"}, {"total": 1.5})]),
        ('[{"text": "one", "total": 2}]', [({"text": "one"}, {"total": 2})]),
        ('{"input": {"text": "one"}, "expected": {"total": 3}}', [({"text": "one"}, {"total": 3})]),
        ('{"text": "one"}\n{"text": "two"}', [({"text": "one"}, None), ({"text": "two"}, None)]),
        ("text\texpected.company\none\tAcme", [({"text": "one"}, {"company": "Acme"})]),
    ],
)
def test_samples_are_pasted_as_lines_tables_or_json(
    workflow: Workflow, client_as: As, text: str, found: list[Any]
) -> None:
    assert "added" in add(client_as("editor"), way="paste", text=text)
    assert texts(workflow) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "nothing to read"),
        ('{"text": ', "This is no JSON"),
        ('[{"total": 1}]', "Item 1: Receipt text is required"),
        ('[{"text": "fine"}, 7]', "Item 2 is no JSON object"),
        ('{"text": [5]}', "Receipt text must be text"),
    ],
)
def test_what_cannot_be_a_sample_says_why_and_nothing_is_lost(
    workflow: Workflow, client_as: As, text: str, words: str
) -> None:
    answer = add(client_as("editor"), way="paste", text=text)
    assert words in answer
    assert text.replace('"', "&quot;") in answer
    assert texts(workflow) == []


def test_samples_are_uploaded_and_typed_and_edited(workflow: Workflow, client_as: As) -> None:
    editor = client_as("editor")
    file = SimpleUploadedFile("list.csv", b"text,total\none,1\ntwo,2\n")
    assert "2 samples added, 2 of them golden" in add(editor, way="upload", file=file)
    bad = SimpleUploadedFile("list.csv", b"%PDF-1.4 no list")
    assert "This is no list" in add(editor, way="upload", file=bad)
    lines = SimpleUploadedFile("list.txt", "eins,\nzwei: Größe\n".encode("utf-16"))
    assert "2 samples added." in add(editor, way="upload", file=lines)
    array = SimpleUploadedFile("list.json", b'\xef\xbb\xbf[{"text": "json",\n "total": 3}]')
    assert "1 sample added, 1 of them golden" in add(editor, way="upload", file=array)
    assert texts(workflow)[2:] == [
        ({"text": "eins,"}, None),
        ({"text": "zwei: Größe"}, None),
        ({"text": "json"}, {"total": 3}),
    ]
    fields = {"way": "form", "name": "Mine", "input-text": "three", "expected-total": "x"}
    assert "must be a number" in add(editor, **fields)
    assert "1 sample added" in add(editor, **fields | {"expected-total": "(empty)"})
    sample = Sample.objects.get(name="Mine")
    assert sample.expected == {"total": None}
    page = f"{BASE}samples/{sample.pk}/"
    assert "Saved." in editor.post(page, {"input-text": "3", "expected-total": "4.5"}, follow=True).content.decode()
    sample.refresh_from_db()
    assert (sample.name, sample.input, sample.expected) == ("", {"text": "3"}, {"total": 4.5})
    answer = editor.post(page, {"input-text": " "}, follow=True)
    assert "Receipt text is required" in answer.content.decode()


def test_deleted_samples_are_brought_back(workflow: Workflow, client_as: As) -> None:
    editor = client_as("editor")
    add(editor, way="paste", text="one\ntwo")
    before, ids = texts(workflow), list(workflow.samples.values_list("pk", flat=True))
    assert "Undo" in editor.post(f"{BASE}samples/delete/", {"sample": ids}, follow=True).content.decode()
    assert texts(workflow) == []
    assert "2 samples brought back" in editor.post(f"{BASE}samples/restore/", follow=True).content.decode()
    assert texts(workflow) == before
    assert "nothing to bring back" in editor.post(f"{BASE}samples/restore/", follow=True).content.decode()


def corrected(workflow: Workflow) -> Job:
    payload = {"text": "paid with card 4711-0815", "card": "4711-0815"}
    job = make_job(workflow, State.SUCCEEDED, payload=payload, result={"total": 1})
    decided = {"state": "decided", "decision": "edit", "output": {"total": 2, "approved": True}}
    make_review(job, proposal={"total": 1}, stamp={"approved": True}, decided_at=NOW, **decided)
    return job


def test_jobs_a_person_corrected_become_golden_samples_without_what_is_redacted(
    workflow: Workflow, client_as: As
) -> None:
    job, editor = corrected(workflow), client_as("editor")
    make_job(workflow, State.FAILED, payload={"text": "failed"})
    assert "1 sample added" in add(editor, way="jobs", pick="corrected", most="5")
    assert texts(workflow) == [({"text": "paid with card [redacted]"}, {"total": 2})]
    assert workflow.samples.get().origin == f"job:{job.uid}"
    assert "1 was there already" in add(editor, way="jobs", pick="reviewed", most="5")
    assert "1 sample added" in add(editor, way="jobs", pick="failed", most="5")
    assert "There are no such jobs" in add(editor, way="jobs", pick="unsure", most="5", below="0.5")
    assert "from 1 to 500" in add(editor, way="jobs", pick="last", most="0")
    assert "how many" in add(editor, way="jobs", pick="nonsense", most="x")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"pick": "gone"}, "Say which jobs."),
        ({"most": "ten"}, "Say how many: a whole number from 1 to"),
        ({"most": "1.5"}, "Say how many: a whole number from 1 to"),
        ({"below": "80%"}, "Less sure than: a number from 0 to 1"),
        ({"below": "nan"}, "Less sure than: a number from 0 to 1"),
        ({"below": "0,8"}, "There are no such jobs."),
    ],
)
def test_a_wrong_choice_of_jobs_names_what_is_wrong(
    workflow: Workflow, client_as: As, fields: dict[str, str], words: str
) -> None:
    assert words in add(client_as("editor"), **{"way": "jobs", "pick": "unsure", "most": "5", **fields})


def test_a_job_is_added_from_its_page(workflow: Workflow, client_as: As) -> None:
    job, editor = corrected(workflow), client_as("editor")
    page = f"/admin/jobs/job/{job.uid}/change/"
    assert f"{BASE}samples/job/" in editor.get(page).content.decode()
    assert f"{BASE}samples/job/" not in client_as("operator").get(page).content.decode()
    answer = editor.post(f"{BASE}samples/job/", {"job": str(job.uid)}, follow=True)
    assert "1 sample added" in answer.content.decode()
    assert workflow.samples.count() == 1


def test_a_test_is_started_watched_judged_and_run_again(workflow: Workflow, client_as: As) -> None:
    editor = client_as("editor")
    add(editor, way="paste", text="one\ntwo")
    step = Step.objects.get(version__draft_of=workflow)
    step.config = {"function": "echo", "params": {"total": 5}}
    step.save()
    assert "Run the test" in editor.get(BASE).content.decode()
    answer = editor.post(BASE, {"which": "all"}, follow=True)
    run = answer.redirect_chain[-1][0]
    trial = Trial.objects.get()
    assert run == f"{BASE}{trial.uid}/"
    assert "data-live" in editor.get(f"{run}?part=1").content.decode()
    run_trial(trial.pk)
    page = editor.get(run).content.decode()
    assert "data-live" not in page
    assert page.count("data-row") == 2
    assert editor.get(f"{run}?show=same").content.decode().count("data-row") == 0
    row = f"{run}rows/{trial.items.order_by('position')[0].pk}/"
    assert "the draft is right" in editor.post(row, {"verdict": "draft"}, follow=True).content.decode()
    assert workflow.samples.order_by("pk")[0].expected == {"total": 5}
    assert editor.get(f"{run}?show=fixed").content.decode().count("data-row") == 1
    assert "taken back" in editor.post(row, {"verdict": "undo"}, headers={"X-Piece": "1"}).json()["words"]
    assert editor.post(row, {"verdict": "nonsense"}, headers={"X-Piece": "1"}).status_code == 409
    assert "must be a number" in editor.post(row, {"verdict": "edit", "expected-total": "x"}).content.decode()
    editor.post(row, {"verdict": "edit", "expected-total": "7"})
    assert workflow.samples.order_by("pk")[0].expected == {"total": 7}
    editor.post(f"{run}again/", {"which": "changed"})
    assert Trial.objects.order_by("pk").last().total == 2
    assert (
        "Cancelled"
        in editor.post(f"{BASE}{Trial.objects.order_by('pk').last().uid}/cancel/", follow=True).content.decode()
    )


def test_a_test_that_cannot_start_says_why(workflow: Workflow, client_as: As) -> None:
    editor = client_as("editor")
    assert "no samples to test on" in editor.post(BASE, {"which": "all"}, follow=True).content.decode()
    add(editor, way="paste", text="one")
    assert "no step" in editor.post(BASE, {"which": "all", "step": "x"}, follow=True).content.decode()
    Step.objects.filter(version__draft_of=workflow).update(config={"function": "gone"})
    assert "The draft cannot run yet" in editor.post(BASE, {"which": "all"}, follow=True).content.decode()
    assert not Trial.objects.exists()


def test_one_step_is_tried_at_once(workflow: Workflow, client_as: As) -> None:
    editor = client_as("editor")
    tried = editor.post(f"{BASE}step/", {"step_key": "step1"})
    assert (tried.status_code, "no sample to try it on" in tried.content.decode()) == (400, True)
    add(editor, way="paste", text="one")
    assert "one" in editor.post(f"{BASE}step/", {"step_key": "step1"}).content.decode()
    typed = editor.post(f"{BASE}step/", {"step_key": "step1", "input": '{"text": "typed"}'})
    assert (typed.status_code, "typed" in typed.content.decode()) == (200, True)
    for wrong in ({"step_key": "x"}, {"step_key": "step1", "input": "{"}, {"step_key": "step1", "sample": "9" * 30}):
        assert editor.post(f"{BASE}step/", wrong).status_code == 400
    assert not Trial.objects.exists()


@pytest.mark.parametrize("role", ["viewer", "reviewer", "operator"])
def test_who_may_not_edit_workflows_sees_and_changes_nothing(workflow: Workflow, client_as: As, role: str) -> None:
    trial = make_trial(workflow)
    person, sample = client_as(role), workflow.samples.get()
    run = f"{BASE}{trial.uid}/"
    for page in (BASE, run, f"{BASE}samples/{sample.pk}/"):
        answer = person.get(page)
        assert answer.status_code == 200
        assert "Run the test" not in answer.content.decode()
        assert "is right</button>" not in answer.content.decode()
    acts = ("", "samples/add/", "samples/delete/", "samples/restore/", "samples/job/", f"samples/{sample.pk}/", "step/")
    for act in (*acts, f"{trial.uid}/cancel/", f"{trial.uid}/again/", f"{trial.uid}/rows/{trial.items.get().pk}/"):
        assert person.post(BASE + act, {"verdict": "draft", "sample": sample.pk}).status_code == 403
    assert (Trial.objects.count(), texts(workflow)) == (1, [({"text": "hello"}, None)])
