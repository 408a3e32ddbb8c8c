"""The builder's pages: making a workflow from nothing, editing it, conflicts, files, and who may do what."""

import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from tests.factories import Cast, make_cast, make_job, make_user, make_workflow
from tests.pages import controls_of
from workflows.domain.drafts import DraftContent, fingerprint
from workflows.models import DraftChange, Workflow
from workflows.queries import content_of, get_draft

pytestmark = pytest.mark.django_db
MAKE = {"fields": [{"name": "x", "template": "y"}]}
STEPS = [{"key": key, "kind": "transform", "config": MAKE} for key in "abc"]
PAGE, EDIT = "/admin/build/w/", "/admin/build/w/edit/"


@pytest.fixture
def editor(acme: Cast, client: Client) -> Client:
    client.force_login(acme.editor)
    return client


@pytest.fixture
def workflow(acme: Cast) -> Workflow:
    return make_workflow(acme.tenant, "w", steps=STEPS, label_plural="Things")


def logged_in(person: Any) -> Client:
    client = Client()
    client.force_login(person)
    return client


def text_of(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, address
    return answer.content.decode()


def content(workflow: Workflow) -> DraftContent:
    draft = get_draft(workflow)
    assert draft is not None
    return content_of(draft)


def form_of(text: str, name: str, /, **typed: str) -> dict[str, str]:
    """What the form of this id on a page sends, with `typed` changed."""
    form = text.partition(f'id="{name}"')[2].partition("</form>")[0]
    sent = dict(controls_of(form))
    assert "revision" in sent
    return sent | typed


def step_form(client: Client, key: str, /, **typed: str) -> dict[str, str]:
    """What the form of a step sends, with `typed` changed."""
    return {"action": "save-step"} | form_of(text_of(client, f"{PAGE}?step={key}"), "step-form", **typed)


def press(client: Client, action: str, key: str, **more: str) -> str:
    """Press a button of the list of steps as the page is now."""
    answer = client.post(EDIT, step_form(client, key, **more) | {"action": action}, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.slow
def test_a_workflow_is_made_from_an_empty_tenant(editor: Client, acme: Cast) -> None:
    assert "/admin/build/new/" in text_of(editor, "/admin/")
    assert "/admin/build/new/" in text_of(editor, "/admin/gallery/")
    assert "New workflow" in text_of(editor, "/admin/workflows/workflow/")
    answer = editor.post("/admin/build/new/", {"name": "Sort tickets", "singular": "Ticket", "plural": ""})
    assert "This field is required" in answer.content.decode()
    form = {"name": "Sort tickets", "singular": "Ticket", "plural": "Tickets", "icon": "mail"}
    answer = editor.post("/admin/build/new/", form)
    assert answer["Location"] == "/admin/build/sort-tickets/?panel=add"
    text = text_of(editor, answer["Location"])
    assert "Sorts an item: gives it the label that fits." in text
    assert "There is no step yet" in text_of(editor, "/admin/build/sort-tickets/")
    answer = editor.post(
        "/admin/build/sort-tickets/edit/", {"action": "add-step", "kind": "classify", "revision": "0"}, follow=True
    )
    assert answer.redirect_chain[-1][0] == "/admin/build/sort-tickets/?step=classify"
    assert "config.labels" in answer.content.decode()


def test_a_step_is_saved_as_typed_and_told(editor: Client, workflow: Workflow, acme: Cast) -> None:
    form = step_form(editor, "a", name="First", key="first", timeout="5", on_error="continue")
    answer = editor.post(EDIT, form | {"config.fields.0.template": "z"}, follow=True)
    text = answer.content.decode()
    assert "Name, Key, What happens on an error, Time limit and Fields of &#x27;First&#x27; changed." in text
    step = content(workflow).steps[0]
    assert (step.key, step.timeout, step.on_error) == ("first", 5.0, "continue")
    assert step.config == {"fields": [{"name": "x", "template": "z"}]}
    change = DraftChange.objects.get()
    assert (change.by, change.step_key) == (acme.editor, "first")
    assert "Draft: 1 change since v1" in text


def test_a_key_is_made_of_the_name(editor: Client, workflow: Workflow) -> None:
    editor.post(EDIT, step_form(editor, "a", name="Make it so!", key=""))
    assert content(workflow).keys == ["make_it_so", "b", "c"]


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"key": "b"}, "There is a step &#x27;b&#x27; already."),
        ({"key": "1 x"}, "Use letters, digits and _"),
        ({"name": ""}, "Give it a name"),
        ({"timeout": "soon"}, "&#x27;soon&#x27; is not a number of seconds."),
        ({"timeout": "1e99"}, "Give seconds"),
    ],
)
def test_what_cannot_be_kept_comes_back_as_it_was_typed(
    editor: Client, workflow: Workflow, typed: dict[str, str], words: str
) -> None:
    form = step_form(editor, "a", **typed) | {"config.fields.0.template": "precious words"}
    answer = editor.post(EDIT, form)
    assert answer.status_code == 400
    text = answer.content.decode()
    assert words in text
    assert "precious words" in text
    assert DraftChange.objects.count() == 0


