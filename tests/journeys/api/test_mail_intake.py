"""Mail that comes in by the webhook: each message a job, or a line in the log that says why not."""

import base64
import json
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from jobs.models import File, InboundMessage, Job, Mailbox
from jobs.services.mail import new_mailbox_key, prune_inbound, take_message
from taskflow.lib.clock import utcnow
from tests.documents.hostile import endless_mail
from tests.documents.made import mail, pdf
from tests.factories import NOW, Cast, make_queue, make_workflow
from tests.storage import stored_keys

SHARED = Path(settings.BASE_DIR).parent / "shared" / "data" / "emails-flanker" / "messages"
FIELDS = [
    {"key": "subject", "type": "text", "max_length": 60},
    {"key": "body", "type": "text"},
    {"key": "sender", "type": "email"},
    {"key": "received", "type": "date"},
    {"key": "attachments", "type": "files"},
]
RFC822 = "message/rfc822"
ID = "<one@example.com>"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_storage(settings, tmp_path, db):
    make_queue()
    folder = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path)}}
    settings.STORAGES = settings.STORAGES | {"default": folder}


@pytest.fixture
def mailbox(acme: Cast) -> Mailbox:
    workflow = make_workflow(acme.tenant, "questions", version={"fields": FIELDS})
    return Mailbox.objects.create(
        tenant=acme.tenant, workflow=workflow, name="Questions", address="intake@acme.test", created_at=NOW
    )


@pytest.fixture
def key(mailbox: Mailbox) -> str:
    return new_mailbox_key(mailbox=mailbox)


def send(key: str, body: bytes, kind: str = RFC822):
    return Client().post(f"/api/v1/inbound-mail/{key}", body, content_type=kind)


def said(answer) -> tuple[str, str]:
    assert answer.status_code in (200, 201), answer.content
    return answer.json()["outcome"], answer.json()["reason"]


def test_a_message_becomes_a_job_with_its_attachments_as_files(key, mailbox):
    raw = mail("Where is it?", message_id=ID, date="Mon, 2 Mar 2026 10:00:00 +0100", attachments={"bill.pdf": pdf("x")})
    answer = send(key, raw)
    assert (answer.status_code, said(answer)) == (201, ("accepted", ""))
    job = Job.objects.get()
    assert answer.json()["job"] == str(job.uid)
    (file,) = File.objects.filter(job=job)
    assert (file.name, file.content_type) == ("bill.pdf", "application/pdf")
    assert job.payload == {
        "subject": "A question",
        "body": "Where is it?",
        "sender": "ann@example.com",
        "received": "2026-03-02",
        "attachments": [file.plain().reference()],
    }
    assert job.source == "mail:ann@example.com"
    row = InboundMessage.objects.get()
    assert (row.outcome, row.job, row.message_id, row.via) == ("accepted", job, "one@example.com", "webhook")


def test_the_same_message_again_is_no_second_job(key, mailbox):
    first = send(key, mail("a", message_id=ID)).json()["job"]
    again = send(key, mail("a, by another way", message_id=ID, received="from x by y"))
    assert again.status_code == 200
    assert again.json() == {"outcome": "duplicate", "reason": "The same message came before.", "job": first}
    assert said(send(key, mail("without an id"))) == ("accepted", "")
    assert said(send(key, mail("without an id")))[0] == "duplicate"
    assert Job.objects.count() == 2


def test_two_mailboxes_may_get_the_same_message(key, mailbox, acme):
    other = Mailbox.objects.create(tenant=acme.tenant, workflow=mailbox.workflow, name="Other")
    send(key, mail("a", message_id=ID))
    assert said(send(new_mailbox_key(mailbox=other), mail("a", message_id=ID)))[0] == "accepted"


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"auto_submitted": "auto-replied"}, "the answer of a robot"),
        ({"auto_submitted": "auto-replied; owner"}, "the answer of a robot"),
        ({"x_autoreply": "yes"}, "the answer of a robot"),
        ({"precedence": "auto_reply"}, "the answer of a robot (Precedence: auto_reply)"),
        ({"return_path": "<>"}, "no return path"),
        ({"from": "MAILER-DAEMON@mx.example.com"}, "a bounce"),
        ({"x_failed_recipients": "bob@example.com"}, "a bounce"),
        ({"from": "Intake <intake@ACME.test>"}, "own address"),
        ({"x_loop": "intake@acme.test"}, "X-Loop"),
        ({"auto_submitted": "auto-generated"}, "A program sent it"),
        ({"precedence": "bulk"}, "mass mail"),
        ({"precedence": "list"}, "mass mail"),
    ],
)
def test_what_is_no_work_is_left_alone_and_the_log_says_why(key, mailbox, headers, reason):
    outcome, said_reason = said(send(key, mail("x", **headers)))
    assert outcome == "ignored"
    assert reason in said_reason
    assert not Job.objects.exists()
    assert InboundMessage.objects.get().reason == said_reason


