"""The `notify` step: mail, chats and webhooks, what they are sent, and what their refusals mean."""

import base64
import json
import time
from dataclasses import replace

import pytest
from django.core import mail
from werkzeug import Response

from tenants.domain.connections import Connection
from tests.factories import NOW
from tests.smtp_server import SmtpServer
from workflows.domain.outcomes import PermanentError, TransientError
from workflows.kinds.base import ConfigError, StepContext
from workflows.kinds.registry import make_runner

CONTEXT = StepContext(
    payload={"who": "ann@example.org", "text": "It <!channel> works & more"},
    steps={},
    job={"id": "j1"},
    tenant={"slug": "acme", "name": "Acme"},
    now=NOW,
    idempotency_key="0190:tell:1",
)
MAIL = {"channel": "mail", "to": ["{{ payload.who }}", "bob@example.org"], "subject": "New: {{ payload.text }}"}


@pytest.fixture(autouse=True)
def _loopback_is_allowed(settings):
    settings.OUTGOING_HTTP_ALLOW = ["127.0.0.1/32"]


@pytest.fixture
def smtp():
    server = SmtpServer()
    yield server
    server.close()


def step(**config):
    return make_runner("notify", {"text": "Look: {{ payload.text }}"} | config)


def over(kind, config=None, **secrets):
    return replace(CONTEXT, connections={"way": Connection("way", kind, config or {}, secrets, id=1)})


def mail_server(port, **config):
    given = {"host": "127.0.0.1", "port": port, "security": "none", "username": "", "sender": "Flow <flow@acme.test>"}
    return over("mail", given | config)


def test_mail_goes_through_the_connections_server(smtp):
    outcome = step(**MAIL, connection="way").run(mail_server(smtp.port))
    assert outcome.output == {"notified": "mail", "to": ["ann@example.org", "bob@example.org"]}
    ((to, message),) = smtp.mails
    assert to == ["ann@example.org", "bob@example.org"]
    assert (message["From"], message["Subject"]) == ("Flow <flow@acme.test>", "New: It <!channel> works & more")
    assert message["Message-ID"] == "<0190.tell.1@acme.test>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_payload().strip() == "Look: It <!channel> works & more"


def test_mail_without_a_connection_goes_through_the_deployments_server(settings):
    settings.EMAIL_HOST, settings.DEFAULT_FROM_EMAIL = "mail.acme.test", "us@acme.test"
    step(**MAIL).run(CONTEXT)
    (message,) = mail.outbox
    assert (message.from_email, message.to) == ("us@acme.test", ["ann@example.org", "bob@example.org"])


def test_without_any_mail_server_the_reason_says_what_to_do(settings):
    settings.EMAIL_HOST = ""
    with pytest.raises(PermanentError, match="name a connection of kind mail, or have the operator set EMAIL_HOST"):
        step(**MAIL).run(CONTEXT)


@pytest.mark.parametrize(
    ("replies", "error", "words"),
    [
        ({"RCPT": "550 no such user"}, PermanentError, "refused every recipient: no such user"),
        ({"RCPT": "451 try later"}, TransientError, "refused every recipient: try later"),
        ({"DATA": "554 looks like spam"}, PermanentError, "refused: 554 looks like spam"),
        ({"MAIL": "421 too busy"}, TransientError, "refused: 421 too busy"),
    ],
)
def test_a_refusal_of_the_mail_server_is_permanent_or_may_pass(smtp, replies, error, words):
    smtp.replies = replies
    with pytest.raises(error, match=words):
        step(**MAIL, connection="way").run(mail_server(smtp.port))


def test_a_login_that_is_refused_says_so_without_the_password(smtp):
    smtp.replies = {"EHLO": "250-test\r\n250 AUTH PLAIN LOGIN", "AUTH": "535 bad credentials"}
    context = mail_server(smtp.port, username="me")
    way = replace(context.connections["way"], secrets={"password": "hunter22"})
    with pytest.raises(PermanentError, match="refused the login: 535 bad credentials") as caught:
        step(**MAIL, connection="way").run(replace(context, connections={"way": way}))
    assert "hunter22" not in str(caught.value)


def test_a_server_that_drips_does_not_hold_the_step(smtp, monkeypatch):
    def drip(peer):
        for _ in range(100):
            peer.sendall(b"2")
            time.sleep(0.05)

    smtp.greeting = drip
    monkeypatch.setattr("workflows.kinds.notify.mail.backend_for", lambda way: _backend(way))
    with pytest.raises(TransientError, match="The mail server"):
        step(**MAIL, connection="way").run(mail_server(smtp.port))