def test_two_people_at_one_step_lose_nothing(editor: Client, workflow: Workflow, acme: Cast) -> None:
    mine = step_form(editor, "a") | {"config.fields.0.template": "my precious words"}
    owner = logged_in(acme.owner)
    owner.post(EDIT, step_form(owner, "a", name="Hers"))
    answer = editor.post(EDIT, mine)
    text = answer.content.decode()
    assert answer.status_code == 409
    assert "owner@acme.test</strong>: Name of &#x27;Hers&#x27; changed" in text
    assert "my precious words" in text
    assert "Yours differs in: Name, Fields." in text
    assert content(workflow).step("a").config == MAKE
    again = form_of(text, "step-form")
    assert editor.post(EDIT, again | {"action": "save-step"}).status_code == 302
    assert content(workflow).step("a").config["fields"][0]["template"] == "my precious words"


@pytest.mark.slow
def test_a_step_that_was_deleted_meanwhile_can_be_brought_back_as_typed(
    editor: Client, workflow: Workflow, acme: Cast
) -> None:
    mine = step_form(editor, "a") | {"config.fields.0.template": "my precious words"}
    logged_in(acme.owner).post(EDIT, step_form(editor, "a") | {"action": "delete-step"})
    answer = editor.post(EDIT, mine)
    assert answer.status_code == 409
    assert "my precious words" in answer.content.decode()
    again = form_of(answer.content.decode(), "step-form")
    assert editor.post(EDIT, again | {"action": "save-step"}).status_code == 302
    assert content(workflow).step("a").config["fields"][0]["template"] == "my precious words"


def test_an_edit_elsewhere_merges_and_everybody_is_told_who_is_there(
    editor: Client, workflow: Workflow, acme: Cast
) -> None:
    mine = step_form(editor, "a", name="Mine")
    owner = logged_in(acme.owner)
    owner.post("/admin/build/w/presence/", {"revision": "0", "open_step": "b"})
    owner.post(EDIT, step_form(editor, "b", name="Hers"))
    told = editor.post("/admin/build/w/presence/", {"revision": "0", "open_step": "a"}).content.decode()
    assert "owner@acme.test (at “Hers”) has this draft open too." in told
    assert "Name of &#x27;Hers&#x27; changed" in told, told
    assert editor.post(EDIT, mine).status_code == 302
    assert [step.name for step in content(workflow).steps] == ["Mine", "Hers", "C"]


@pytest.mark.slow
def test_the_buttons_of_the_list_move_copy_switch_delete_and_undo(editor: Client, workflow: Workflow) -> None:
    press(editor, "move-step", "c", after="")
    press(editor, "copy-step", "a")
    press(editor, "switch-step", "b", enabled="0")
    text = press(editor, "delete-step", "a", open_step="a")
    assert [(step.key, step.enabled) for step in content(workflow).steps] == [
        ("c", True),
        ("a_2", True),
        ("b", False),
    ]
    change = re.search(r'name="change" value="(\d+)"', text)
    assert change
    text = editor.post(EDIT, {"action": "undo", "change": change[1], "revision": "4"}, follow=True).content.decode()
    assert "Undone: Step &#x27;A&#x27; deleted." in text
    assert content(workflow).keys == ["c", "a", "a_2", "b"]


