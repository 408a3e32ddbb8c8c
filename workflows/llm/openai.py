"""Providers that speak OpenAI's protocol: OpenAI itself, Gemini, Ollama, vLLM and many others, by their base URL."""

from dataclasses import replace
from functools import partial
from typing import Any

import openai
from openai.resources.chat import completions as _loaded  # noqa: F401 - else it loads within the first call's time

from taskflow.lib.http.sdk import get_sdk_client
from tenants.domain.connections import Connection
from workflows.domain.outcomes import Usage
from workflows.llm.calling import adapted, call, hide_secrets, readable
from workflows.llm.errors import ContentRefused, ModelUnavailable, shown
from workflows.llm.port import Message, Reply, Request, Token
from workflows.llm.prices import cost_of
from workflows.llm.schemas import plain_schema

OPENAI_URL = "https://api.openai.com/v1"
BASE_URLS = {
    "openai": OPENAI_URL,
    "gemini": "https://generativelanguage.googleapis.com/v1beta/openai/",
    "ollama": "http://localhost:11434/v1",
}


def ask(connection: Connection, request: Request) -> Reply:
    """Ask a model by OpenAI's chat completions."""
    base_url = connection.config.get("base_url") or BASE_URLS.get(connection.kind, OPENAI_URL)
    send = partial(_send, connection, base_url, request)
    return _read(connection, adapted(base_url, request.model, _options(base_url, request), send))


def _options(base_url: str, request: Request) -> dict[str, Any]:
    options: dict[str, Any] = {}
    # OpenAI's newer models refuse the old name of the limit; other servers know only that.
    options["max_completion_tokens" if base_url.startswith(OPENAI_URL) else "max_tokens"] = request.max_tokens
    if request.temperature is not None:
        options["temperature"] = request.temperature
    if request.schema is not None:
        schema = {"name": "answer", "strict": True, "schema": plain_schema(request.schema)}
        options["response_format"] = {"type": "json_schema", "json_schema": schema}
    if request.logprobs:
        options["logprobs"] = True
    return options


def _send(connection: Connection, base_url: str, request: Request, options: dict[str, Any]) -> Any:
    def send() -> Any:
        client = openai.OpenAI(
            # A server of one's own may want no key; the library insists on one.
            api_key=connection.secrets.get("api_key") or "none",
            base_url=base_url,
            max_retries=0,
            timeout=request.timeout,
            http_client=get_sdk_client(),
        )
        return client.chat.completions.create(
            model=request.model, messages=[_turn(message) for message in request.messages], **options
        )

    return call(connection, openai, request.timeout, send)


def _turn(message: Message) -> Any:
    return {"role": message.role, "content": message.content}


def _read(connection: Connection, answer: Any) -> Reply:
    with readable(connection):
        choice = answer.choices[0]
        message = choice.message
        text = message.content or ""
        refusal = getattr(message, "refusal", None)
        reason = choice.finish_reason or ""
        usage = _usage(connection, answer)
        tokens = _tokens(choice)
    place = f"The model of '{connection.slug}'"
    if refusal:
        raise ContentRefused(f"{place} would not answer: {shown(hide_secrets(connection, str(refusal)))}", usage=usage)
    if reason == "content_filter":
        words = f"the provider's content filter stopped it. {shown(text)}".strip()
        raise ContentRefused(f"{place} would not answer: {words}", usage=usage)
    if not isinstance(text, str) or not (text or reason == "length"):
        raise ModelUnavailable(f"{place} gave an empty answer.")
    return Reply(text, answer.model or "", usage, reason, cut=reason == "length", tokens=tokens)


def _usage(connection: Connection, answer: Any) -> Usage:
    spent = answer.usage
    if spent is None:
        return Usage()
    read, written = int(spent.prompt_tokens or 0), int(spent.completion_tokens or 0)
    return replace(Usage(read, written), cost=cost_of(connection, answer.model or "", read, written))


def _tokens(choice: Any) -> tuple[Token, ...]:
    pieces = getattr(getattr(choice, "logprobs", None), "content", None) or ()
    return tuple(Token(piece.token, float(piece.logprob)) for piece in pieces)
