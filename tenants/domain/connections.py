"""A tenant's connections to the outside, as steps see them: plain values, without rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Protocol

from tenants.domain.connection_kinds import LLM_KINDS as LLM_KINDS

#: The slug under which the deployment's own language model appears to tenants that have none of that name.
DEFAULT_SLUG = "default"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a connection may be used for at most; None is no limit. `monthly_budget` is in US dollars."""

    concurrent: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    monthly_budget: float | None = None


@dataclass(frozen=True, slots=True)
class Connection:
    """A named way to an outside system. `kind` says which (openai, anthropic, gemini, ollama, http, mail, slack, ...).

    `config` holds what may be shown (base_url, model, auth), `secrets` what may not. `problem` says why it cannot be
    used (switched off, secrets that no key opens); nothing where it can. An `id` of 0 is the deployment's own.
    """

    slug: str
    kind: str
    config: Mapping[str, Any]
    secrets: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    limits: Limits = Limits()
    id: int = 0
    problem: str = ""
    enabled: bool = True

    @property
    def is_llm(self) -> bool:
        """Whether it leads to a language model."""
        return self.kind in LLM_KINDS


class ConnectionUnusable(Exception):
    """There is no such connection, or it cannot be used now; the message says what to do."""


def find_connection(connections: Mapping[str, Connection], slug: str) -> Connection:
    """Return the connection `slug`. Raises ConnectionUnusable."""
    found = connections.get(slug)
    if found is None:
        raise ConnectionUnusable(f"There is no connection '{slug}': add it, or name another in the step.")
    if found.problem:
        raise ConnectionUnusable(f"The connection '{slug}' cannot be used: {found.problem}.")
    return found


def llm_connection(connections: Mapping[str, Connection], slug: str | None = None) -> Connection:
    """Return the language model a step uses: the one it names, else the tenant's choice, else the deployment's.

    The tenant's choice is its connection `default`, or else the first by slug that is switched on. Raises
    ConnectionUnusable.
    """
    if slug is not None:
        found = find_connection(connections, slug)
        if not found.is_llm:
            raise ConnectionUnusable(f"The connection '{slug}' leads to no language model: its kind is {found.kind}.")
        return found
    models = [each for _, each in sorted(connections.items()) if each.is_llm and each.enabled]
    models.sort(key=lambda each: (each.id == 0, each.slug != DEFAULT_SLUG))
    if not models:
        raise ConnectionUnusable("There is no connection to a language model: add one under Settings, Connections.")
    return find_connection(connections, models[0].slug)


class LimitReached(Exception):
    """A connection may not be used now. `until` is when to try again: the step is snoozed until then, not failed."""

    def __init__(self, reason: str, *, until: datetime) -> None:
        super().__init__(reason)
        self.reason = reason
        self.until = until


class Permit(Protocol):
    """The leave to make one call, to be given back when the call is over."""

    def leave(self, *, tokens: int = 0, cost: float = 0.0) -> None:
        """Say that the call is over, and what it really took: tokens in all, and US dollars."""


class Gate(Protocol):
    """What holds a tenant's connections to their limits, over all workers."""

    def enter(self, connection: Connection, *, now: datetime, tokens: int = 0) -> Permit:
        """Return the leave for a call that may take `tokens`. Raises LimitReached."""


@dataclass(frozen=True, slots=True)
class FreePermit:
    """The leave of a gate without limits."""

    def leave(self, *, tokens: int = 0, cost: float = 0.0) -> None:
        """Nothing is counted."""


@dataclass(frozen=True, slots=True)
class OpenGate:
    """A gate without limits: for runs in memory."""

    def enter(self, connection: Connection, *, now: datetime, tokens: int = 0) -> FreePermit:
        """Return the leave."""
        return FreePermit()