def test_mistakes_are_told_at_their_fields_while_typing(editor: Client, workflow: Workflow) -> None:
    form = step_form(editor, "b", key="c", timeout="x") | {"config.fields.0.template": "{{ steps.nope.y }}"}
    answer = editor.post("/admin/build/w/check/", form).json()
    assert answer["problems"] == {
        "config.fields.0.template": "there is no step 'nope'",
        "key": "There is a step 'c' already.",
        "timeout": "'x' is not a number of seconds.",
    }
    assert answer["steps"] == {"a": 0, "b": 1, "c": 0}
    fields = {"form": "fields", "fields.0.key": "no good", "fields.0.type": "choice", "fields.1.key": "fine"}
    wrong = editor.post("/admin/build/w/check/", fields).json()["problems"]
    assert set(wrong) == {"fields.0", "fields.0.key"} or set(wrong) == {"fields.0.key"}
    editor.post(EDIT, step_form(editor, "b") | {"config.fields.0.template": "{{ steps.nope.y }}"})
    text = text_of(editor, PAGE)
    assert "1 thing to fix before publishing" in text
    assert "<b>Fields 1, Text:</b> there is no step &#x27;nope&#x27;" in text


def test_warnings_are_told_apart_from_mistakes(editor: Client, acme: Cast) -> None:
    route = {"routes": [{"when": "true", "to": "t", "stop": True}], "default": {"to": "d", "stop": True}}
    make_workflow(acme.tenant, "w", steps=[{"key": "r", "kind": "route", "config": route}, *STEPS])
    text = text_of(editor, PAGE)
    assert "2 things to look at" not in text
    assert "3 things to look at" in text
    assert "No job ever gets here" in text


def test_fields_are_edited_as_a_table(editor: Client, workflow: Workflow) -> None:
    form = {
        "action": "save-fields",
        "revision": "0",
        "opened": fingerprint([]),
        "fields.0.key": "text",
        "fields.0.type": "text",
        "fields.0.required": "on",
        "fields.2.key": "kind",
        "fields.2.type": "choice",
        "fields.2.role": "output",
        "fields.2.choices": "a\r\nb\r\n",
    }
    assert editor.post(EDIT, form).status_code == 302
    assert list(content(workflow).fields) == [
        {"key": "text", "required": True},
        {"key": "kind", "type": "choice", "choices": ["a", "b"], "role": "output"},
    ]
    answer = editor.post(EDIT, form | {"fields.2.choices": "", "fields.0.label": "precious", "revision": "1"})
    assert answer.status_code == 400
    assert "it needs at least one" in answer.content.decode()
    assert "precious" in answer.content.decode()


@pytest.mark.slow
def test_settings_hold_at_once_but_policies_with_the_draft(editor: Client, workflow: Workflow, acme: Cast) -> None:
    form = {
        "action": "save-settings",
        "revision": "0",
        "name": "Bills",
        "label_singular": "Bill",
        "label_plural": "Bills",
        "icon": "receipt_long",
        "queue": "default",
        "active": "on",
        "timeout": "60",
        "retry_on": "on",
        "retry.max_attempts": "3",
    }
    bad = editor.post(EDIT, form | {"name": "", "queue": "no good", "timeout": "soon", "label_plural": "precious"})
    assert bad.status_code == 400
    for words in ("Give it a name", "Use letters, digits, - and _", "is not a number", "precious"):
        assert words in bad.content.decode()
    bad = editor.post(EDIT, form | {"retry.max_attempts": "many"})
    assert bad.status_code == 400
    assert editor.post(EDIT, form).status_code == 302
    workflow.refresh_from_db()
    draft = get_draft(workflow)
    assert draft is not None
    assert (workflow.label_plural, workflow.icon, workflow.slug) == ("Bills", "receipt_long", "w")
    assert (draft.timeout, draft.retry_policy["max_attempts"]) == (60.0, 3)
    assert workflow.live_version is not None
    assert workflow.live_version.timeout == 3600.0
    assert ">Bills</span>" in text_of(logged_in(acme.viewer), "/admin/")


@pytest.mark.slow
def test_the_draft_goes_out_as_a_file_and_comes_back(editor: Client, workflow: Workflow) -> None:
    exported = editor.get("/admin/build/w/export/")
    assert 'filename="w.yaml"' in exported["Content-Disposition"]
    changed = exported.content.replace(b"template: y", b"template: changed")
    form = {"action": "import", "revision": "0", "file": SimpleUploadedFile("w.yaml", changed)}
    assert editor.post(EDIT, form).status_code == 302
    assert content(workflow).step("a").config["fields"][0]["template"] == "changed"
    for held, words in ((b"slug: [", "line 2"), (b"\xff\xfe", "not text in UTF-8"), (b"", "Choose a file")):
        broken = form | {"file": SimpleUploadedFile("w.yaml", held)} if held else {"action": "import"}
        answer = editor.post(EDIT, broken)
        assert answer.status_code == 400
        assert words in answer.content.decode()
    answer = editor.post(EDIT, step_form(editor, "a") | {"config.fields.0.template": "{{ broken"})
    assert answer.status_code == 302
    assert b"{{ broken" in editor.get("/admin/build/w/export/").content


