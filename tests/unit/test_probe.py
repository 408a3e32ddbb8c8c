"""“Test connection”: each thing that can be wrong has its plain sentence, and none repeats a secret."""

import socket
import ssl

import pytest

from tenants.domain.connections import Connection
from tenants.services.probe import probe
from tests.factories import NOW
from tests.smtp_server import SmtpServer

KEY = "sk-s3cr3t"


@pytest.fixture(autouse=True)
def _loopback_is_allowed(settings):
    settings.OUTGOING_HTTP_ALLOW = ["127.0.0.1/32"]


@pytest.fixture
def smtp():
    server = SmtpServer()
    yield server
    server.close()


def verdict(kind, *, secrets=None, **config):
    return probe(Connection("way", kind, config, {"api_key": KEY} if secrets is None else secrets, id=1), now=NOW)


def llm(httpserver, kind="openai", model="m"):
    return verdict(kind, base_url=httpserver.url_for("/v1" if kind != "anthropic" else "").rstrip("/"), model=model)


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, f"bad key {KEY}", "does not accept the key or password (401): bad key ***"),
        (403, "no", "does not allow this (403): no"),
        (404, "", "answers 404 at /models: is the base URL right?"),
        (500, "oops", "has trouble of its own (500): oops"),
        (200, "<html>", "not like a language model"),
        (200, "[]", "not like a language model"),
        (
            200,
            '{"data": [{"id": "a"}, {"id": "b"}, {}]}',
            "The key is good, but there is no model 'm'. There are: a, b.",
        ),
    ],
)
def test_a_language_model_that_is_not_reached_says_why(httpserver, status, body, words):
    httpserver.expect_request("/v1/models").respond_with_data(body, status=status)
    found = llm(httpserver)
    assert (found.ok, words in found.message, KEY in found.message) == (False, True, False), found


@pytest.mark.parametrize("listed", ["m", "models/m", "m:latest", "M"])
def test_a_model_that_is_listed_is_good(httpserver, listed):
    httpserver.expect_request("/v1/models").respond_with_json({"data": [{"id": listed}]})
    assert llm(httpserver).ok
    httpserver.expect_request("/v1/models").respond_with_json({"data": []})
    assert llm(httpserver).ok


def test_anthropic_is_asked_in_its_own_way(httpserver):
    headers = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
    httpserver.expect_request("/v1/models", headers=headers).respond_with_json({"data": [{"id": "m"}]})
    assert llm(httpserver, "anthropic").ok


def test_too_many_requests_are_no_fault_of_the_connection(httpserver):
    httpserver.expect_request("/v1/models").respond_with_data("slow down", status=429)
    assert llm(httpserver).ok


def test_a_name_that_does_not_exist_is_said_to_be_so():
    found = verdict("openai", base_url="http://no-such-name.invalid/v1", model="m")
    assert found.message == "The name no-such-name.invalid could not be found (DNS). Check its spelling."


def test_a_port_where_nothing_listens_is_said_to_be_so():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    assert verdict("openai", base_url=f"http://127.0.0.1:{port}/v1", model="m").message == (
        "127.0.0.1 refused the connection: nothing listens at that port."
    )


def test_a_server_without_tls_is_said_to_be_so(httpserver):
    found = verdict(
        "openai", base_url=httpserver.url_for("/v1").replace("http://localhost", "https://127.0.0.1"), model="m"
    )
    assert "(TLS)" in found.message


def test_a_certificate_that_nobody_signed_is_said_to_be_so(monkeypatch):
    def untrusted(*args, **kwargs):
        raise ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate")

    listening = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", untrusted)
    found = verdict("openai", base_url=f"https://127.0.0.1:{listening.getsockname()[1]}/v1", model="m")
    listening.close()
    assert "The certificate of 127.0.0.1 cannot be trusted (TLS)" in found.message


