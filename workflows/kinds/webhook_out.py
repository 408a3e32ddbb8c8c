"""The `webhook_out` step: sends an event to another system, signed by the Standard Webhooks scheme."""

from typing import Annotated, Any

from pydantic import Field

from tenants.domain.connections import Connection
from workflows.domain.definition import SLUG
from workflows.domain.hints import Fillable, Names
from workflows.domain.outcomes import Done, Outcome, PermanentError
from workflows.kinds.base import Effect, StepConfig, StepContext, StepKind
from workflows.kinds.http import encode
from workflows.kinds.sending import message_id, post_webhook
from workflows.kinds.templated import Filler

EVENT_TYPE = r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$"


class WebhookOutConfig(StepConfig):
    """The event to send, and where."""

    connection: Annotated[
        str,
        Field(title="Connection", pattern=SLUG, description="A webhook with a secret."),
        Names("connection", ("webhook",)),
    ]
    type: Annotated[
        str,
        Field(title="Type", pattern=EVENT_TYPE, max_length=100, description="What happened, such as invoice.approved."),
    ]
    data: Annotated[
        dict[str, Any],
        Field(title="Data", description="What to send. Empty: everything found so far."),
        Fillable(),
    ] = {}


class WebhookOut(StepKind[WebhookOutConfig]):
    """Sends a signed event. Its id stays the same when a crash makes the engine repeat the step."""

    name = "webhook_out"
    title = "Send a webhook"
    Config = WebhookOutConfig
    effect = Effect.EXTERNAL

    def prepare(self) -> None:
        self.data = Filler(self).compile("data", self.config.data)

    def run(self, context: StepContext) -> Outcome:
        connection = self._connection(context)
        if "signing_secret" not in connection.secrets:
            raise PermanentError(f"The connection '{connection.slug}' has no signing secret: set one, or use http.")
        event_id = message_id(context)
        status = post_webhook(context, connection, self._event(context), event_id=event_id)
        return Done({"status": status, "message_id": event_id})

    def dry_run(self, context: StepContext) -> Outcome:
        event = self._event(context)
        encode("json", event)
        sent: dict[str, Any] = {"connection": self.config.connection, "body": event}
        if self.config.connection in context.connections:
            sent["url"] = self._connection(context).config["url"].partition("?")[0]
        return Done({"would_send": sent})

    def _event(self, context: StepContext) -> dict[str, Any]:
        data = self.data(context.names()) if self.config.data else context.record
        return {"type": self.config.type, "timestamp": context.now.isoformat(), "data": data}

    def _connection(self, context: StepContext) -> Connection:
        connection = context.connection(self.config.connection)
        if connection.kind != "webhook":
            raise PermanentError(f"The connection '{connection.slug}' is no webhook: its kind is {connection.kind}.")
        return connection

    def output_schema(self) -> dict[str, Any]:
        properties = {"status": {"type": "integer"}, "message_id": {"type": "string"}}
        return {"type": "object", "properties": properties, "required": ["status", "message_id"]}
