"""Mail by way of a connection, and what its server's refusals mean."""

import smtplib
import ssl

from django.core.mail import EmailMessage

from taskflow.lib.http import CallRefused
from taskflow.lib.smtp import GuardedMail
from tenants.domain.connections import Connection

TIMEOUT = 30


class MailFailed(Exception):
    """A mail was not sent. `permanent` says that trying again cannot help; the message says what to do."""

    def __init__(self, message: str, *, permanent: bool) -> None:
        super().__init__(message)
        self.permanent = permanent


def backend_for(connection: Connection, *, timeout: int = TIMEOUT) -> GuardedMail:
    """Return Django's way to the connection's mail server."""
    config = connection.config
    return GuardedMail(
        host=config["host"],
        port=config["port"],
        username=config["username"] or None,
        password=connection.secrets.get("password"),
        use_tls=config["security"] == "starttls",
        use_ssl=config["security"] == "tls",
        timeout=timeout,
    )


def deliver(message: EmailMessage) -> None:
    """Send a message by its own backend. Raises MailFailed."""
    try:
        message.send()
    except Exception as error:
        raise mail_failure(error) from error


def try_login(connection: Connection, *, timeout: int) -> None:
    """Reach the connection's mail server and log in, and send nothing. Raises MailFailed."""
    backend = backend_for(connection, timeout=timeout)
    try:
        backend.open()
        backend.close()
    except Exception as error:
        raise mail_failure(error) from error


def mail_failure(error: Exception) -> MailFailed:
    """Return what went wrong, in words. An error that has nothing to do with mail is raised again."""
    match error:
        case CallRefused():
            return MailFailed(str(error), permanent=True)
        case smtplib.SMTPAuthenticationError():
            return MailFailed(f"The mail server refused the login: {_said(error)}", permanent=True)
        case smtplib.SMTPNotSupportedError():
            return MailFailed(f"The mail server cannot do what is asked of it: {error}", permanent=True)
        case smtplib.SMTPRecipientsRefused():
            codes = [code for code, _ in error.recipients.values()]
            first = next(iter(error.recipients.values()))[1]
            words = first.decode("utf-8", "replace") if isinstance(first, bytes) else str(first)
            return MailFailed(f"The mail server refused every recipient: {words}", permanent=min(codes) >= 500)
        case smtplib.SMTPResponseException():
            return MailFailed(f"The mail server refused: {_said(error)}", permanent=error.smtp_code >= 500)
        case ssl.SSLError():
            return MailFailed(
                f"The mail server's encryption cannot be trusted (TLS): {error.reason or error}", permanent=True
            )
        case TimeoutError():
            return MailFailed("The mail server did not answer in time.", permanent=False)
        case smtplib.SMTPException() | OSError():
            return MailFailed(f"The mail server could not be reached: {error}", permanent=False)
    raise error


def _said(error: smtplib.SMTPResponseException) -> str:
    words = error.smtp_error
    return f"{error.smtp_code} {words.decode('utf-8', 'replace') if isinstance(words, bytes) else words}"[:300]
