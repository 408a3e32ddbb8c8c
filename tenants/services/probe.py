"""“Test connection”: reaching the other side once, and saying plainly what came of it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from taskflow.lib import webhooks
from taskflow.lib.fields import dump_json
from taskflow.lib.http import Answer, AnswerTooLarge, Call, CallRefused, CallTimeout, Unreachable, get_client
from taskflow.lib.ids import new_uid
from taskflow.lib.imap import ImapFailed, open_folder
from taskflow.lib.strictjson import BadJSON, parse_json
from tenants.domain.connection_kinds import KINDS
from tenants.domain.connections import Connection
from tenants.models import Connection as Row
from tenants.services.calls import answer_without_secrets, host_of, url_below, with_auth, without_secrets
from tenants.services.connections import SWITCHED_OFF, open_connection
from tenants.services.mail import MailFailed, try_login

SECONDS = 10
SHOWN_MODELS = 8
FIRST_WORDS = 200
MOST_BYTES = 1024 * 1024
ANTHROPIC_VERSION = "2023-06-01"
#: What systems' errors mean to people who set a connection up: part of the message -> the sentence.
_UNREACHABLE = {
    "could not be found": "The name {host} could not be found (DNS). Check its spelling.",
    "CERTIFICATE_VERIFY_FAILED": "The certificate of {host} cannot be trusted (TLS): {detail}",
    "SSL": "No encrypted connection to {host} could be made (TLS): {detail}",
    "refused": "{host} refused the connection: nothing listens at that port.",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a connection works, and a sentence for people."""

    ok: bool
    message: str


def try_connection(*, row: Row, now: datetime) -> Verdict:
    """Test a stored connection, and keep what came of it."""
    connection = open_connection(row)
    problem = "" if connection.problem == SWITCHED_OFF else connection.problem
    verdict = Verdict(False, f"It cannot be used: {problem}.") if problem else probe(connection, now=now)
    row.last_test = {"ok": verdict.ok, "message": verdict.message, "at": now.isoformat()}
    Row.objects.filter(pk=row.pk, updated_at=row.updated_at).update(last_test=row.last_test)
    return verdict


def probe(connection: Connection, *, now: datetime) -> Verdict:
    """Reach the other side of a connection once. Kinds that can only post, post a test message."""
    try:
        verdict = _PROBES[connection.kind](connection, now)
    except CallTimeout:
        verdict = Verdict(False, f"{_host(connection)} did not answer within {SECONDS} seconds (time-out).")
    except Unreachable as error:
        verdict = Verdict(False, _in_words(_host(connection), str(error)))
    except CallRefused as error:
        verdict = Verdict(False, f"{error} The operator may allow it: OUTGOING_HTTP_ALLOW.")
    except (AnswerTooLarge, MailFailed) as error:
        verdict = Verdict(False, str(error))
    return Verdict(verdict.ok, without_secrets(verdict.message, connection))


def _host(connection: Connection) -> str:
    place = KINDS[connection.kind].address
    text = str(connection.config.get(place) or connection.secrets.get(place) or "")
    return text if place == "host" else host_of(text)


def _in_words(host: str, message: str) -> str:
    for part, sentence in _UNREACHABLE.items():
        if part in message:
            return sentence.format(host=host, detail=message.partition("failed: ")[2] or message)
    return f"{host} could not be reached: {message.partition('failed: ')[2] or message}"


def _llm(connection: Connection, now: datetime) -> Verdict:
    """List the models: that costs nothing, and shows the address, the key and the model's name to be right."""
    model = str(connection.config["model"])
    path = "/v1/models?limit=1000" if connection.kind == "anthropic" else "/models"
    answer = _get(connection, path, _llm_headers(connection))
    if answer.status in (404, 405):
        return Verdict(False, f"{_host(connection)} answers {answer.status} at {path}: is the base URL right?")
    if refusal := _refusal(connection, answer):
        return refusal
    known = _models(answer)
    if known is None:
        return Verdict(False, f"{_host(connection)} answers, but not like a language model: is the base URL right?")
    if known and _plain(model) not in map(_plain, known):
        close = ", ".join(sorted(known)[:SHOWN_MODELS]) + ("…" if len(known) > SHOWN_MODELS else "")
        return Verdict(False, f"The key is good, but there is no model '{model}'. There are: {close}.")
    return Verdict(True, f"{_host(connection)} answers, the key is good, and it knows the model '{model}'.")


def _llm_headers(connection: Connection) -> dict[str, str]:
    key = connection.secrets.get("api_key")
    if connection.kind == "anthropic":
        return {"x-api-key": key or "", "anthropic-version": ANTHROPIC_VERSION}
    return {"Authorization": f"Bearer {key}"} if key else {}


