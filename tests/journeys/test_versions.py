"""The pages about versions: publishing behind the gate, differences, a release, the way back, and what jobs do."""

from typing import Any

import pytest
from django.test import Client

from jobs.domain.states import State
from jobs.models import BulkAction, Job
from jobs.runtime.bulk import run_bulk_action
from tests.factories import NOW, Cast, make_job, make_workflow
from workflows.models import DraftChange, Release, Sample, Workflow

BASE = "/admin/build/letters/"
FIELDS = [{"key": "text", "label": "Text"}, {"key": "team", "role": "output", "type": "choice", "choices": ["A", "B"]}]


def step(template: str, **more: Any) -> dict[str, Any]:
    config = {"fields": [{"name": "team", "template": template}]}
    return {"key": "sort", "name": "Sort it", "kind": "transform", "config": config} | more


@pytest.fixture
def workflow(acme: Cast) -> Workflow:
    return make_workflow(acme.tenant, "letters", steps=[step("A")], version={"fields": FIELDS}, name="Letters")


def log_in(person: Any) -> Client:
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def editor(acme: Cast) -> Client:
    return log_in(acme.editor)


def edit(workflow: Workflow, template: str = "B", **more: Any) -> None:
    changed = workflow.draft.steps.get()
    changed.config = {"fields": [{"name": "team", "template": template}]}
    for name, value in more.items():
        setattr(changed, name, value)
    changed.save()


