"""Mail on its way in: what is taken, what is left alone and why, and which parts of it become which fields."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from workflows.documents.mail import Mail
from workflows.domain.fields import FILE_TYPES, FieldType, InputField, Role

#: What one text of a message may be in a payload, in characters.
LONGEST_TEXT = 200_000
MOST_HOPS = 50


class Outcome(StrEnum):
    """What became of a message."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    REFUSED = "refused"


class Part(StrEnum):
    """A part of a message that may become a field of the payload."""

    SUBJECT = "subject"
    FROM = "from"
    FROM_NAME = "from_name"
    TO = "to"
    TEXT = "text"
    HTML = "html"
    DATE = "date"
    MESSAGE_ID = "message_id"
    ATTACHMENTS = "attachments"


#: The names that fields usually have for a part, where nobody said otherwise.
USUAL_NAMES: dict[Part, tuple[str, ...]] = {
    Part.SUBJECT: ("subject", "title"),
    Part.FROM: ("from_address", "sender", "email", "from"),
    Part.FROM_NAME: ("from_name", "name", "customer"),
    Part.TEXT: ("text", "body", "message", "question", "description"),
    Part.DATE: ("received", "received_at"),
    Part.ATTACHMENTS: ("attachments", "files", "documents", "document", "file", "invoice", "resume"),
}
#: The types of field that a text of a message fits.
TEXT_TYPES = (FieldType.TEXT, FieldType.EMAIL, FieldType.DATE, FieldType.DATETIME)
#: Headers that robots put on what they answer.
REPLY_HEADERS = ("x-autoreply", "x-autorespond", "x-auto-reply", "x-autoresponder")
REPLY_PRECEDENCE = ("auto_reply", "auto-reply", "junk")
MASS_PRECEDENCE = ("bulk", "list")
BOUNCERS = ("mailer-daemon", "postmaster", "mail-daemon")


def why_ignore(mail: Mail, *, own: Iterable[str], mark: str, automatic: bool, envelope: str | None = None) -> str:
    """Return why a message is left alone, or an empty text. RFC 3834 names what robots put on their mail.

    `own` are the mailbox's addresses, `mark` what mail of the tenant's own workflows carries in X-Loop, `envelope` the
    return path as the door told it (empty for none). With `automatic` mass mail and mail of programs is taken; answers
    of robots, bounces and loops never are.
    """
    return _loop(mail, {address.lower() for address in own}, mark) or _robot(mail, envelope) or _mass(mail, automatic)


def _loop(mail: Mail, own: set[str], mark: str) -> str:
    if mail.sender and mail.sender in own:
        return f"It comes from the mailbox's own address, {mail.sender}: a loop."
    marks = " ".join(mail.headers.get("x-loop", ())).lower()
    if marks and (mark.lower() in marks or any(address in marks for address in own)):
        return "One of your own workflows sent it (X-Loop): a loop."
    if len(mail.headers.get("received", ())) > MOST_HOPS:
        return f"It went through more than {MOST_HOPS} servers: a loop."
    return ""


def _robot(mail: Mail, envelope: str | None) -> str:
    paths = mail.headers.get("return-path", [])
    null_path = "<>" in (path.strip() for path in paths) if envelope is None else envelope.strip() in ("", "<>")
    if mail.sender.partition("@")[0] in BOUNCERS or _is_report(mail):
        return "It tells that a mail was not or not yet delivered, or was read: a bounce or report."
    submitted = mail.header("auto-submitted").lower().partition(";")[0].strip()
    if submitted == "auto-replied" or any(name in mail.headers for name in REPLY_HEADERS):
        return "It is the answer of a robot, such as an out-of-office note (Auto-Submitted)."
    if mail.header("precedence").lower().strip() in REPLY_PRECEDENCE:
        return f"It is the answer of a robot (Precedence: {mail.header('precedence')[:40]})."
    return "It has no return path: a bounce or the answer of a robot." if null_path else ""


def _is_report(mail: Mail) -> bool:
    kind = mail.header("content-type").lower()
    return kind.startswith("multipart/report") or "x-failed-recipients" in mail.headers


def _mass(mail: Mail, automatic: bool) -> str:
    if automatic:
        return ""
    submitted = mail.header("auto-submitted").lower().partition(";")[0].strip()
    if submitted not in ("", "no"):
        return "A program sent it (Auto-Submitted); the mailbox takes mail of people only."
    precedence = mail.header("precedence").lower().strip()
    if precedence in MASS_PRECEDENCE:
        return f"It is mass mail (Precedence: {precedence}); the mailbox takes mail of people only."
    return ""


def is_allowed(sender: str, allowed: Sequence[str]) -> bool:
    """Say whether a sender may write here: everybody where nobody is named, else by address, @domain or pattern."""
    patterns = [line.strip().lower() for line in allowed if line.strip()]
    return not patterns or any(
        sender.endswith(pattern) if pattern.startswith("@") else fnmatchcase(sender, pattern) for pattern in patterns
    )


def guess_mapping(fields: Iterable[InputField]) -> dict[str, str]:
    """Return which field each part becomes where nobody said so: by the fields' usual names."""
    inputs = [field for field in fields if field.role is Role.INPUT]
    found = {}
    for part, names in USUAL_NAMES.items():
        types = FILE_TYPES if part is Part.ATTACHMENTS else TEXT_TYPES
        keys = {field.key.lower(): field.key for field in inputs if field.type in types}
        found[part.value] = next((keys[name] for name in names if name in keys), "")
    return {part: key for part, key in found.items() if key}


def payload_of(mail: Mail, mapping: Mapping[str, str], fields: Sequence[InputField]) -> dict[str, Any]:
    """Return the payload that a message becomes. Texts are cut to what their fields take; nothing is left out empty."""
    by_key = {field.key: field for field in fields}
    payload: dict[str, Any] = {}
    for part, key in mapping.items():
        value = _value(mail, Part(part))
        if part != Part.ATTACHMENTS and key in by_key and value:
            payload[key] = _fitting(value, by_key[key])
    return payload


def _value(mail: Mail, part: Part) -> str:
    values = {
        Part.SUBJECT: mail.subject,
        Part.FROM: mail.sender,
        Part.FROM_NAME: mail.sender_name or mail.sender,
        Part.TO: ", ".join(mail.to),
        Part.TEXT: mail.text,
        Part.HTML: mail.html,
        Part.DATE: mail.date,
        Part.MESSAGE_ID: mail.message_id,
        Part.ATTACHMENTS: "",
    }
    return values[part]


def _fitting(value: str, field: InputField) -> Any:
    if field.type is FieldType.DATE:
        return value[:10]
    if field.type is FieldType.LIST:
        return value.split(", ")
    return value[: min(field.max_length or LONGEST_TEXT, LONGEST_TEXT)]