def test_a_mailbox_may_take_mail_of_programs_but_never_answers_and_bounces(key, mailbox):
    Mailbox.objects.update(take_automatic=True)
    assert said(send(key, mail("invoice", auto_submitted="auto-generated")))[0] == "accepted"
    assert said(send(key, mail("news", precedence="bulk")))[0] == "accepted"
    assert said(send(key, mail("away", auto_submitted="auto-replied")))[0] == "ignored"
    assert said(send(key, mail("back", return_path="<>")))[0] == "ignored"


def test_what_a_workflow_of_the_tenant_sent_is_a_loop(key, mailbox, acme, globex):
    Mailbox.objects.update(take_automatic=True)
    assert said(send(key, mail("x", x_loop=str(acme.tenant.uid)))) == (
        "ignored",
        "One of your own workflows sent it (X-Loop): a loop.",
    )
    assert said(send(key, mail("x", x_loop=str(globex.tenant.uid))))[0] == "accepted"


def test_a_message_that_went_round_and_round_is_a_loop(key, mailbox):
    raw = b"Received: from a by b\r\n" * 60 + mail("x")
    assert "a loop" in said(send(key, raw))[1]


def test_only_the_senders_that_are_named_may_write(key, mailbox):
    Mailbox.objects.update(allowed_senders="bob@example.com\n@acme.test\n*@*.example.org\n")
    outcomes = {
        sender: said(send(key, mail("x", **{"from": sender})))[0]
        for sender in (
            "bob@example.com",
            "Eve@acme.test",
            "a@b.example.org",
            "eve@example.com",
            "eve@evilacme.test.com",
        )
    }
    assert list(outcomes.values()) == ["accepted", "accepted", "accepted", "ignored", "ignored"]


def test_the_parts_go_where_the_mailbox_says(key, mailbox):
    Mailbox.objects.update(mapping={"text": "subject", "subject": "body", "attachments": "", "date": "gone"})
    send(key, mail("the text " * 20, attachments={"a.txt": b"x"}))
    job = Job.objects.get()
    assert job.payload == {"subject": ("the text " * 20)[:60], "body": "A question"}
    assert [file.name for file in job.files.all()] == ["a.txt"]


def test_one_field_takes_one_attachment_and_the_job_the_rest(acme):
    workflow = make_workflow(acme.tenant, "bills", version={"fields": [{"key": "invoice", "type": "file"}]})
    mailbox = Mailbox.objects.create(tenant=acme.tenant, workflow=workflow, name="Bills", keep_source=True)
    raw = mail("x", attachments={"a.txt": b"one", "b.txt": b"two"})
    job = take_message(mailbox=mailbox, raw=raw, via="webhook", now=utcnow()).job
    assert job.payload["invoice"]["name"] == "a.txt"
    assert [file.name for file in job.files.order_by("pk")] == ["a.txt", "b.txt", "message.eml"]


def test_a_bad_attachment_is_left_out_and_told(key, mailbox, settings):
    settings.MAX_FILE_BYTES, settings.MAX_FILES = 100, 2
    sent = {"big.txt": b"x" * 101, "run.exe": b"MZ\x90\x00", "a.txt": b"1", "b.txt": b"2", "c.txt": b"3"}
    outcome, reason = said(send(key, mail("x", attachments=sent)))
    assert outcome == "accepted"
    assert "'big.txt' is larger" in reason
    assert "'run.exe' is a program" in reason
    assert "1 attachments were left out" in reason
    assert [file.name for file in File.objects.order_by("pk")] == ["a.txt", "b.txt"]


def test_a_message_that_does_not_fit_the_workflow_is_refused_with_the_reason(mailbox, key):
    fields = [{"key": "order", "type": "text", "required": True}]
    make_workflow(mailbox.tenant, "orders", version={"fields": fields})
    Mailbox.objects.update(workflow=mailbox.tenant.workflows.get(slug="orders"))
    assert said(send(key, mail("x"))) == ("refused", "payload.order: is required")
    mailbox.tenant.workflows.update(active=False)
    assert said(send(key, mail("x")))[0] == "refused"
    assert stored_keys() == set()


