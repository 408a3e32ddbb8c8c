"""A plain webhook: the subject and the text as JSON, signed where the connection has a secret."""

from tenants.domain.connections import Connection
from workflows.domain.outcomes import Record
from workflows.kinds.base import StepContext
from workflows.kinds.notify.channel import Channel, Note
from workflows.kinds.sending import message_id, post_webhook


class Webhook(Channel):
    """A note to another system."""

    name = "webhook"

    def content(self, note: Note, connection: Connection | None) -> Record:
        return {"subject": note.subject, "text": note.text}

    def send(self, context: StepContext, note: Note, connection: Connection | None) -> None:
        if connection is None:
            raise AssertionError("unreachable")
        post_webhook(context, connection, self.content(note, connection), event_id=message_id(context))
