"""A tenant's connections to the outside, as steps see them: plain values, without rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Protocol


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

    `config` holds what may be shown (base_url, model, auth), `secrets` what may not.
    """

    slug: str
    kind: str
    config: Mapping[str, Any]
    secrets: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    limits: Limits = Limits()
    id: int = 0


LLM_KINDS = frozenset({"openai", "anthropic", "gemini", "ollama", "vllm"})
DEFAULT_SLUG = "default"


def llm_connection(connections: Mapping[str, Connection], slug: str | None = None) -> Connection | None:
    """Return the LLM connection a step uses, or None.

    The one it names; without a name the tenant's `default`, else the first by slug.
    """
    usable = {name: one for name, one in connections.items() if one.kind in LLM_KINDS}
    if slug:
        return usable.get(slug)
    return usable.get(DEFAULT_SLUG) or next((usable[name] for name in sorted(usable)), None)


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
