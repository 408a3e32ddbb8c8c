"""Whether a connection can be stored: its config by kind, where it leads to, and its secrets."""

from collections.abc import Mapping
from typing import Any

import httpx2
from pydantic import ValidationError

from taskflow.lib.http import CallRefused, get_client
from tenants.domain.connection_kinds import ConnectionConfig, ConnectionKind, address_of, check_secret
from tenants.domain.connections import DEFAULT_SLUG

Problem = tuple[str, str]
_WORDS = {"missing": "is missing", "extra_forbidden": "is not known here", "string_too_short": "must not be empty"}


def check_config(
    kind: ConnectionKind, slug: str, config: Mapping[str, Any]
) -> tuple[ConnectionConfig | None, list[Problem]]:
    """Return the config typed, if it has the form of one, and what is wrong with it."""
    problems: list[Problem] = []
    if slug == DEFAULT_SLUG and not kind.is_llm:
        problems.append(("slug", f"'{DEFAULT_SLUG}' is kept for the language model that steps use if they name none"))
    try:
        typed = kind.Config.model_validate(config)
    except ValidationError as error:
        return None, problems + [
            (".".join(map(str, ("config", *one["loc"]))), _WORDS.get(one["type"], _plain(one["msg"])))
            for one in error.errors(include_url=False)
        ]
    address = address_of(kind, typed.model_dump(), {})
    reason = refusal_of_address(kind, address) if address else None
    return typed, problems + ([(f"config.{kind.address}", reason)] if reason else [])


def _plain(message: str) -> str:
    return message.removeprefix("Value error, ").replace("Input should", "should", 1)


def refusal_of_address(kind: ConnectionKind, address: str) -> str | None:
    """Return why connections may not lead to `address` (a URL, or a host of mail), as far as it shows by itself."""
    try:
        if kind.address == "host":
            get_client().check_host(address)
            return None
        url = get_client().checked(address)
    except CallRefused as error:
        return str(error)
    if kind.address == "base_url" and (url.query or url.fragment):
        return "A base URL has no query and no fragment."
    if kind.address == "webhook_url" and url.scheme != "https":
        return "It must start with https://, for whoever reads it can post."
    return None


def check_new_secrets(
    kind: ConnectionKind,
    config: ConnectionConfig,
    *,
    before: Mapping[str, Any],
    kept: Mapping[str, str | None],
    given: Mapping[str, str | None],
) -> list[Problem]:
    """Return what is wrong with the secrets of a connection: those `kept` from before, and those `given` now."""
    known = {secret.name for secret in kind.secrets}
    problems = [(f"secrets.{name}", f"{kind.title} has no such secret") for name in given if name not in known]
    for name, value in given.items():
        if name in known and value and (reason := check_secret(name, value)):
            problems.append((f"secrets.{name}", reason))
    here = {name: value for name, value in (dict(kept) | dict(given)).items() if value}
    problems += [
        (f"secrets.{name}", "is missing") for name in sorted(config.secrets_needed()) if name in known - here.keys()
    ]
    if (hidden := given.get(kind.address)) and (reason := refusal_of_address(kind, hidden)):
        problems.append((f"secrets.{kind.address}", reason))
    if kept and place_of(kind, before) != place_of(kind, config.model_dump()):
        reason = "give it anew, as the connection now leads elsewhere, or remove it"
        problems += [(f"secrets.{name}", reason) for name in kept]
    return problems


def place_of(kind: ConnectionKind, config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return to whom a connection's secrets are shown: scheme, host and port, and whether they travel encrypted."""
    address = address_of(kind, config, {})
    if kind.address == "host":
        return (address.lower(), str(config.get("port")), str(config.get("security")))
    try:
        url = httpx2.URL(address)
    except (httpx2.InvalidURL, ValueError):
        return (address,)
    return (url.scheme, url.host, str(url.port))
