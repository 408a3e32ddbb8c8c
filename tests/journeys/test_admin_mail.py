"""Mailboxes in the admin: made, filled in with choices, and what came in told."""

import re

import pytest
from django.test import Client

from jobs.models import InboundMessage, Job, Mailbox
from taskflow.lib.clock import utcnow
from tenants.services.connections import create_connection
from tests.documents.made import mail
from tests.factories import Cast, make_queue, make_workflow

pytestmark = pytest.mark.django_db
FIELDS = [{"key": "subject", "label": "Title"}, {"key": "body"}, {"key": "papers", "type": "files"}]
ADD = "/admin/jobs/mailbox/add/"


@pytest.fixture(autouse=True)
def _own_storage(settings, tmp_path, db):
    make_queue()
    folder = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path)}}
    settings.STORAGES = settings.STORAGES | {"default": folder}


@pytest.fixture
def workflow(acme: Cast):
    return make_workflow(acme.tenant, "questions", version={"fields": FIELDS})


def log_in(person, client: Client) -> Client:
    client.force_login(person)
    return client


def form(workflow, **more: str) -> dict[str, str]:
    return {"tenant": workflow.tenant_id, "name": "Questions", "workflow": workflow.pk, "active": "on"} | more


def make(client: Client, workflow, **more: str) -> str:
    """Make a mailbox as a person does; returns the path of the webhook it was given."""
    answer = client.post(ADD, form(workflow, **more), follow=True)
    return re.search(r"http://testserver(/api/v1/inbound-mail/[\w-]{20,})", answer.content.decode())[1]


def test_a_new_mailbox_shows_its_address_once_and_takes_mail(acme: Cast, workflow, client: Client):
    path = make(log_in(acme.editor, client), workflow)
    mailbox = Mailbox.objects.get()
    key = path.rpartition("/")[2]
    assert key not in client.get(f"/admin/jobs/mailbox/{mailbox.pk}/change/").content.decode()
    assert Client().post(path, mail("x"), content_type="message/rfc822").status_code == 201
    assert Job.objects.get().payload == {"subject": "A question", "body": "x"}


def test_each_part_of_a_message_is_given_a_field_by_choice(acme: Cast, workflow, client: Client):
    path = make(log_in(acme.editor, client), workflow)
    mailbox = Mailbox.objects.get()
    page = client.get(f"/admin/jobs/mailbox/{mailbox.pk}/change/").content.decode()
    assert "Sender&#x27;s address" in page or "Sender's address" in page
    assert '<option value="subject" selected>Title</option>' in page
    chosen = form(workflow, part_text="subject", part_subject="", part_attachments="papers", take_automatic="on")
    answer = client.post(f"/admin/jobs/mailbox/{mailbox.pk}/change/", chosen)
    assert answer.status_code == 302
    mailbox.refresh_from_db()
    assert (mailbox.mapping, mailbox.take_automatic) == ({"text": "subject", "attachments": "papers"}, True)
    Client().post(path, mail("the text"), content_type="message/rfc822")
    assert Job.objects.get().payload == {"subject": "the text"}
    wrong = client.post(f"/admin/jobs/mailbox/{mailbox.pk}/change/", form(workflow, part_text="nonsense"))
    assert "nonsense is not one of the available choices" in wrong.content.decode()


def test_a_new_address_makes_the_old_one_void(acme: Cast, workflow, client: Client):
    old = make(log_in(acme.editor, client), workflow)
    chosen = {"action": "renew_key", "_selected_action": [Mailbox.objects.get().pk]}
    page = client.post("/admin/jobs/mailbox/", chosen, follow=True).content.decode()
    new = re.search(r"http://testserver(/api/v1/inbound-mail/[\w-]{20,})", page)[1]
    assert Client().post(old, mail("x"), content_type="message/rfc822").status_code == 404
    assert Client().post(new, mail("x"), content_type="message/rfc822").status_code == 201


def test_only_imap_connections_of_the_tenant_are_offered(acme: Cast, globex: Cast, workflow, client: Client):
    config = {"host": "imap.example.com", "username": "ann"}
    for tenant, slug in ((acme.tenant, "ours"), (globex.tenant, "theirs")):
        values = {"tenant": tenant, "slug": slug, "kind": "imap", "config": config, "secrets": {"password": "p"}}
        create_connection(**values, now=utcnow())
    create_connection(tenant=acme.tenant, slug="model", kind="ollama", config={"model": "m"}, now=utcnow())
    page = log_in(acme.editor, client).get(ADD).content.decode()
    assert ">ours</option>" in page
    assert ">theirs</option>" not in page
    assert ">model</option>" not in page


def test_a_workflow_of_another_tenant_is_refused(acme: Cast, globex: Cast, workflow, client: Client):
    foreign = make_workflow(globex.tenant, "theirs")
    log_in(acme.editor, client).post(ADD, form(workflow) | {"workflow": foreign.pk})
    assert not Mailbox.objects.exists()


def test_what_came_in_is_told_with_the_reason_and_leads_to_the_job(acme: Cast, workflow, client: Client):
    path = make(log_in(acme.editor, client), workflow)
    Client().post(path, mail("x"), content_type="message/rfc822")
    Client().post(path, mail("y", auto_submitted="auto-replied"), content_type="message/rfc822")
    page = log_in(acme.viewer, client).get("/admin/jobs/inboundmessage/").content.decode()
    assert f"/admin/jobs/job/{Job.objects.get().uid}/change/" in page
    assert "the answer of a robot" in page
    row = InboundMessage.objects.last()
    assert client.get(f"/admin/jobs/inboundmessage/{row.pk}/change/").status_code == 200
    assert client.post(f"/admin/jobs/inboundmessage/{row.pk}/delete/", {"post": "yes"}).status_code == 403


def test_only_editors_make_mailboxes(acme: Cast, workflow, client: Client):
    assert log_in(acme.operator, client).get(ADD).status_code == 403
    assert client.get("/admin/jobs/mailbox/").status_code == 200


def test_a_folder_that_cannot_be_read_is_told_in_the_list(acme: Cast, workflow, client: Client):
    make(log_in(acme.editor, client), workflow)
    Mailbox.objects.update(poll_problem="The mail server refused the login: no")
    page = client.get("/admin/jobs/mailbox/").content.decode()
    assert "The mail server refused the login: no" in page
