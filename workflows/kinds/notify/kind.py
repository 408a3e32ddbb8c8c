"""The `notify` step."""

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from tenants.domain.connections import Connection
from workflows.domain.definition import SLUG
from workflows.domain.hints import Names, ShownWhen, Templated, Wording
from workflows.domain.outcomes import Done, Outcome, PermanentError
from workflows.kinds.base import Effect, StepConfig, StepContext, StepKind
from workflows.kinds.language import text_of
from workflows.kinds.notify.channel import Channel, Note
from workflows.kinds.notify.chat import Slack, Teams
from workflows.kinds.notify.mail import Mail
from workflows.kinds.notify.webhook import Webhook

#: The channels there are. A new one is one file and a line here.
CHANNELS: dict[str, Channel] = {channel.name: channel for channel in (Mail(), Slack(), Teams(), Webhook())}
MOST_PEOPLE = 50
WAYS = Wording((("mail", "Mail"), ("slack", "Slack"), ("teams", "Microsoft Teams"), ("webhook", "Webhook")))
LONGEST_SUBJECT = 300
ADDRESS = re.compile(r"[^@\s,;<>()\"\\]{1,64}@[^@\s,;<>()\"\\]{1,255}")


class NotifyConfig(StepConfig):
    """Whom to tell what, by which way."""

    channel: Annotated[Literal["mail", "slack", "teams", "webhook"], Field(title="By"), WAYS]
    connection: Annotated[
        str | None,
        Field(
            title="Connection", pattern=SLUG, description="Mail without one goes through the deployment's mail server."
        ),
        Names("connection", tuple(CHANNELS)),
    ] = None
    to: Annotated[
        tuple[Annotated[str, Templated()], ...],
        Field(title="To", max_length=MOST_PEOPLE, description="Mail addresses."),
        ShownWhen("channel", ("mail",)),
    ] = ()
    subject: Annotated[str, Field(title="Subject", max_length=2000), Templated()] = ""
    text: Annotated[str, Field(title="Text", min_length=1, max_length=50_000), Templated()]

    @field_validator("connection")
    @classmethod
    def _no_empty_name(cls, connection: str | None) -> str | None:
        return connection or None

    @model_validator(mode="after")
    def _fits_the_channel(self) -> "NotifyConfig":
        channel = CHANNELS[self.channel]
        if self.connection is None and not channel.works_alone:
            raise ValueError(f"{self.channel} needs a connection")
        if channel.addressed and not self.to:
            raise ValueError(f"{self.channel} needs somebody in `to`")
        if not channel.addressed and self.to:
            raise ValueError(f"{self.channel} takes no `to`: its connection says where it goes")
        return self


class Notify(StepKind[NotifyConfig]):
    """Tells people something by mail, in a chat, or by a webhook."""

    name = "notify"
    title = "Notify"
    Config = NotifyConfig
    effect = Effect.EXTERNAL

    def prepare(self) -> None:
        config = self.config
        self.channel = CHANNELS[config.channel]
        self.subject = self.template("subject", config.subject, quote=self.channel.quote)
        self.text = self.template("text", config.text, quote=self.channel.quote)
        self.to = [self.template(f"to.{index}", text) for index, text in enumerate(config.to)]

    def run(self, context: StepContext) -> Outcome:
        note = self._note(context)
        connection = self._connection(context)
        self.channel.send(context, note, connection)
        return Done(
            {"notified": self.config.channel, "to": list(note.to)} if note.to else {"notified": self.channel.name}
        )

    def dry_run(self, context: StepContext) -> Outcome:
        note = self._note(context)
        known = self.config.connection is None or self.config.connection in context.connections
        sent: dict[str, Any] = {"channel": self.config.channel, "connection": self.config.connection}
        if known:
            sent |= self.channel.content(note, self._connection(context))
        else:
            sent |= {"to": list(note.to), "subject": note.subject, "text": note.text}
        return Done({"would_send": sent})

    def _connection(self, context: StepContext) -> Connection | None:
        return connection_for(self.channel, self.config.connection, context)

    def _note(self, context: StepContext) -> Note:
        names = context.names()
        subject, text = text_of(self.subject, names), text_of(self.text, names)
        return note_for(self.channel, subject, text, [text_of(each, names) for each in self.to])

    def output_schema(self) -> dict[str, Any]:
        properties = {"notified": {"type": "string"}, "to": {"type": "array", "items": {"type": "string"}}}
        return {"type": "object", "properties": properties, "required": ["notified"]}


def connection_for(channel: Channel, slug: str | None, context: StepContext) -> Connection | None:
    """Return the connection a channel goes by. Raises PermanentError where it is none of the channel's."""
    if slug is None:
        return None
    connection = context.connection(slug)
    if connection.kind != channel.name:
        raise PermanentError(
            f"The connection '{connection.slug}' is not for {channel.name}: its kind is {connection.kind}."
        )
    return connection


def note_for(channel: Channel, subject: str, text: str, to: Iterable[str]) -> Note:
    """Return what is to be told, in the form a channel takes. Raises PermanentError where it cannot be told."""
    # A line break in a subject would begin another header.
    subject = " ".join(subject.split())[:LONGEST_SUBJECT]
    if not text.strip():
        raise PermanentError("The text to send is empty.")
    people = list(dict.fromkeys(filter(None, (each.strip() for each in to))))
    for person in people:
        if ADDRESS.fullmatch(person) is None:
            raise PermanentError(f"'{person[:100]}' is not a mail address.")
    if channel.addressed and not people:
        raise PermanentError("There is nobody to send to: every address is empty.")
    return Note(text, subject, tuple(people))