def _backend(way):
    from tenants.services.mail import backend_for

    return backend_for(way, timeout=0.3)


@pytest.mark.parametrize("host", ["10.0.0.1", "localhost", "169.254.169.254", "::1", "2130706433"])
def test_a_mail_server_is_an_outgoing_connection_too(settings, host):
    settings.OUTGOING_HTTP_ALLOW = []
    with pytest.raises(PermanentError, match=r"not in the public internet|in disguise"):
        step(**MAIL, connection="way").run(mail_server(25, host=host))


def test_slack_is_sent_a_text_in_which_values_are_no_markup(httpserver):
    httpserver.expect_oneshot_request(
        "/hook", method="POST", json={"text": "*Hi*\n<https://a.example|Look>: It &lt;!channel&gt; works &amp; more"}
    ).respond_with_data("ok")
    runner = step(channel="slack", connection="way", subject="Hi", text="<https://a.example|Look>: {{ payload.text }}")
    assert runner.run(over("slack", webhook_url=httpserver.url_for("/hook"))).output == {"notified": "slack"}


def test_teams_is_sent_a_card(httpserver):
    sent = {}
    httpserver.expect_request("/hook").respond_with_handler(lambda request: sent.update(request.json) or Response("1"))
    step(channel="teams", connection="way", subject="Hi").run(over("teams", webhook_url=httpserver.url_for("/hook")))
    (attachment,) = sent["attachments"]
    assert [block["text"] for block in attachment["content"]["body"]] == ["Hi", "Look: It <!channel> works & more"]


def test_a_webhook_is_sent_json(httpserver):
    httpserver.expect_oneshot_request(
        "/in", json={"subject": "", "text": "Look: It <!channel> works & more"}
    ).respond_with_data("")
    step(channel="webhook", connection="way").run(over("webhook", {"url": httpserver.url_for("/in")}))


@pytest.mark.parametrize(("status", "error"), [(404, PermanentError), (429, TransientError), (500, TransientError)])
def test_an_error_of_a_chat_does_not_name_its_secret_address(httpserver, status, error):
    httpserver.expect_request("/hook/s3cr3t").respond_with_data("no_service /hook/s3cr3t", status=status)
    url = httpserver.url_for("/hook/s3cr3t")
    with pytest.raises(error, match=f"POST to localhost over 'way' answered {status}") as caught:
        step(channel="slack", connection="way").run(over("slack", webhook_url=url))
    assert url not in str(caught.value)
    with pytest.raises(TransientError) as unreachable:
        step(channel="slack", connection="way").run(over("slack", webhook_url="http://127.0.0.1:1/hook/s3cr3t"))
    assert "s3cr3t" not in str(unreachable.value)


@pytest.mark.parametrize("channel", ["mail", "slack", "teams", "webhook"])
def test_a_dry_run_says_what_it_would_send_and_calls_nobody(channel):
    config = MAIL if channel == "mail" else {"channel": channel}
    given = {"sender": "flow@acme.test"} if channel == "mail" else {"url": "https://127.0.0.1:1/x"}
    runner = step(**config, connection="way")
    outcome = runner.dry_run(over(channel, given, webhook_url="https://127.0.0.1:1/s3cr3t"))
    shown = json.dumps(outcome.output)
    assert "works" in shown
    assert "s3cr3t" not in shown
    assert "works" in json.dumps(runner.dry_run(CONTEXT).output)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"channel": "slack"}, "slack needs a connection"),
        ({"channel": "mail"}, "mail needs somebody in `to`"),
        ({"channel": "slack", "connection": "way", "to": ["a@b.test"]}, "slack takes no `to`"),
        ({"channel": "pigeon"}, "should be 'mail', 'slack', 'teams' or 'webhook'"),
        ({"channel": "slack", "connection": "way", "text": "{{ payload.x"}, "text"),
    ],
)
def test_a_config_that_cannot_work_is_refused(config, words):
    with pytest.raises(ConfigError) as caught:
        step(**config)
    assert words in f"{caught.value.field} {caught.value.message}"


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ({"who": "not an address", "text": "x"}, "'not an address' is not a mail address"),
        ({"who": "a@b.test, c@d.test", "text": "x"}, "is not a mail address"),
        ({"who": "a@b.test\nBcc: c@d.test", "text": "x"}, "is not a mail address"),
    ],
)
def test_who_is_no_mail_address_is_refused(payload, words):
    with pytest.raises(PermanentError, match=words):
        step(**MAIL).dry_run(replace(CONTEXT, payload=payload))