def test_the_message_may_come_in_a_form_or_in_json(key, mailbox):
    raw = mail("x", attachments={"a.txt": b"1"})
    encoded = base64.b64encode(raw).decode()
    bodies = [
        (json.dumps({"raw": raw.decode()}).encode(), "application/json"),
        (json.dumps({"RawEmail": encoded}).encode(), "application/json"),
        (urlencode({"body-mime": raw}).encode(), "application/x-www-form-urlencoded"),
        (raw, "text/plain"),
    ]
    outcomes = [said(send(key, *body))[0] for body in bodies]
    for value in (raw.decode(), SimpleUploadedFile("mail.eml", raw, content_type=RFC822)):
        outcomes.append(said(Client().post(f"/api/v1/inbound-mail/{key}", {"email": value}))[0])
    assert outcomes == ["accepted", *["duplicate"] * 5]


def test_the_return_path_that_a_provider_tells_counts(key, mailbox):
    raw = mail("x").decode()
    told = json.dumps({"raw": raw, "envelope_from": ""}).encode()
    assert "no return path" in said(send(key, told, "application/json"))[1]
    told = json.dumps({"raw": raw, "envelope_from": "ann@example.com"}).encode()
    assert said(send(key, told, "application/json"))[0] == "accepted"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", RFC822),
        (b" \n", RFC822),
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b"{}", "application/json"),
        (b'{"raw": 5}', "application/json"),
        (b"a=b", "application/x-www-form-urlencoded"),
        (b"--x\r\nnonsense", "multipart/form-data; boundary=x"),
        (b"", "multipart/form-data"),
    ],
)
def test_a_body_without_a_message_is_refused_with_the_reason(key, mailbox, body, kind):
    answer = send(key, body, kind)
    assert answer.status_code == 400
    assert answer.json()["detail"]
    assert not InboundMessage.objects.exists()


def test_a_message_that_is_too_large_is_not_read(key, mailbox, settings):
    settings.MAX_UPLOAD_BYTES = 100
    assert send(key, mail("x" * 200)).status_code == 413
    assert send(key, b"--x\r\n" + b"y" * 200, "multipart/form-data; boundary=x").status_code == 413


def test_a_wrong_key_and_a_mailbox_that_is_off_do_not_exist(key, mailbox):
    assert send("nonsense", mail("x")).status_code == 404
    assert send(key + "x", mail("x")).status_code == 404
    new_mailbox_key(mailbox=mailbox)
    assert send(key, mail("x")).status_code == 404
    fresh = new_mailbox_key(mailbox=mailbox)
    Mailbox.objects.update(active=False)
    assert send(fresh, mail("x")).status_code == 404
    assert Mailbox.objects.filter(key_hash=fresh).count() == 0


def test_the_key_is_in_no_log(key, mailbox, caplog):
    with caplog.at_level("DEBUG"):
        send(key, mail("x"))
        send("tried-" + key, mail("x"))
    assert "POST /api/v1/inbound-mail/…" in caplog.text
    assert key not in caplog.text


def test_a_flood_into_one_mailbox_is_slowed(key, mailbox, settings):
    settings.API_REQUESTS_PER_MINUTE = 1
    statuses = [send(key, mail("x")).status_code for _ in range(4)]
    assert 429 in statuses


def test_old_lines_of_the_log_are_forgotten(key, mailbox):
    send(key, mail("x"))
    assert prune_inbound(now=utcnow()) == 0
    assert prune_inbound(now=utcnow() + timedelta(days=91)) == 1
    assert Job.objects.count() == 1


@pytest.mark.parametrize(
    "raw", [b"x", b"\x00" * 50, bytes(range(256)) * 4, b":\n\n", b"From: \xff\n\n", endless_mail()]
)
def test_nothing_that_is_sent_as_mail_is_an_error(key, mailbox, raw):
    assert said(send(key, raw))[0] in ("accepted", "refused", "ignored")


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.exists(), reason="the messages are not beside the checkout")
def test_every_message_of_the_public_set_is_taken_or_left_alone_for_a_reason(key, mailbox):
    outcomes = {}
    for path in sorted(SHARED.rglob("*.eml")):
        outcome, reason = said(send(key, path.read_bytes()))
        outcomes[str(path.relative_to(SHARED))] = outcome
        assert outcome == "accepted" or reason
    bounces = {name for name in outcomes if name.startswith("bounce/")}
    assert bounces
    taken = {name for name in bounces if outcomes[name] == "accepted"}
    assert taken <= {"bounce/delayed-broken.eml"}, taken
    assert sum(outcome == "accepted" for outcome in outcomes.values()) > len(outcomes) / 2
