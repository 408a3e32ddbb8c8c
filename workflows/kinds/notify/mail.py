"""Mail, through a connection's server or the deployment's own."""

from contextlib import AbstractContextManager, nullcontext
from email.utils import make_msgid

from django.conf import settings
from django.core.mail import EmailMessage

from tenants.domain.connections import Connection
from tenants.services.mail import MailFailed, backend_for, deliver
from workflows.domain.outcomes import PermanentError, Record, TransientError
from workflows.kinds.base import StepContext
from workflows.kinds.notify.channel import Channel, Note
from workflows.kinds.sending import leave_of

NO_SERVER = "There is no mail server: name a connection of kind mail, or have the operator set EMAIL_HOST."


class MailUnsent(TransientError):
    """The mail server could not be reached, or would not take the mail for now."""


class Mail(Channel):
    """A plain-text mail to named people."""

    name = "mail"
    addressed = works_alone = True

    def content(self, note: Note, connection: Connection | None) -> Record:
        sender = settings.DEFAULT_FROM_EMAIL if connection is None else connection.config["sender"]
        return {"from": sender, "to": list(note.to), "subject": note.subject, "text": note.text}

    def send(self, context: StepContext, note: Note, connection: Connection | None) -> None:
        if connection is None and not settings.EMAIL_HOST:
            raise PermanentError(NO_SERVER)
        content = self.content(note, connection)
        headers = {"Message-ID": _message_id(context, content["from"])} | _marks(context)
        message = EmailMessage(note.subject, note.text, content["from"], list(note.to), headers=headers)
        if connection is not None:
            message.connection = backend_for(connection)
        leave: AbstractContextManager[object] = nullcontext() if connection is None else leave_of(context, connection)
        with leave:
            try:
                deliver(message)
            except MailFailed as error:
                raise (PermanentError if error.permanent else MailUnsent)(str(error)) from error


def _marks(context: StepContext) -> dict[str, str]:
    """Return what tells robots not to answer (RFC 3834), and the tenant's own mailboxes that they have a loop."""
    tenant = context.tenant.get("id")
    return {"Auto-Submitted": "auto-generated"} | ({"X-Loop": str(tenant)} if tenant else {})


def _message_id(context: StepContext, sender: str) -> str:
    """Return an id that stays the same when the step is repeated after a crash: servers and readers drop the second."""
    domain = sender.rpartition("@")[2].rstrip("> ") or "localhost"
    key = context.idempotency_key
    return f"<{key.replace(':', '.')}@{domain}>" if key else make_msgid(domain=domain)