def test_a_subject_cannot_begin_another_header():
    outcome = step(**MAIL).dry_run(replace(CONTEXT, payload={"who": "a@b.test", "text": "x\r\nBcc: c@d.test"}))
    assert outcome.output["would_send"]["subject"] == "New: x Bcc: c@d.test"


def test_nothing_to_say_and_nobody_to_tell_are_errors():
    with pytest.raises(PermanentError, match="The text to send is empty"):
        step(channel="mail", to=["a@b.test"], text="{{ payload.who }}").dry_run(replace(CONTEXT, payload={"who": " "}))
    with pytest.raises(PermanentError, match="every address is empty"):
        step(channel="mail", to=["{{ payload.who }}"], text="x").dry_run(replace(CONTEXT, payload={"who": " "}))


def test_a_connection_of_another_kind_is_refused():
    with pytest.raises(PermanentError, match="'way' is not for slack: its kind is teams"):
        step(channel="slack", connection="way").run(over("teams"))


def test_a_text_longer_than_the_chat_takes_is_refused():
    with pytest.raises(PermanentError, match="teams takes 20,000"):
        step(channel="teams", connection="way", text="{{ payload.text }}").run(
            replace(over("teams", webhook_url="x"), payload={"text": "x" * 20_001})
        )


SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class TestWebhookOut:
    """The `webhook_out` step."""

    def step(self, **config):
        return make_runner("webhook_out", {"connection": "way", "type": "invoice.approved"} | config)

    def test_an_event_is_sent_and_signed_by_the_scheme(self, httpserver):
        import hashlib
        import hmac

        seen = {}

        def take(request):
            seen.update(headers=dict(request.headers), body=request.get_data())
            return Response("thanks", status=202)

        httpserver.expect_request("/in", method="POST").respond_with_handler(take)
        context = over("webhook", {"url": httpserver.url_for("/in")}, signing_secret=SECRET)
        outcome = self.step(data={"who": "{{ payload.who }}", "n": {"expression": "1 + 1"}}).run(context)
        assert outcome.output == {"status": 202, "message_id": "0190:tell:1"}
        headers = {name.lower(): value for name, value in seen["headers"].items()}
        assert headers["webhook-id"] == "0190:tell:1"
        assert headers["webhook-timestamp"] == str(int(NOW.timestamp()))
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + seen["body"]
        digest = hmac.new(base64.b64decode(SECRET.removeprefix("whsec_")), signed, hashlib.sha256).digest()
        assert headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()
        assert json.loads(seen["body"]) == {
            "type": "invoice.approved",
            "timestamp": NOW.isoformat(),
            "data": {"who": "ann@example.org", "n": 2},
        }

    def test_a_repetition_has_the_same_id_and_without_data_the_record_is_sent(self, httpserver):
        ids, bodies = [], []

        def take(request):
            ids.append(request.headers["webhook-id"])
            bodies.append(request.json)
            return Response("ok", content_type="application/json")

        httpserver.expect_request("/in").respond_with_handler(take)
        context = replace(
            over("webhook", {"url": httpserver.url_for("/in")}, signing_secret=SECRET), record={"total": 5}
        )
        for _ in range(2):
            self.step().run(context)
        assert ids == ["0190:tell:1"] * 2
        assert bodies[0]["data"] == {"total": 5}

    def test_without_a_secret_or_a_webhook_it_is_refused(self):
        with pytest.raises(PermanentError, match="'way' has no signing secret"):
            self.step().run(over("webhook", {"url": "https://a.example"}))
        with pytest.raises(PermanentError, match="'way' is no webhook: its kind is slack"):
            self.step().run(over("slack"))

    @pytest.mark.parametrize("wrong", ["", "a b", ".x", "x.", "x" * 101])
    def test_a_type_that_is_none_is_refused(self, wrong):
        with pytest.raises(ConfigError):
            self.step(type=wrong)

    def test_a_dry_run_shows_the_event(self):
        context = over("webhook", {"url": "https://a.example/in?token=1"}, signing_secret=SECRET)
        sent = self.step().dry_run(context).output["would_send"]
        assert (sent["url"], sent["body"]["type"]) == ("https://a.example/in", "invoice.approved")
        assert self.step().dry_run(CONTEXT).output["would_send"]["connection"] == "way"
        assert SECRET not in json.dumps(sent)