@pytest.mark.slow
def test_changes_are_discarded_and_a_workflow_with_jobs_is_switched_off(editor: Client, workflow: Workflow) -> None:
    editor.post(EDIT, step_form(editor, "a") | {"action": "delete-step"})
    assert "Go back to v1" in text_of(editor, PAGE)
    editor.post(EDIT, {"action": "discard", "revision": "1"})
    assert content(workflow).keys == ["a", "b", "c"]
    assert "The draft is the same." in text_of(editor, PAGE)
    make_job(workflow)
    assert "Switch it off instead" in text_of(editor, "/admin/build/w/delete/")
    assert "It has jobs" in editor.post("/admin/build/w/delete/").content.decode()
    editor.post(EDIT, {"action": "switch-off"})
    workflow.refresh_from_db()
    assert workflow.active is False
    other = make_workflow(workflow.tenant, "idle")
    assert editor.post("/admin/build/idle/delete/")["Location"] == "/admin/workflows/workflow/"
    assert not Workflow.objects.filter(pk=other.pk).exists()


@pytest.mark.slow
def test_who_may_only_look_changes_nothing(workflow: Workflow, acme: Cast) -> None:
    before = content(workflow)
    for person in (acme.viewer, acme.reviewer, acme.operator):
        client = logged_in(person)
        for address in (PAGE, f"{PAGE}?step=a", f"{PAGE}?panel=fields", f"{PAGE}?panel=settings"):
            text = text_of(client, address)
            assert 'name="action"' not in text
        assert client.get("/admin/build/w/export/").status_code == 200
        for address in (EDIT, "/admin/build/w/check/", "/admin/build/w/delete/", "/admin/build/new/"):
            assert client.post(address, {"action": "save-step", "step": "a", "name": "Mine"}).status_code == 403
    assert content(workflow) == before


@pytest.mark.slow
def test_strange_requests_are_answered_plainly(editor: Client, workflow: Workflow) -> None:
    make_workflow(make_cast("globex").tenant, "theirs")
    assert editor.get("/admin/build/theirs/").status_code == 404
    assert "There is no step “nope”" in text_of(editor, f"{PAGE}?step=nope")
    assert text_of(editor, f"{PAGE}?panel=nope")
    for form in (
        {},
        {"action": "nope"},
        {"action": "add-step", "kind": "nope"},
        {"action": "save-step", "step": "nope"},
        {"action": "move-step", "step": "a", "after": "nope", "revision": "x"},
        {"action": "undo", "change": "9" * 40},
        {"action": "save-fields", "fields.0.max_length": "٣", "revision": "-1"},
    ):
        assert editor.post(EDIT, form).status_code in {302, 400, 409}, form
    assert editor.get(EDIT).status_code == 405


def test_somebody_of_several_tenants_chooses_one_first(workflow: Workflow, acme: Cast) -> None:
    make_cast("globex")
    root = logged_in(make_user("root@acme.test", is_superuser=True))
    assert "Choose a tenant" in text_of(root, PAGE)
    assert "Things" in root.get(f"/admin/workflows/workflow/{workflow.pk}/change/", follow=True).content.decode()


def test_a_new_step_asks_no_language_model_that_is_not_there(
    editor: Client, workflow: Workflow, acme: Cast, settings: Any
) -> None:
    editor.post(EDIT, {"action": "add-step", "kind": "classify", "revision": "0"})
    editor.post(EDIT, {"action": "add-step", "kind": "generate", "revision": "1"})
    assert content(workflow).step("classify").config == {"by": "rules"}
    writes = content(workflow).keys[-1]
    lacking = "there is no connection to one yet"
    assert lacking not in text_of(editor, f"{PAGE}?step=classify")
    assert lacking in text_of(editor, f"{PAGE}?step={writes}")
    settings.LLM_MODEL, settings.LLM_API_KEY = "small", "k"
    assert lacking not in text_of(editor, f"{PAGE}?step={writes}")
    editor.post(EDIT, {"action": "add-step", "kind": "classify", "revision": "2"})
    assert content(workflow).step("classify_2").config == {}
