"""Anthropic's own protocol."""

from functools import partial
from typing import Any

import anthropic
from anthropic.resources import messages as _loaded  # noqa: F401 - else it loads within the first call's time

from taskflow.lib.http.sdk import get_sdk_client
from tenants.domain.connections import Connection
from workflows.domain.outcomes import Usage
from workflows.llm.calling import adapted, call, readable
from workflows.llm.errors import ContentRefused, ModelUnavailable, shown
from workflows.llm.port import Reply, Request
from workflows.llm.prices import cost_of
from workflows.llm.schemas import plain_schema

BASE_URL = "https://api.anthropic.com"


def ask(connection: Connection, request: Request) -> Reply:
    """Ask a model by Anthropic's messages. It gives no log-probabilities."""
    base_url = _base_url(connection)
    return _read(connection, adapted(base_url, request.model, _options(request), partial(_send, connection, request)))


def _base_url(connection: Connection) -> str:
    """Return the address without the version, which the library adds."""
    return str(connection.config.get("base_url") or BASE_URL).rstrip("/").removesuffix("/v1")


def _send(connection: Connection, request: Request, options: dict[str, Any]) -> Any:
    def send() -> Any:
        client = anthropic.Anthropic(
            api_key=connection.secrets.get("api_key") or "none",
            base_url=_base_url(connection),
            max_retries=0,
            timeout=request.timeout,
            http_client=get_sdk_client(),
        )
        return client.messages.create(timeout=request.timeout, **options)

    return call(connection, anthropic, request.timeout, send)


def _options(request: Request) -> dict[str, Any]:
    system = "\n\n".join(message.content for message in request.messages if message.role == "system")
    turns = [{"role": turn.role, "content": turn.content} for turn in request.messages if turn.role != "system"]
    options: dict[str, Any] = {"model": request.model, "max_tokens": request.max_tokens, "messages": turns}
    if system:
        options["system"] = system
    if request.temperature is not None:
        # Its newest models refuse a temperature, and say so; the library no longer names it.
        options["extra_body"] = {"temperature": min(request.temperature, 1.0)}
    if request.schema is not None:
        options["output_config"] = {"format": {"type": "json_schema", "schema": plain_schema(request.schema)}}
    return options


def _read(connection: Connection, answer: Any) -> Reply:
    with readable(connection):
        text = "".join(block.text for block in answer.content if block.type == "text")
        reason = answer.stop_reason or ""
        read, written = int(answer.usage.input_tokens or 0), int(answer.usage.output_tokens or 0)
        usage = Usage(read, written, cost_of(connection, answer.model, read, written))
    place = f"The model of '{connection.slug}'"
    if reason == "refusal":
        raise ContentRefused(f"{place} would not answer. {shown(text)}".strip(), usage=usage)
    if not text and reason != "max_tokens":
        raise ModelUnavailable(f"{place} gave an empty answer.")
    return Reply(text, answer.model, usage, reason, cut=reason == "max_tokens")
