"""The `http` step: calls another system and takes fields from its answer."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlencode, urlsplit

from pydantic import Field, field_validator, model_validator

from taskflow.lib.http import Call, CallRefused
from taskflow.lib.http.client import OWN_HEADERS, parse_url
from tenants.domain.connections import Connection
from tenants.services.calls import MASK, auth_headers, url_below, with_auth
from workflows.domain.definition import SLUG
from workflows.domain.hints import Advanced, Fillable, Names, Templated
from workflows.domain.outcomes import Done, Outcome, PermanentError
from workflows.kinds.answers import AnswerField, read_answer
from workflows.kinds.base import Effect, StepConfig, StepContext, StepKind
from workflows.kinds.language import is_path, text_of
from workflows.kinds.secrets import masked, masked_pairs
from workflows.kinds.sending import send, send_over, traced
from workflows.kinds.templated import Filler

HEADER_NAME = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$"
CONTENT_TYPES = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
    "text": "text/plain; charset=utf-8",
}


class Body(StepConfig):
    """What the call carries."""

    format: Annotated[Literal["json", "form", "text"], Field(title="Format")] = "json"
    content: Annotated[
        Any,
        Field(title="Content"),
        Fillable(),
    ]

    @model_validator(mode="after")
    def _content_fits(self) -> "Body":
        if self.format == "form" and not isinstance(self.content, dict):
            raise ValueError("a form needs names with values as its content")
        if self.format == "text" and not isinstance(self.content, str):
            raise ValueError("a text body needs a text as its content")
        return self


class HttpConfig(StepConfig):
    """The call to make, and what to take from the answer."""

    connection: Annotated[
        str | None,
        Field(title="Connection", pattern=SLUG, description="Gives the base URL and logs in; then the URL is a path."),
        Names("connection", ("http",)),
    ] = None
    method: Annotated[Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"], Field(title="Method")] = "GET"
    url: Annotated[
        str,
        Field(
            title="URL",
            min_length=1,
            max_length=2000,
            description=(
                "Values are quoted for use in a URL, unless |safe says they are a URL themselves. "
                "With a connection, the path below its base URL."
            ),
        ),
        Templated(),
    ]
    query: Annotated[dict[str, Any], Fillable()] = Field(
        default_factory=dict,
        title="Query",
        description="Added to the URL; what is nothing is left out.",
        max_length=100,
    )
    headers: dict[str, Annotated[str, Templated()]] = Field(default_factory=dict, title="Headers", max_length=50)
    body: Annotated[Body | None, Field(title="Body")] = None
    fields: Annotated[
        tuple[AnswerField, ...],
        Field(
            title="Fields to take from the answer", max_length=100, description="None: the status and the whole body."
        ),
    ] = ()
    success: Annotated[
        tuple[int, ...],
        Field(title="Statuses that mean success", description="Empty: 200 to 299.", max_length=50),
        Advanced(),
    ] = ()
    timeout: Annotated[float, Field(title="Seconds the call may take", gt=0, le=300), Advanced()] = 30.0
    idempotency_header: Annotated[
        str | None,
        Field(
            title="Idempotency header",
            pattern=HEADER_NAME,
            description="Carries a key that stays the same when a call is repeated after a crash. Empty: none.",
        ),
        Advanced(),
    ] = "Idempotency-Key"

    @field_validator("success")
    @classmethod
    def _are_statuses(cls, statuses: tuple[int, ...]) -> tuple[int, ...]:
        if any(not 100 <= status <= 599 for status in statuses):
            raise ValueError("a status is a number from 100 to 599")
        return statuses


def quote_value(text: str) -> str:
    """Quote a value for any part of a URL."""
    return quote(text, safe="")


class Http(StepKind[HttpConfig]):
    """Calls another system over HTTP. Errors that may pass (429, 5xx, timeouts, lost connections) are transient."""

    name = "http"
    title = "Call a URL"
    Config = HttpConfig
    effect = Effect.EXTERNAL

    def prepare(self) -> None:
        config, filler = self.config, Filler(self)
        self.url = self.template("url", config.url, quote=quote_value)
        if "{" not in config.url and config.connection is None:
            self._check_url(config.url)
        self.query = filler.compile("query", config.query)
        self.headers = filler.compile("headers", config.headers)
        self.content = None if config.body is None else filler.compile("body.content", config.body.content)
        for name in config.headers:
            self._check_header(name)
        for index, field in enumerate(config.fields):
            if not is_path(field.path):
                self.problem(f"fields.{index}.path", f"'{field.path}' is not a path like data.items[0].id")

    def _check_url(self, url: str) -> None:
        try:
            parse_url(url)
        except CallRefused as error:
            self.problem("url", str(error))

    def _check_header(self, name: str) -> None:
        if name.lower() in OWN_HEADERS:
            self.problem(f"headers.{name}", f"the header {name} is set by the call itself")
        elif not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
            self.problem(f"headers.{name}", f"'{name}' is not the name of a header")

    def run(self, context: StepContext) -> Outcome:
        call = self._call(context)
        if self.config.connection is None:
            answer = send(call)
        else:
            connection = context.connection(self.config.connection)
            call = with_auth(self._below(call, connection), connection)
            answer = send_over(context, connection, call)
        return Done(read_answer(answer, call, self.config.success, self.config.fields, context.now))

    def dry_run(self, context: StepContext) -> Outcome:
        call = self._call(context)
        sent: dict[str, Any] = {"method": call.method}
        if (slug := self.config.connection) is not None:
            sent["connection"] = slug
        if slug is not None and slug in context.connections:
            connection = context.connection(slug)
            call = self._below(call, connection)
            call = replace(call, headers={**call.headers, **dict.fromkeys(auth_headers(connection), MASK)})
        parts = urlsplit(call.url)
        sent["url"] = parts._replace(query=masked_pairs(parts.query)).geturl()
        sent["headers"] = {name: masked(name, value) for name, value in call.headers.items()}
        if call.body:
            sent["body"] = call.body.decode()
        return Done({"would_send": sent})

    def _below(self, call: Call, connection: Connection) -> Call:
        if connection.kind != "http":
            raise PermanentError(f"The connection '{connection.slug}' is no HTTP API: its kind is {connection.kind}.")
        try:
            return replace(call, url=url_below(connection.config["base_url"], call.url))
        except CallRefused as error:
            raise PermanentError(str(error)) from error

    def _call(self, context: StepContext) -> Call:
        names = context.names()
        headers = dict(self.headers(names))
        body = b""
        if self.config.body is not None and self.content is not None:
            body = encode(self.config.body.format, self.content(names))
            headers.setdefault("Content-Type", CONTENT_TYPES[self.config.body.format])
        if self.config.idempotency_header and self.config.method not in ("GET", "HEAD") and context.idempotency_key:
            headers[self.config.idempotency_header] = context.idempotency_key
        url = with_query(text_of(self.url, names).strip(), self.query(names))
        return Call(self.config.method, url, traced(context, headers), body, self.config.timeout)

    def output_schema(self) -> dict[str, Any]:
        if not self.config.fields:
            return {"type": "object", "properties": {"status": {"type": "integer"}, "body": {}}, "required": ["status"]}
        return {"type": "object", "properties": {field.name: {} for field in self.config.fields}}


def encode(form: str, content: Any) -> bytes:
    """Return a body's content in its format. Raises PermanentError for what the format cannot say."""
    try:
        if form == "json":
            return json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
        return (urlencode(pairs_of(content)) if form == "form" else str(content)).encode()
    except ValueError as error:
        raise PermanentError(f"The body cannot be sent as {form}: {error}") from error


def with_query(url: str, query: Mapping[str, Any]) -> str:
    """Add `query` to a URL that may have one already."""
    pairs = pairs_of(query)
    if not pairs:
        return url
    parts = urlsplit(url)
    return parts._replace(query="&".join(filter(None, (parts.query, urlencode(pairs))))).geturl()


def pairs_of(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return names with values as a form has them: null left out, lists repeated, the rest as JSON writes it."""
    pairs = []
    for name, value in values.items():
        for item in value if isinstance(value, list) else [value]:
            if item is not None:
                pairs.append((name, item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)))
    return pairs