def _models(answer: Answer) -> list[str] | None:
    try:
        data: Any = parse_json(answer.body)
    except BadJSON:
        return None
    listed = data.get("data") if isinstance(data, dict) else None
    if not isinstance(listed, list):
        return None
    return [str(one["id"]) for one in listed if isinstance(one, dict) and "id" in one]


def _plain(model: str) -> str:
    return model.removeprefix("models/").removesuffix(":latest").lower()


def _http(connection: Connection, now: datetime) -> Verdict:
    path = str(connection.config["test_path"])
    call = Call("GET", url_below(connection.config["base_url"], path), timeout=SECONDS)
    answer = answer_without_secrets(get_client().send(with_auth(call, connection)), connection)
    if refusal := _refusal(connection, answer):
        return refusal
    host, auth = _host(connection), connection.config["auth"]
    let_in = "" if auth == "none" else " and lets us in"
    if answer.status == 404:
        return Verdict(True, f"{host} answers, with 404 at {path}: there is nothing there, but nothing was refused.")
    if answer.status >= 400:
        return Verdict(False, f"{host} answers {answer.status} at {path}{_words(answer)}")
    return Verdict(True, f"{host} answers {answer.status} at {path}{let_in}.")


def _mail(connection: Connection, now: datetime) -> Verdict:
    try_login(connection, timeout=SECONDS)
    done = "let us in" if connection.config["username"] else "answers"
    return Verdict(True, f"{_host(connection)} {done}. No mail was sent.")


def _slack(connection: Connection, now: datetime) -> Verdict:
    return _posted(connection, dump_json({"text": _TEST}).encode(), {})


def _teams(connection: Connection, now: datetime) -> Verdict:
    return _posted(connection, dump_json({"text": _TEST}).encode(), {})


def _webhook(connection: Connection, now: datetime) -> Verdict:
    body = dump_json({"type": "taskflow.test", "timestamp": now.isoformat(), "data": {"text": _TEST}}).encode()
    secret = connection.secrets.get("signing_secret")
    signed = webhooks.sign(secret, message_id=f"msg_{new_uid().hex}", now=now, body=body) if secret else {}
    return _posted(connection, body, signed)


_TEST = "This is a test from TaskFlow: the connection works."


def _posted(connection: Connection, body: bytes, headers: dict[str, str]) -> Verdict:
    place = KINDS[connection.kind].address
    url = str(connection.config.get(place) or connection.secrets[place])
    label = f"POST to {host_of(url)}"
    call = Call("POST", url, {"Content-Type": "application/json"} | headers, body, SECONDS, label=label)
    answer = answer_without_secrets(get_client().send(call), connection)
    if refusal := _refusal(connection, answer):
        return refusal
    if not 200 <= answer.status <= 299:
        return Verdict(False, f"{_host(connection)} answers {answer.status}{_words(answer)}")
    return Verdict(True, f"{_host(connection)} took a test message.")


def _get(connection: Connection, path: str, headers: dict[str, str]) -> Answer:
    call = Call("GET", url_below(connection.config["base_url"], path), headers, timeout=SECONDS)
    return answer_without_secrets(get_client().send(call), connection)


def _refusal(connection: Connection, answer: Answer) -> Verdict | None:
    host = _host(connection)
    if answer.status == 401:
        return Verdict(False, f"{host} does not accept the key or password (401){_words(answer)}")
    if answer.status == 403:
        return Verdict(False, f"{host} knows the key or password but does not allow this (403){_words(answer)}")
    if answer.status == 429:
        return Verdict(True, f"{host} answers, and says that it was asked too often just now (429).")
    if answer.status >= 500:
        return Verdict(False, f"{host} has trouble of its own ({answer.status}){_words(answer)}")
    return None


def _words(answer: Answer) -> str:
    words = " ".join(answer.text[: FIRST_WORDS * 4].split())[:FIRST_WORDS]
    return f": {words}" if words else "."


def _imap(connection: Connection, now: datetime) -> Verdict:
    """Log in and open the folder, and read nothing."""
    config = connection.config
    try:
        with open_folder(**config, password=connection.secrets.get("password", ""), longest=MOST_BYTES) as folder:
            unread = len(folder.unseen())
    except ImapFailed as error:
        return Verdict(False, str(error))
    return Verdict(True, f"The folder {config['folder']} is open: {unread} unread.")


_PROBES: dict[str, Callable[[Connection, datetime], Verdict]] = {
    "openai": _llm,
    "anthropic": _llm,
    "gemini": _llm,
    "ollama": _llm,
    "http": _http,
    "mail": _mail,
    "imap": _imap,
    "slack": _slack,
    "teams": _teams,
    "webhook": _webhook,
}
