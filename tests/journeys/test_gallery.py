"""The gallery: looking, installing, and sending samples through, in the admin and by command."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from jobs.models import Job
from tests.factories import Cast, make_workflow
from workflows.models import Workflow
from workflows.services.gallery import list_starters

pytestmark = pytest.mark.django_db
SLUGS = [starter.slug for starter in list_starters()]
FORM = {"name": "Bills", "slug": "bills", "publish": "on"}


@pytest.fixture
def editor(acme: Cast, client: Client) -> Client:
    client.force_login(acme.editor)
    return client


def gallery(*arguments: str) -> str:
    output = StringIO()
    call_command("gallery", *arguments, stdout=output)
    return output.getvalue()


def test_the_gallery_shows_every_starter_and_which_are_installed(editor: Client, acme: Cast) -> None:
    make_workflow(acme.tenant, "invoices")
    text = editor.get("/admin/gallery/").content.decode()
    for starter in list_starters():
        assert f"/admin/gallery/{starter.slug}/" in text
        assert starter.definition.name in text
    assert text.count("Installed") == 1
    assert '"/admin/gallery/"' in editor.get("/admin/").content.decode()


@pytest.mark.parametrize("slug", SLUGS)
def test_a_starters_page_tells_its_steps_and_samples(editor: Client, slug: str) -> None:
    text = editor.get(f"/admin/gallery/{slug}/").content.decode()
    starter = next(starter for starter in list_starters() if starter.slug == slug)
    for step in starter.definition.steps:
        assert step.shown_name in text
    assert 'name="slug"' in text


def test_a_starter_that_is_not_there_is_not_found(editor: Client) -> None:
    assert editor.get("/admin/gallery/nothing/").status_code == 404


def test_an_editor_installs_a_starter_which_is_live_at_once(editor: Client, acme: Cast) -> None:
    answer = editor.post("/admin/gallery/invoices/", FORM)
    assert answer["Location"] == "/admin/jobs/job/of/bills/"
    workflow = Workflow.objects.get(tenant=acme.tenant, slug="bills")
    assert (workflow.name, workflow.label_plural) == ("Bills", "Invoices")
    assert workflow.live_version is not None
    assert workflow.live_version.published_by == acme.editor
    assert workflow.samples.exclude(expected=None).count() == workflow.samples.count() >= 3


def test_a_starter_can_be_installed_as_a_draft(editor: Client, acme: Cast) -> None:
    answer = editor.post("/admin/gallery/resumes/", FORM | {"publish": ""})
    workflow = Workflow.objects.get(tenant=acme.tenant, slug="bills")
    assert workflow.live_version is None
    assert answer["Location"] == "/admin/build/bills/"


def test_a_short_name_that_is_taken_is_told_and_nothing_is_changed(editor: Client, acme: Cast) -> None:
    mine = make_workflow(acme.tenant, "bills")
    answer = editor.post("/admin/gallery/invoices/", FORM)
    assert answer.status_code == 200
    assert "install beside it as &#x27;bills-2&#x27;" in answer.content.decode()
    assert list(mine.draft.steps.values_list("kind", flat=True)) == ["python"]


def test_the_draft_of_what_is_there_is_replaced_where_that_is_wanted(editor: Client, acme: Cast) -> None:
    mine = make_workflow(acme.tenant, "bills")
    assert editor.post("/admin/gallery/invoices/", FORM | {"replace": "on"}).status_code == 302
    mine.refresh_from_db()
    assert mine.name == "Bills"
    assert mine.live_version is not None
    assert mine.live_version.number == 2


def test_a_short_name_that_cannot_be_one_is_refused(editor: Client) -> None:
    text = editor.post("/admin/gallery/invoices/", FORM | {"slug": "My bills!"}).content.decode()
    assert "Use small letters" in text
    assert Workflow.objects.count() == 0


def test_who_may_not_edit_looks_and_does_not_install(acme: Cast, client: Client) -> None:
    client.force_login(acme.operator)
    assert "Editors and owners can install it." in client.get("/admin/gallery/invoices/").content.decode()
    assert client.post("/admin/gallery/invoices/", FORM).status_code == 403
    assert Workflow.objects.count() == 0


@pytest.mark.parametrize("slug", SLUGS)
def test_the_samples_of_an_installed_starter_become_jobs(editor: Client, acme: Cast, slug: str) -> None:
    editor.post(f"/admin/gallery/{slug}/", FORM)
    assert "Send the samples through" in editor.get("/admin/jobs/job/of/bills/").content.decode()
    answer = editor.post("/admin/jobs/job/of/bills/samples/")
    assert answer["Location"] == "/admin/jobs/job/of/bills/"
    samples = Workflow.objects.get(slug="bills").samples.order_by("pk")
    jobs = Job.objects.filter(tenant=acme.tenant).order_by("pk")
    assert [job.payload for job in jobs] == [sample.input for sample in samples]
    assert {job.source for job in jobs} == {"sample:editor@acme.test"}


def test_a_sample_that_no_longer_fits_is_told_and_none_is_sent(editor: Client, acme: Cast) -> None:
    workflow = make_workflow(acme.tenant, "bills", version={"fields": [{"key": "text", "required": True}]})
    workflow.samples.create(input={"text": "a"})
    workflow.samples.create(input={})
    answer = editor.post("/admin/jobs/job/of/bills/samples/", follow=True)
    assert "payload.text: is required" in answer.content.decode()
    assert Job.objects.count() == 0


def test_a_viewer_sends_no_samples(acme: Cast, client: Client) -> None:
    make_workflow(acme.tenant, "bills").samples.create(input={})
    client.force_login(acme.viewer)
    assert client.post("/admin/jobs/job/of/bills/samples/").status_code == 403
    assert Job.objects.count() == 0


def test_the_command_lists_and_installs(acme: Cast) -> None:
    assert all(slug in gallery("list") for slug in SLUGS)
    told = gallery("install", "moderation", "--tenant", "acme", "--as", "posts", "--name", "Our posts", "--publish")
    assert told == "Installed 'posts' for 'acme': version 1 is live.\n"
    assert gallery("install", "moderation", "--tenant", "acme").endswith("a draft; publish it to use it.\n")
    again = gallery("install", "moderation", "--tenant", "acme", "--as", "posts", "--replace", "--publish")
    assert "version 1 is live" in again


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["nothing", "--tenant", "acme"], "The gallery has no workflow 'nothing'"),
        (["invoices", "--tenant", "nobody"], "There is no tenant 'nobody'"),
        (["invoices", "--tenant", "acme", "--as", "A B"], "Use small letters"),
        (["invoices", "--tenant", "acme", "--as", "there"], "install beside it as 'there-2'"),
    ],
)
def test_what_cannot_be_installed_is_refused_in_words(acme: Cast, arguments: list[str], reason: str) -> None:
    make_workflow(acme.tenant, "there")
    with pytest.raises(CommandError, match=reason):
        gallery("install", *arguments)
