"""What an endpoint may be told about its sender, and what of a request is kept."""

import re
from collections.abc import Mapping
from typing import Any

from automations.domain.signatures import Plain, Proof
from automations.domain.states import Scheme

HEADER_NAMES = ("header", "id_header", "event_header")
MOST_HEADERS, LONGEST_HEADER = 40, 300
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
#: A header is not kept when its name, split at hyphens, has one of these words: it proves something.
_SECRET_WORDS = frozenset(
    {"authorization", "auth", "cookie", "signature", "token", "secret", "key", "password", "credential", "hmac"}
)

Problem = tuple[str, str]


def config_problems(scheme: Scheme, config: Mapping[str, Any]) -> list[Problem]:
    """Return what is wrong with an endpoint's config, as (field, reason)."""
    if scheme is not Scheme.PLAIN:
        return [("config", f"The scheme '{scheme}' has nothing to choose.")] if config else []
    known = {"proof", *HEADER_NAMES}
    found = [(f"config.{name}", "There is no such choice.") for name in config if name not in known]
    if config.get("proof", Proof.SIGNATURE) not in list(Proof):
        found.append(("config.proof", f"Must be one of {', '.join(Proof)}."))
    for name in HEADER_NAMES:
        value = config.get(name, "")
        if value != "" and (not isinstance(value, str) or not _HEADER.fullmatch(value)):
            found.append((f"config.{name}", "Must be the name of a header: letters, digits and hyphens."))
    return found


def plain_of(config: Mapping[str, Any]) -> Plain:
    """Return how a plain sender does it, from an endpoint's config."""
    headers = {name: str(config.get(name, "")) for name in HEADER_NAMES}
    return Plain(Proof(config.get("proof", Proof.SIGNATURE)), **headers)


def kept_headers(headers: Mapping[str, str], plain: Plain) -> dict[str, str]:
    """Return the headers worth keeping: none that proves something, and not more than people would read."""
    kept: dict[str, str] = {}
    for name, value in headers.items():
        lowered = name.lower()
        if lowered == plain.header.lower() or not _SECRET_WORDS.isdisjoint(lowered.split("-")):
            continue
        if len(kept) == MOST_HEADERS:
            break
        kept[lowered] = "".join(letter if letter.isprintable() else " " for letter in value[:LONGEST_HEADER])
    return kept