def text_of(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, (address, answer.status_code)
    return answer.content.decode()


def publish(client: Client, **form: Any) -> str:
    return client.post(
        f"{BASE}publish/", {"share": "100", "notes": "", "override": ""} | form, follow=True
    ).content.decode()


def live(workflow: Workflow) -> int | None:
    workflow.refresh_from_db()
    return workflow.live_version.number if workflow.live_version else None


def test_publishing_shows_what_differs_and_by_whom_and_keeps_the_notes(
    editor: Client, workflow: Workflow, acme: Cast
) -> None:
    edit(workflow, "B {{ payload.text }}")
    change = DraftChange.objects.create(workflow=workflow, at=NOW, by=acme.editor, text="Step 'Sort it' changed")
    page = text_of(editor, f"{BASE}publish/")
    there = ("Sort it", "Fields · team", ">A</del>", "B {{ payload.text }}", "changed", "There is no golden sample")
    for part in there:
        assert part in page
    done = publish(editor, notes="Says who wrote it.")
    assert "Version 2 is published: new jobs run it." in done
    assert "Says who wrote it." in done
    assert live(workflow) == 2
    version = workflow.live_version
    change.refresh_from_db()
    assert (change.version, version.published_by, version.gate["status"]) == (version, acme.editor, "no_golden")
    assert "Same as version 2" in text_of(editor, f"{BASE}versions/")


def test_a_closed_gate_needs_a_reason_that_stays_with_the_version(editor: Client, workflow: Workflow) -> None:
    Sample.objects.create(workflow=workflow, name="Golden", input={"text": "x"}, expected={"team": "A"})
    edit(workflow)
    for reason, answer in (("", "say why"), ("just so", "at least 3 words"), (" \n ", "say why")):
        page = publish(editor, override=reason, notes="Kept notes")
        assert answer in page
        assert "Kept notes" in page
    assert live(workflow) == 1
    assert "is published" in publish(editor, override="The sample is out of date.")
    kept = workflow.versions.get(number=2).gate
    assert (kept["status"], kept["override"]["by"], kept["override"]["reason"]) == (
        "missing",
        "editor@acme.test",
        "The sample is out of date.",
    )
    assert "The sample is out of date." in text_of(editor, f"{BASE}versions/")


def test_the_golden_samples_can_be_tested_from_the_page(editor: Client, workflow: Workflow) -> None:
    Sample.objects.create(workflow=workflow, name="Golden", input={"text": "x"}, expected={"team": "A"})
    answer = editor.post(f"{BASE}publish/", {"test": "1"}, follow=True)
    assert "1 golden sample is being tested" in answer.content.decode()
    assert "still running" in answer.content.decode()


@pytest.mark.parametrize(
    ("changes", "mistake"),
    [
        ({"config": {"fields": []}}, "<strong>Step &#x27;Sort it&#x27; · Fields</strong>"),
        ({"review": {"confidence_below": 0.5, "assign_to": "nobody"}}, "is no member of"),
        ({"kind": "spawn", "config": {"workflow": "gone", "payload": {"a": "b"}}}, "there is no workflow"),
        (
            {"kind": "approve", "config": {"on_reject": "workflow", "reject_workflow": "gone"}},
            "there is no workflow",
        ),
    ],
)
def test_a_draft_with_a_mistake_is_not_published(
    editor: Client, workflow: Workflow, changes: dict[str, Any], mistake: str
) -> None:
    edit(workflow, **changes)
    assert mistake in text_of(editor, f"{BASE}publish/")
    assert "It cannot be published yet" in publish(editor)
    assert live(workflow) == 1


def test_a_draft_that_was_changed_meanwhile_is_not_published_unseen(editor: Client, workflow: Workflow) -> None:
    assert "changed since you looked" in publish(editor, revision="7")
    assert live(workflow) == 1
    assert "is published" in publish(editor, revision="0")


def test_a_release_goes_to_a_share_is_raised_and_ended_and_all_of_it_can_be_undone(
    editor: Client, workflow: Workflow
) -> None:
    edit(workflow)
    assert "25 % of new jobs run it" in publish(editor, share="25")
    make_job(workflow, State.SUCCEEDED, version=workflow.versions.get(number=2), result={"team": "B"})
    page = text_of(editor, f"{BASE}versions/")
    for part in ("Version 2 is being released", "Raise to 50 %", "Make it live", "End the release", "75 % of new jobs"):
        assert part in page
    assert "Raise to 25 %" not in page
    act = f"{BASE}versions/act/"
    assert (
        "50 % of new jobs run version 2."
        in editor.post(act, {"action": "share", "share": "50"}, follow=True).content.decode()
    )
    assert "Jobs that began on version 2 stay" in editor.post(act, {"action": "end"}).content.decode()
    assert Workflow.objects.get(pk=workflow.pk).next_share == 50
    editor.post(act, {"action": "end", "confirmed": "1"})
    assert Workflow.objects.get(pk=workflow.pk).next_version is None
    last = Release.objects.last()
    assert last is not None
    answer = editor.post(act, {"action": "undo", "release": last.pk}, follow=True).content.decode()
    assert "Taken back: new jobs run version 1, and 50 % of them version 2." in answer
    assert (
        "Something else was chosen"
        in editor.post(act, {"action": "undo", "release": last.pk}, follow=True).content.decode()
    )


def test_an_older_version_is_one_confirmation_away_and_so_is_the_way_back(editor: Client, workflow: Workflow) -> None:
    edit(workflow)
    publish(editor)
    act = f"{BASE}versions/act/"
    form = {"action": "rollback", "version": "1"}
    assert "Let all new jobs run version 1?" in editor.post(act, form).content.decode()
    assert live(workflow) == 2
    page = editor.post(act, form | {"confirmed": "1", "reason": "It was worse."}, follow=True).content.decode()
    assert live(workflow) == 1
    assert "It was worse." in page
    assert "Undo: back to version 2" in page
    last = Release.objects.last()
    assert last is not None
    editor.post(act, {"action": "undo", "release": last.pk})
    assert live(workflow) == 2


def test_a_version_is_taken_over_into_the_draft(editor: Client, workflow: Workflow) -> None:
    edit(workflow)
    form = {"action": "restore", "version": "1"}
    assert "What the draft says now is replaced" in editor.post(f"{BASE}versions/act/", form).content.decode()
    editor.post(f"{BASE}versions/act/", form | {"confirmed": "1"})
    draft = workflow.draft
    draft.refresh_from_db()
    assert draft.steps.get().config["fields"][0]["template"] == "A"
    assert (draft.revision, DraftChange.objects.get().text) == (1, "Took over version 1")


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"action": "rollback", "version": "9", "confirmed": "1"}, "has no version 9"),
        ({"action": "rollback", "version": "x", "confirmed": "1"}, 404),
        ({"action": "rollback", "version": "9" * 40}, 404),
        ({"action": "share", "share": "33"}, "5, 25, 50, 100"),
        ({"action": "share", "share": "50"}, "No version is being released"),
        ({"action": "nonsense"}, 404),
        ({"action": "undo", "release": "99999"}, "Something else"),
        ({}, 404),
    ],
)
def test_what_makes_no_sense_is_said_and_changes_nothing(
    editor: Client, workflow: Workflow, form: dict[str, str], status: Any
) -> None:
    answer = editor.post(f"{BASE}versions/act/", form, follow=True)
    assert answer.status_code == (status if isinstance(status, int) else 200)
    assert isinstance(status, int) or status in answer.content.decode()
    assert not Release.objects.exists()


