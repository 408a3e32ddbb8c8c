"""Chats, by the incoming webhook that a channel gave out. The address is the secret."""

from tenants.domain.connections import Connection
from workflows.domain.outcomes import PermanentError, Record
from workflows.kinds.base import StepContext
from workflows.kinds.notify.channel import Channel, Note
from workflows.kinds.sending import post_json

#: Slack cuts texts off at 40,000 characters, Teams refuses messages over about 28 KB.
LONGEST = {"slack": 39_000, "teams": 20_000}


class _Chat(Channel):
    def send(self, context: StepContext, note: Note, connection: Connection | None) -> None:
        if connection is None:
            raise AssertionError("unreachable")
        if len(note.text) > LONGEST[self.name]:
            raise PermanentError(
                f"The text is {len(note.text):,} characters long; {self.name} takes {LONGEST[self.name]:,}."
            )
        post_json(context, connection, connection.secrets["webhook_url"], self.content(note, connection))


class Slack(_Chat):
    """A message to a Slack channel, with a subject in bold above it."""

    name = "slack"

    def quote(self, text: str) -> str:
        # Else a payload could ring for a whole channel with <!channel>.
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    def content(self, note: Note, connection: Connection | None) -> Record:
        return {"text": f"*{note.subject}*\n{note.text}" if note.subject else note.text}


class Teams(_Chat):
    """A message to a Teams channel, as an adaptive card."""

    name = "teams"

    def content(self, note: Note, connection: Connection | None) -> Record:
        blocks = [{"type": "TextBlock", "text": note.text, "wrap": True}]
        if note.subject:
            blocks.insert(0, {"type": "TextBlock", "text": note.subject, "wrap": True, "weight": "Bolder"})
        card = {"type": "AdaptiveCard", "version": "1.4", "body": blocks}
        return {
            "type": "message",
            "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": card}],
        }
