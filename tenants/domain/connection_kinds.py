"""The kinds of connections there are: what each has to know, and which of it is secret."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from taskflow.lib import webhooks

#: Outgoing headers that are made from the call itself or say what it carries.
NOT_FOR_AUTH = frozenset({"host", "content-length", "content-type", "transfer-encoding", "connection", "cookie"})
#: The form of a header's name (RFC 9110, 5.6.2).
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
LONGEST_SECRET = 4000
Url = Annotated[str, Field(min_length=1, max_length=1000)]


class Group(StrEnum):
    """What connections of a kind are for."""

    LLM = "Language models"
    HTTP = "Other systems"
    MESSAGES = "Messages"


class ConnectionConfig(BaseModel):
    """The base of every kind's config: unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, validate_default=True)

    def secrets_needed(self) -> frozenset[str]:
        """Return the names of the secrets without which such a connection cannot work."""
        return frozenset()


class LlmConfig(ConnectionConfig):
    """A language model behind an OpenAI-compatible address."""

    base_url: Annotated[Url, Field(title="Base URL", description="Up to and with the version: …/v1")]
    model: Annotated[
        str,
        Field(title="Model", min_length=1, max_length=200, description="For steps that name none."),
    ]
    input_price: Annotated[
        float | None,
        Field(
            title="Price of reading", ge=0, le=10_000, description="US dollars for a million tokens; empty: as listed."
        ),
    ] = None
    output_price: Annotated[
        float | None,
        Field(
            title="Price of writing", ge=0, le=10_000, description="US dollars for a million tokens; empty: as listed."
        ),
    ] = None


class OpenAIConfig(LlmConfig):
    """OpenAI, or any server that speaks its protocol."""

    base_url: Annotated[Url, Field(title="Base URL", description="Up to and with the version: …/v1")] = (
        "https://api.openai.com/v1"
    )

    def secrets_needed(self) -> frozenset[str]:
        return frozenset({"api_key"}) if self.base_url.startswith("https://api.openai.com") else frozenset()


class AnthropicConfig(LlmConfig):
    """Anthropic's models."""

    base_url: Annotated[Url, Field(title="Base URL")] = "https://api.anthropic.com"

    def secrets_needed(self) -> frozenset[str]:
        return frozenset({"api_key"})


class GeminiConfig(LlmConfig):
    """Google's Gemini models, by the OpenAI-compatible address."""

    base_url: Annotated[Url, Field(title="Base URL")] = "https://generativelanguage.googleapis.com/v1beta/openai"

    def secrets_needed(self) -> frozenset[str]:
        return frozenset({"api_key"})


class OllamaConfig(LlmConfig):
    """Models on a machine of one's own, by the OpenAI-compatible address."""

    base_url: Annotated[
        Url, Field(title="Base URL", description="The operator must allow it: OUTGOING_HTTP_ALLOW names its host.")
    ] = "http://localhost:11434/v1"


class HttpConfig(ConnectionConfig):
    """An HTTP API and how to show who is calling."""

    base_url: Annotated[Url, Field(title="Base URL", description="Steps give the path below it.")]
    auth: Annotated[Literal["none", "bearer", "basic", "header", "query"], Field(title="Authentication")] = "none"
    auth_name: Annotated[
        str,
        Field(title="Name of the header or parameter", max_length=100, description="For header and query only."),
    ] = ""
    username: Annotated[str, Field(title="User name", max_length=200, description="For basic only.")] = ""
    test_path: Annotated[
        str, Field(title="Path for the test", max_length=500, description="What “Test connection” reads.")
    ] = "/"

    @field_validator("auth_name")
    @classmethod
    def _names_what_carries_the_secret(cls, name: str, info: ValidationInfo) -> str:
        auth = info.data.get("auth")
        if auth in ("header", "query") and _NAME.fullmatch(name) is None:
            raise ValueError(f"{auth} needs the name of the {'header' if auth == 'header' else 'parameter'}")
        if auth == "header" and name.lower() in NOT_FOR_AUTH:
            raise ValueError(f"the header {name} cannot carry the secret")
        return name

    @field_validator("username")
    @classmethod
    def _basic_has_a_user(cls, name: str, info: ValidationInfo) -> str:
        if info.data.get("auth") == "basic" and (not name or ":" in name):
            raise ValueError("basic needs a user name without a colon")
        return name

    def secrets_needed(self) -> frozenset[str]:
        needs = {"bearer": "token", "header": "token", "query": "token", "basic": "password"}
        return frozenset({needs[self.auth]}) if self.auth in needs else frozenset()


class MailConfig(ConnectionConfig):
    """An SMTP server."""

    host: Annotated[str, Field(title="Server", min_length=1, max_length=253, pattern=r"^[^\s/@:\[\]%]+$|^[0-9a-f:.]+$")]
    port: Annotated[int, Field(title="Port", ge=1, le=65535)] = 587
    security: Annotated[Literal["starttls", "tls", "none"], Field(title="Encryption")] = "starttls"
    username: Annotated[str, Field(title="User name", max_length=200, description="Empty: no login.")] = ""
    sender: Annotated[
        str,
        Field(
            title="From", min_length=3, max_length=320, pattern=r"^[^\r\n]*@[^\r\n]*$", description="The mail’s sender."
        ),
    ]

    @field_validator("username")
    @classmethod
    def _password_travels_encrypted(cls, name: str, info: ValidationInfo) -> str:
        if name and info.data.get("security") == "none":
            raise ValueError("a login needs starttls or tls, or its password is readable on the way")
        return name

    def secrets_needed(self) -> frozenset[str]:
        return frozenset({"password"}) if self.username else frozenset()


