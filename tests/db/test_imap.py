"""Looking into IMAP folders: what is new becomes jobs, one process at a time, and what goes wrong is told."""

from datetime import timedelta

import pytest

from jobs.models import InboundMessage, Job, Mailbox
from jobs.runtime.imap import due_mailboxes, poll_mailbox
from taskflow.lib.clock import utcnow
from taskflow.lib.imap import encode_folder
from tenants.services.connections import ConnectionInUse, create_connection, delete_connection
from tenants.services.probe import try_connection
from tests.documents.made import mail
from tests.factories import Cast, make_queue, make_workflow
from tests.imapserver import Server

pytestmark = pytest.mark.django_db
LATER = timedelta(minutes=2)


@pytest.fixture(autouse=True)
def _own_storage(settings, tmp_path, db):
    make_queue()
    folder = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path)}}
    settings.STORAGES = settings.STORAGES | {"default": folder}
    settings.OUTGOING_HTTP_ALLOW = ["127.0.0.1"]


@pytest.fixture
def server():
    with Server() as server:
        yield server


def make_mailbox(cast: Cast, server: Server, *, password: str = "sesame", folder: str = "INBOX") -> Mailbox:
    config = {"host": "127.0.0.1", "port": server.port, "security": "none", "username": "ann", "folder": folder}
    connection = create_connection(
        tenant=cast.tenant, slug="folder", kind="imap", config=config, secrets={"password": password}, now=utcnow()
    )
    workflow = make_workflow(cast.tenant, "questions", version={"fields": [{"key": "subject"}]})
    return Mailbox.objects.create(tenant=cast.tenant, workflow=workflow, name="Questions", connection=connection)


@pytest.fixture
def mailbox(acme: Cast, server: Server) -> Mailbox:
    return make_mailbox(acme, server)


def poll(mailbox: Mailbox) -> int:
    return poll_mailbox(mailbox.pk, now=utcnow())


def subjects() -> list[str]:
    return [job.payload["subject"] for job in Job.objects.order_by("pk")]


def test_unread_messages_become_jobs_at_the_first_look_and_new_ones_later(server, mailbox):
    server.store.seen.add(server.store.add(mail(subject="old and read")))
    server.store.add(mail(subject="one", message_id="<1@x>"))
    assert poll(mailbox) == 1
    server.store.add(mail(subject="two", message_id="<2@x>"))
    server.store.seen.add(server.store.add(mail(subject="read by somebody", message_id="<3@x>")))
    assert poll(mailbox) == 2
    assert poll(mailbox) == 0
    assert subjects() == ["one", "two", "read by somebody"]
    assert server.store.seen == {1, 2, 3, 4}
    assert {row.via for row in InboundMessage.objects.all()} == {"imap"}


def test_where_the_server_numbers_anew_nothing_comes_twice(server, mailbox):
    server.store.add(mail(subject="one", message_id="<1@x>"))
    assert poll(mailbox) == 1
    server.store.validity, server.store.seen = 8, set()
    assert poll(mailbox) == 1
    assert [row.outcome for row in InboundMessage.objects.order_by("pk")] == ["accepted", "duplicate"]


def test_one_process_reads_a_folder_at_a_time(server, mailbox):
    server.store.add(mail(subject="one"))
    now = utcnow()
    Mailbox.objects.update(polling_until=now + timedelta(minutes=1))
    assert poll_mailbox(mailbox.pk, now=now) == 0
    assert due_mailboxes(now=now) == []
    assert server.store.commands == []
    assert poll_mailbox(mailbox.pk, now=now + LATER) == 1


def test_a_process_that_lost_the_folder_stops_there(server, mailbox, monkeypatch):
    for number in range(3):
        server.store.add(mail(subject=f"{number}", message_id=f"<{number}@x>"))

    def lose(**_given: object) -> None:
        Mailbox.objects.update(polling_until=utcnow() + timedelta(hours=1))

    monkeypatch.setattr("jobs.runtime.imap.take_message", lose)
    assert poll(mailbox) == 1
    mailbox.refresh_from_db()
    assert (mailbox.last_uid, server.store.seen) == (0, set())
    assert mailbox.polling_until is not None