def test_any_two_versions_are_compared(editor: Client, workflow: Workflow) -> None:
    edit(workflow)
    publish(editor)
    page = text_of(editor, f"{BASE}versions/diff/?from=1&to=2")
    assert "<ins" in page
    assert "No differences" in text_of(editor, f"{BASE}versions/diff/?from=2&to=draft")
    for query in ("from=9", "to=x", "from=%00", "from=" + "9" * 30):
        assert editor.get(f"{BASE}versions/diff/?{query}").status_code == 404


def test_jobs_that_have_not_begun_are_offered_to_move(editor: Client, workflow: Workflow) -> None:
    jobs = [make_job(workflow), make_job(workflow, attempts=1)]
    edit(workflow)
    publish(editor)
    assert "1 job has not begun and waits on another version than 2" in text_of(editor, f"{BASE}versions/")
    form = {"kind": "move", "version": "2"}
    assert "At most 2 jobs" in editor.post(f"{BASE}versions/jobs/", form).content.decode()
    answer = editor.post(f"{BASE}versions/jobs/", form | {"confirmed": "1"})
    run_bulk_action(BulkAction.objects.get().pk)
    page = text_of(editor, answer["Location"])
    assert "Move jobs to version 2" in page
    assert "1 skipped: they had begun already." in page
    assert [Job.objects.get(pk=job.pk).version.number for job in jobs] == [2, 1]


def test_finished_jobs_are_run_again_after_their_count_was_shown(editor: Client, workflow: Workflow) -> None:
    make_job(workflow, State.FAILED)
    edit(workflow)
    publish(editor)
    assert "Run jobs again on a version" in text_of(editor, f"{BASE}versions/jobs/")
    form: dict[str, Any] = {"kind": "rerun", "version": "2", "states": ["FAILED", "SUCCEEDED"], "since": "2026-01-01"}
    page = editor.post(f"{BASE}versions/jobs/", form).content.decode()
    assert "At most 1 job" in page
    assert "Sort it" in page
    editor.post(f"{BASE}versions/jobs/", form | {"confirmed": "1"})
    run_bulk_action(BulkAction.objects.get().pk)
    assert Job.objects.filter(source__startswith="rerun:").count() == 1


@pytest.mark.parametrize(
    "form",
    [
        {"kind": "rerun", "version": "9", "states": ["FAILED"]},
        {"kind": "rerun", "version": "", "states": ["FAILED"]},
        {"kind": "rerun", "version": "1"},
        {"kind": "rerun", "version": "1", "states": ["NONSENSE"]},
        {"kind": "rerun", "version": "1", "states": ["FAILED"], "since": "yesterday"},
        {"kind": "cancel", "version": "1"},
    ],
)
def test_a_wrong_choice_of_jobs_is_said(editor: Client, workflow: Workflow, form: dict[str, Any]) -> None:
    answer = editor.post(f"{BASE}versions/jobs/", form | {"confirmed": "1"})
    assert answer.status_code == 200
    assert 'role="alert"' in answer.content.decode()
    assert not BulkAction.objects.exists()


def test_who_may_only_look_sees_and_changes_nothing(acme: Cast, workflow: Workflow) -> None:
    edit(workflow)
    viewer, operator = log_in(acme.viewer), log_in(acme.operator)
    page = text_of(viewer, f"{BASE}versions/")
    assert "Publish …" not in page
    assert "Roll back" not in page
    text_of(viewer, f"{BASE}versions/diff/?to=draft")
    for client in (viewer, operator):
        assert client.get(f"{BASE}publish/").status_code == 403
        assert client.post(f"{BASE}publish/", {"share": "100"}).status_code == 403
        for action in ("rollback", "share", "end", "undo", "restore"):
            form = {"action": action, "version": "1", "share": "100", "release": "1", "confirmed": "1"}
            assert client.post(f"{BASE}versions/act/", form).status_code == 403
    assert viewer.post(f"{BASE}versions/jobs/", {"kind": "move"}).status_code == 403
    assert not Release.objects.exists()


def test_a_workflow_that_was_never_published_says_so(editor: Client, acme: Cast) -> None:
    workflow = make_workflow(acme.tenant, "fresh", steps=[step("A")])
    Workflow.objects.filter(pk=workflow.pk).update(live_version=None)
    assert "No job can be sent" in text_of(editor, "/admin/build/fresh/versions/")
    assert "What the first version does" in text_of(editor, "/admin/build/fresh/publish/")
