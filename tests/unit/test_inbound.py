"""What mail is taken, and which of its parts become which fields."""

import pytest

from jobs.domain.inbound import guess_mapping, is_allowed, payload_of, why_ignore
from tests.documents.made import mail
from workflows.documents.mail import parse_mail
from workflows.domain.fields import InputField

OWN = ["intake@acme.test"]


def reason(*, automatic=False, envelope=None, own=OWN, **headers):
    found = parse_mail(mail("x", **headers))
    return why_ignore(found, own=own, mark="mark-of-the-tenant", automatic=automatic, envelope=envelope)


def test_mail_of_people_is_taken():
    assert reason() == reason(auto_submitted="no") == reason(envelope="ann@example.com") == ""
    assert reason(x_loop="somebody@else.test") == reason(return_path="<ann@example.com>") == ""
    assert reason(own=[], **{"from": "intake@acme.test"}) == ""


@pytest.mark.parametrize(
    ("headers", "word"),
    [
        ({"from": "Intake@Acme.test"}, "loop"),
        ({"x_loop": "MARK-of-the-tenant"}, "loop"),
        ({"x_loop": "intake@acme.test"}, "loop"),
        ({"from": "postmaster@example.com"}, "bounce"),
        ({"x_failed_recipients": "a@b.c"}, "bounce"),
        ({"auto_submitted": "Auto-Replied"}, "robot"),
        ({"x_auto_reply": "1"}, "robot"),
        ({"precedence": "junk"}, "robot"),
        ({"return_path": "<>"}, "return path"),
        ({"envelope": ""}, "return path"),
        ({"envelope": "<>"}, "return path"),
    ],
)
def test_loops_bounces_and_answers_of_robots_are_never_taken(headers, word):
    assert word in reason(**headers)
    assert word in reason(automatic=True, **headers)


@pytest.mark.parametrize(
    "headers", [{"auto_submitted": "auto-generated"}, {"precedence": "bulk"}, {"precedence": "list"}]
)
def test_mail_of_programs_is_taken_where_it_is_wanted(headers):
    assert "people only" in reason(**headers)
    assert reason(automatic=True, **headers) == ""


def test_senders_are_allowed_by_address_domain_and_pattern():
    allowed = ["ann@example.com", " @acme.test", "", "*@*.example.org"]
    senders = ("ann@example.com", "eve@acme.test", "a@b.example.org", "bob@example.com", "a@notacme.test", "")
    assert [is_allowed(sender, allowed) for sender in senders] == [True, True, True, False, False, False]
    assert is_allowed("anybody@anywhere", ["", " "])


def test_fields_are_guessed_by_their_usual_names_and_types():
    keys = {"Subject": "text", "body": "list", "message": "text", "email": "email", "files": "files", "text": "file"}
    fields = [InputField(key=key, type=kind) for key, kind in keys.items()]
    fields.append(InputField(key="received", role="output"))
    assert guess_mapping(fields) == {"subject": "Subject", "from": "email", "text": "message", "attachments": "files"}


def test_values_are_made_fit_for_their_fields():
    found = parse_mail(mail("text", date="Mon, 2 Mar 2026 23:00:00 -0500", to="a@b.c, d@e.f", message_id="<i@d>"))
    types = {"day": "date", "to": "list", "text": "text", "id": "text", "name": "text", "html": "text"}
    fields = [InputField(key=key, type=kind, max_length=3 if key == "text" else None) for key, kind in types.items()]
    parts = {"date": "day", "to": "to", "text": "text", "message_id": "id", "from_name": "name", "html": "html"}
    assert payload_of(found, parts | {"subject": "gone", "attachments": "text"}, fields) == {
        "day": "2026-03-03",
        "to": ["a@b.c", "d@e.f"],
        "text": "tex",
        "id": "i@d",
        "name": "Ann",
    }