def test_only_mailboxes_that_are_on_and_waited_long_enough_are_due(server, mailbox):
    now = utcnow()
    assert due_mailboxes(now=now) == [mailbox.pk]
    poll(mailbox)
    assert due_mailboxes(now=utcnow()) == []
    assert due_mailboxes(now=now + LATER) == [mailbox.pk]
    Mailbox.objects.update(active=False)
    assert due_mailboxes(now=now + LATER) == []


def test_a_message_that_is_too_large_is_told_and_passed_over(server, mailbox, settings):
    server.store.announced_size = settings.MAX_UPLOAD_BYTES + 1
    server.store.add(mail(subject="large"))
    assert poll(mailbox) == 1
    row = InboundMessage.objects.get()
    assert (row.outcome, row.size) == ("refused", settings.MAX_UPLOAD_BYTES + 1)
    assert poll(mailbox) == 0


def test_a_server_that_sends_more_than_it_said_is_cut_off(server, mailbox, settings):
    settings.MAX_UPLOAD_BYTES = 1000
    server.store.announced_size = 10
    server.store.add(mail("x" * 5000))
    assert poll(mailbox) == 0
    mailbox.refresh_from_db()
    assert "does not speak as a mail server should" in mailbox.poll_problem


def test_what_goes_wrong_is_told_in_words(server, acme, settings):
    mailbox = make_mailbox(acme, server, password="wrong")
    assert poll(mailbox) == 0
    mailbox.refresh_from_db()
    assert mailbox.poll_problem == "The mail server refused the login: [AUTHENTICATIONFAILED] wrong password"
    assert mailbox.polling_until is None
    settings.OUTGOING_HTTP_ALLOW = []
    poll(mailbox)
    mailbox.refresh_from_db()
    assert "OUTGOING_HTTP_ALLOW" in mailbox.poll_problem


def test_a_folder_that_is_not_there_and_a_server_that_is_not_there_are_told(server, acme):
    mailbox = make_mailbox(acme, server, folder="Entwürfe & more")
    poll(mailbox)
    mailbox.refresh_from_db()
    assert mailbox.poll_problem.startswith("The mail server has no folder “Entwürfe & more”")
    server.store.folder = encode_folder("Entwürfe & more")
    assert poll(mailbox) == 0
    mailbox.refresh_from_db()
    assert mailbox.poll_problem == ""
    mailbox.connection.config["port"] = 1
    mailbox.connection.save()
    poll(mailbox)
    mailbox.refresh_from_db()
    assert "could not be reached" in mailbox.poll_problem


def test_passwords_of_any_letters_are_sent(server, acme):
    server.store.password = "sésame"
    mailbox = make_mailbox(acme, server, password="sésame")
    server.store.add(mail(subject="one"))
    assert poll(mailbox) == 1


def test_a_connection_that_a_mailbox_reads_by_is_not_deleted(server, mailbox):
    with pytest.raises(ConnectionInUse, match="the mailbox “Questions”"):
        delete_connection(connection=mailbox.connection)


def test_a_connection_is_tested_by_opening_its_folder(server, mailbox):
    server.store.add(mail())
    verdict = try_connection(row=mailbox.connection, now=utcnow())
    assert (verdict.ok, verdict.message) == (True, "The folder INBOX is open: 1 unread.")
    server.store.password = "another"
    assert "refused the login" in try_connection(row=mailbox.connection, now=utcnow()).message


def test_folder_names_are_written_as_the_protocol_has_them():
    assert encode_folder("Entwürfe & more") == "Entw&APw-rfe &- more"
    assert encode_folder("日本語") == "&ZeVnLIqe-"