class ImapConfig(ConnectionConfig):
    """A folder on an IMAP server."""

    host: Annotated[str, Field(title="Server", min_length=1, max_length=253, pattern=r"^[^\s/@:\[\]%]+$|^[0-9a-f:.]+$")]
    port: Annotated[int, Field(title="Port", ge=1, le=65535)] = 993
    security: Annotated[Literal["tls", "starttls", "none"], Field(title="Encryption")] = "tls"
    username: Annotated[str, Field(title="User name", min_length=1, max_length=200)]
    folder: Annotated[str, Field(title="Folder", min_length=1, max_length=200, pattern=r"^[^\r\n\x00]+$")] = "INBOX"

    def secrets_needed(self) -> frozenset[str]:
        return frozenset({"password"})


class ChatConfig(ConnectionConfig):
    """A channel of a chat, reached by the incoming webhook it gave out. The address is the secret."""

    def secrets_needed(self) -> frozenset[str]:
        return frozenset({"webhook_url"})


class WebhookConfig(ConnectionConfig):
    """An address of another system that takes webhooks."""

    url: Annotated[Url, Field(title="URL")]


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret of a kind: how it is called, and what people should know to fill it in."""

    name: str
    title: str
    help: str = ""


@dataclass(frozen=True, slots=True)
class ConnectionKind:
    """A kind of connection. `address` names where its config, or else its secrets, say which host it leads to."""

    name: str
    title: str
    group: Group
    Config: type[ConnectionConfig]
    secrets: tuple[Secret, ...] = ()
    address: str = "base_url"
    summary: str = ""

    @property
    def is_llm(self) -> bool:
        """Whether it leads to a language model."""
        return self.group is Group.LLM


API_KEY = Secret("api_key", "API key")
SIGNING = Secret("signing_secret", "Signing secret", "whsec_… as the Standard Webhooks scheme has it; empty: unsigned.")
CHAT_URL = Secret("webhook_url", "Webhook URL", "Whoever knows it can post, so it is kept like a password.")

KINDS: dict[str, ConnectionKind] = {
    kind.name: kind
    for kind in (
        ConnectionKind(
            "openai", "OpenAI or compatible", Group.LLM, OpenAIConfig, (API_KEY,), summary="OpenAI, vLLM, and others."
        ),
        ConnectionKind("anthropic", "Anthropic", Group.LLM, AnthropicConfig, (API_KEY,), summary="Claude models."),
        ConnectionKind(
            "gemini",
            "Google Gemini",
            Group.LLM,
            GeminiConfig,
            (API_KEY,),
            summary="Gemini models, with a key of Google AI Studio.",
        ),
        ConnectionKind(
            "ollama", "Ollama", Group.LLM, OllamaConfig, (API_KEY,), summary="Models on a machine of your own."
        ),
        ConnectionKind(
            "http",
            "HTTP API",
            Group.HTTP,
            HttpConfig,
            (Secret("token", "Token or key"), Secret("password", "Password", "For basic only.")),
            summary="A base URL and how to log in.",
        ),
        ConnectionKind(
            "webhook", "Webhook", Group.HTTP, WebhookConfig, (SIGNING,), "url", "Another system takes signed events."
        ),
        ConnectionKind(
            "mail", "Mail (SMTP)", Group.MESSAGES, MailConfig, (Secret("password", "Password"),), "host", "Sends mail."
        ),
        ConnectionKind(
            "imap",
            "Mailbox (IMAP)",
            Group.MESSAGES,
            ImapConfig,
            (Secret("password", "Password"),),
            "host",
            "Mail that is taken in.",
        ),
        ConnectionKind("slack", "Slack", Group.MESSAGES, ChatConfig, (CHAT_URL,), "webhook_url", "Posts to a channel."),
        ConnectionKind(
            "teams", "Microsoft Teams", Group.MESSAGES, ChatConfig, (CHAT_URL,), "webhook_url", "Posts to a channel."
        ),
    )
}
LLM_KINDS = frozenset(name for name, kind in KINDS.items() if kind.is_llm)


def check_secret(name: str, value: str) -> str | None:
    """Return what is wrong with a secret's value, or None."""
    if len(value) > LONGEST_SECRET:
        return f"is longer than {LONGEST_SECRET} characters"
    if any(letter < " " or letter == "\x7f" for letter in value):
        return "must not hold line breaks or control characters"
    if name in ("token", "api_key") and not value.isascii():
        return "must be of ASCII characters, as it travels in a header"
    if name == "signing_secret":
        try:
            webhooks.read_secret(value)
        except ValueError as error:
            return str(error)
    return None


def address_of(kind: ConnectionKind, config: Mapping[str, Any], secrets: Mapping[str, str]) -> str:
    """Return the URL or host that a connection leads to."""
    return str(config.get(kind.address) or secrets.get(kind.address) or "")
