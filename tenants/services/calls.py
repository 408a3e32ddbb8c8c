"""Calls by way of a connection: where they lead, how they show who is calling, and keeping that out of answers."""

import base64
import re
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import quote, quote_plus, urlsplit

import httpx2

from taskflow.lib.http import Answer, Call, CallRefused
from taskflow.lib.http.client import parse_url
from tenants.domain.connections import Connection

MASK = "***"
#: Shorter secrets are not looked for in answers: they would be found in half of all words.
SHORTEST = 4
_DOTS = re.compile(r"(?:^|[/\\]|%2f|%5c)(?:\.|%2e){1,2}(?:[/\\]|%2f|%5c|$)", re.IGNORECASE)


def url_below(base_url: str, url: str) -> str:
    """Return the URL that `url` means below `base_url`: a path is joined to it, a whole URL must be of its host.

    Raises CallRefused for another host, and for a path that would climb out of the base's own.
    """
    base = base_url.rstrip("/")
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", url) is None:
        joined = base + ("" if not url or url[0] in "?#" else "/") + url.lstrip("/")
    else:
        joined = url
    here, there = parse_url(base), parse_url(joined)
    if here.origin != there.origin:
        raise CallRefused(f"The call leads to {there.host}, but its connection is for {here.host} only.")
    if _DOTS.search(urlsplit(joined).path) or not f"{there.path}/".startswith(f"{here.path.rstrip('/')}/"):
        raise CallRefused("The call's path leads out of the connection's base URL.")
    return joined


def with_auth(call: Call, connection: Connection) -> Call:
    """Return `call` with what shows the other side who is calling."""
    auth, secrets = connection.config.get("auth", "none"), connection.secrets
    if auth == "query":
        parts = urlsplit(call.url)
        pair = f"{quote_plus(connection.config['auth_name'])}={quote_plus(secrets['token'])}"
        return replace(call, url=parts._replace(query="&".join(filter(None, (parts.query, pair)))).geturl())
    added = auth_headers(connection)
    names = {name.lower() for name in added}
    kept = {name: value for name, value in call.headers.items() if name.lower() not in names}
    return replace(call, headers=kept | added)


def auth_headers(connection: Connection) -> dict[str, str]:
    """Return the headers that carry a connection's secret; none where it travels otherwise."""
    config, secrets = connection.config, connection.secrets
    match config.get("auth", "none"):
        case "bearer":
            return {"Authorization": f"Bearer {secrets['token']}"}
        case "basic":
            return {"Authorization": f"Basic {_basic(connection)}"}
        case "header":
            return {config["auth_name"]: secrets["token"]}
    return {}


def _basic(connection: Connection) -> str:
    return base64.b64encode(f"{connection.config['username']}:{connection.secrets['password']}".encode()).decode()


def without_secrets(text: str, connection: Connection) -> str:
    """Return `text` with the connection's secrets hidden, in the forms in which they travel."""
    for form in _forms(connection):
        text = text.replace(form, MASK)
    return text


def answer_without_secrets(answer: Answer, connection: Connection) -> Answer:
    """Return an answer that does not give the connection's secrets back: some servers echo what they were sent."""
    body, headers = answer.body, dict(answer.headers)
    for form in _forms(connection):
        body = body.replace(form.encode(), MASK.encode())
        headers = {name: value.replace(form, MASK) for name, value in headers.items()}
    return replace(answer, body=body, headers=headers, url=without_secrets(answer.url, connection))


def _forms(connection: Connection) -> list[str]:
    plain = [secret for secret in connection.secrets.values() if len(secret) >= SHORTEST]
    if connection.config.get("auth") == "basic" and "password" in connection.secrets:
        plain.append(_basic(connection))
    forms = {form for secret in plain for form in (secret, quote(secret, safe=""), quote_plus(secret))}
    forms |= {secret.replace("\\", "\\\\").replace('"', '\\"') for secret in plain}
    return sorted(forms, key=len, reverse=True)


def host_of(url: str) -> str:
    """Return the host that a URL leads to, for messages that must not name the rest of it."""
    try:
        return httpx2.URL(url).host
    except (httpx2.InvalidURL, ValueError):
        return "its address"


def shown_headers(headers: Mapping[str, str], connection: Connection) -> dict[str, str]:
    """Return headers for people to read, the connection's secrets hidden."""
    return {name: without_secrets(value, connection) for name, value in headers.items()}