def test_a_server_that_says_nothing_is_a_time_out(monkeypatch):
    monkeypatch.setattr("tenants.services.probe.SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        found = verdict("http", base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", auth="none", test_path="/")
    assert "did not answer within 0.2 seconds (time-out)" in found.message


@pytest.mark.parametrize(
    ("status", "ok", "words"),
    [
        (200, True, "answers 200 at /ping and lets us in."),
        (404, True, "with 404 at /ping"),
        (401, False, "does not accept the key or password"),
        (418, False, "answers 418 at /ping: teapot"),
    ],
)
def test_an_http_api_is_read_where_its_test_path_says(httpserver, status, ok, words):
    headers = {"Authorization": "Bearer tok-s3cr3t"}
    httpserver.expect_request("/v1/ping", headers=headers).respond_with_data("teapot", status=status)
    config = {"base_url": httpserver.url_for("/v1"), "auth": "bearer", "test_path": "/ping"}
    found = verdict("http", secrets={"token": "tok-s3cr3t"}, **config)
    assert (found.ok, words in found.message) == (ok, True), found


def test_a_mail_server_is_logged_in_to_and_sent_nothing(smtp):
    config = {"host": "127.0.0.1", "port": smtp.port, "security": "none", "sender": "a@b.test"}
    found = verdict("mail", secrets={}, username="", **config)
    assert (found.ok, found.message) == (True, "127.0.0.1 answers. No mail was sent.")
    assert smtp.mails == []
    smtp.replies = {"EHLO": "250-test\r\n250 AUTH PLAIN", "AUTH": "535 wrong"}
    found = verdict("mail", secrets={"password": "p4ssw0rd"}, username="me", **config)
    assert found.message == "The mail server refused the login: 535 wrong"
    smtp.replies = {"EHLO": "250-test\r\n250 AUTH PLAIN", "AUTH": "235 welcome"}
    assert verdict("mail", secrets={"password": "p4ssw0rd"}, username="me", **config).message.startswith(
        "127.0.0.1 let us in"
    )


def test_a_mail_server_without_starttls_is_said_to_be_so(smtp):
    config = {"host": "127.0.0.1", "port": smtp.port, "security": "starttls", "sender": "a@b.test", "username": ""}
    assert "cannot do what is asked of it: STARTTLS" in verdict("mail", secrets={}, **config).message
    assert "(TLS)" in verdict("mail", secrets={}, **config | {"security": "tls"}).message


@pytest.mark.parametrize("kind", ["slack", "teams"])
def test_a_chat_is_sent_a_test_message(httpserver, kind):
    httpserver.expect_request("/hook", method="POST").respond_with_data("ok")
    assert (
        verdict(kind, secrets={"webhook_url": httpserver.url_for("/hook")}).message == "localhost took a test message."
    )
    gone = httpserver.url_for("/gone-s3cr3t")
    httpserver.expect_request("/gone-s3cr3t").respond_with_data("no_service", status=404)
    found = verdict(kind, secrets={"webhook_url": gone})
    assert (found.ok, found.message) == (False, "localhost answers 404: no_service")
    assert "s3cr3t" not in verdict(kind, secrets={"webhook_url": "http://127.0.0.1:1/s3cr3t"}).message


def test_a_webhook_is_sent_a_signed_test(httpserver):
    httpserver.expect_request("/in", method="POST").respond_with_data("")
    secrets = {"signing_secret": "whsec_" + "c2Vj" * 8}
    assert verdict("webhook", secrets=secrets, url=httpserver.url_for("/in")).ok
    (request, _), *_ = httpserver.log
    assert request.headers["webhook-signature"].startswith("v1,")
    assert verdict("webhook", secrets={}, url=httpserver.url_for("/in")).ok


def test_what_the_guard_refuses_names_the_operators_setting(settings):
    settings.OUTGOING_HTTP_ALLOW = []
    found = verdict("ollama", base_url="http://localhost:11434/v1", model="m")
    assert "localhost is not in the public internet" in found.message
    assert "OUTGOING_HTTP_ALLOW" in found.message
