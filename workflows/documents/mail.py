"""E-mail messages, read without trusting them: what is malformed gives what can be had of it, and never an error."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC
from email import message_from_bytes
from email.errors import HeaderParseError, MessageError
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from typing import Any, TypeVar

from workflows.documents.answer import Answer, Paper, Unreadable, Wish
from workflows.documents.text import decode, html_answer

T = TypeVar("T")
MOST_PARTS = 1000
MOST_ATTACHMENTS = 100
LONGEST_HEADER = 2000
LONGEST_BODY = 1_000_000
#: What reading a broken header or part with the standard library raises.
BROKEN = (MessageError, HeaderParseError, ValueError, LookupError, TypeError, AttributeError, AssertionError)
_FOLDS = re.compile(r"[\r\n\t ]+")
_ENCODED = re.compile(r"=\?[^?\s]+\?[bqBQ]\?[^?]*\?=")
_IDS = re.compile(r"<([^<>\s]{1,900})>")
_NAMELESS = {"message/rfc822": "message.eml", "text/plain": "text.txt", "text/html": "page.html"}


class TooDeep(Unreadable):
    """Parts within parts beyond all reason."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file in a message; `declared` is the type the sender gave it."""

    name: str
    declared: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Mail:
    """A message. `headers` maps small names to their decoded values; addresses are bare and small.

    `date` is ISO 8601 in UTC, or empty. `text` is the message's own, or made from its HTML.
    """

    headers: dict[str, list[str]]
    subject: str
    sender: str
    sender_name: str
    to: tuple[str, ...]
    date: str
    message_id: str
    text: str
    html: str
    attachments: tuple[Attachment, ...]

    def header(self, name: str) -> str:
        """Return the first header of this name, or an empty text."""
        return next(iter(self.headers.get(name, ())), "")


def parse_mail(raw: bytes) -> Mail:
    """Return the message that these bytes are. Raises TooDeep alone."""
    if raw.startswith(b"From "):
        raw = raw.partition(b"\n")[2]
    try:
        message = message_from_bytes(raw)
        parts = _leaves(message)
        text, html, attachments = _bodies(parts)
    except RecursionError as error:
        raise TooDeep("The message holds messages within messages, too deep to follow.") from error
    headers = _headers(message)
    first = {name: values[0] for name, values in headers.items()}
    sender_name, sender = next(iter(_addresses(first.get("from", ""))), ("", ""))
    return Mail(
        headers=headers,
        subject=first.get("subject", ""),
        sender=sender,
        sender_name=sender_name,
        to=tuple(address for _, address in _addresses(*headers.get("to", ()), *headers.get("cc", ()))),
        date=_date(first.get("date", "")),
        message_id=_message_id(first.get("message-id", "")),
        text=text,
        html=html,
        attachments=attachments,
    )


def read_mail(raw: bytes, wish: Wish, read: Callable[[bytes, str, Wish], Answer]) -> Answer:
    """Return a message as a document: its main headers and its text, with `wish.attachments` also what it brings.

    `read` reads one attachment.
    """
    mail = parse_mail(raw)
    head = [("From", _written(mail)), ("To", ", ".join(mail.to)), ("Date", mail.date), ("Subject", mail.subject)]
    paper = Paper(wish.characters)
    paper.write("\n".join(f"{name}: {value}" for name, value in head if value))
    paper.write(f"\n{mail.text}" if mail.text else "")
    facts: dict[str, Any] = {"subject": mail.subject, "from": mail.sender, "to": list(mail.to[:50]), "date": mail.date}
    facts |= {"message_id": mail.message_id, "attachments": [one.name for one in mail.attachments]}
    answer = Answer("", facts)
    for attachment in mail.attachments if wish.attachments else ():
        if not paper.full:
            _add(attachment, paper, answer, wish, read)
    answer.text = paper.text()
    if paper.cut:
        answer.warnings.append(f"Only the first {wish.characters:,} characters were taken.")
    if not answer.text.strip():
        raise Unreadable("The message is empty: it has neither a subject nor a text.")
    return answer


def _add(
    attachment: Attachment, paper: Paper, answer: Answer, wish: Wish, read: Callable[[bytes, str, Wish], Answer]
) -> None:
    try:
        found = read(attachment.data, attachment.name, wish)
    except Unreadable as error:
        answer.warnings.append(f"{attachment.name}: {error}")
        return
    answer.warnings += [f"{attachment.name}: {warning}" for warning in found.warnings]
    paper.write(f"\n--- {attachment.name} ---\n{found.text}")


def _written(mail: Mail) -> str:
    return (
        f"{mail.sender_name} <{mail.sender}>" if mail.sender_name and mail.sender else mail.sender or mail.sender_name
    )


def _leaves(message: Message) -> list[Message]:
    """Return the parts that hold something; a message inside this one is a part, and is not entered."""
    found: list[Message] = []
    waiting: list[Message] = [message]
    while waiting and len(found) < MOST_PARTS:
        part = waiting.pop()
        _mend(part)
        payload = _payload(part)
        if isinstance(payload, list) and part.get_content_maintype() == "multipart":
            waiting += [inner for inner in reversed(payload) if isinstance(inner, Message)]
        else:
            found.append(part)
    return found


def _mend(part: Message) -> None:
    """Decode names of files that are written in plain eight-bit letters: the library would give question marks."""
    for name, value in list(part.raw_items()):
        if name.lower() in ("content-type", "content-disposition") and isinstance(value, str) and _has_bytes(value):
            part.replace_header(name, _from_bytes(value))


def _bodies(parts: Iterable[Message]) -> tuple[str, str, tuple[Attachment, ...]]:
    texts, pages = Paper(LONGEST_BODY), Paper(LONGEST_BODY)
    attachments: list[Attachment] = []
    for part in parts:
        kind = _safely(part.get_content_type, "text/plain")
        name = _decoded(_safely(part.get_filename, None) or "")
        attached = name or _safely(part.get_content_disposition, None) == "attachment"
        if kind == "text/plain" and not attached:
            texts.write(_text(part))
        elif kind == "text/html" and not attached:
            pages.write(_text(part))
        elif len(attachments) < MOST_ATTACHMENTS and (data := _data(part)):
            attachments.append(Attachment(name or _named(kind, len(attachments) + 1), kind, data))
    text, html = texts.text("\n").strip(), pages.text("\n")
    return text or _from_html(html), html, tuple(attachments)


def _from_html(html: str) -> str:
    try:
        return html_answer(html, Wish(characters=LONGEST_BODY)).text
    except Unreadable:
        return ""


def _named(kind: str, number: int) -> str:
    ending = kind.rpartition("/")[2]
    return _NAMELESS.get(kind) or f"attachment-{number}.{ending if ending.isalnum() else 'bin'}"


def _text(part: Message) -> str:
    data = _data(part)
    text = decode(data, _safely(part.get_content_charset, None))
    return _clean(text, folds=False).replace("\r\n", "\n")


def _data(part: Message) -> bytes:
    """Return a part's bytes; of a message inside this one, its source."""
    if part.is_multipart():
        inner = _payload(part)
        return b"\n".join(_safely(one.as_bytes, b"") for one in inner if isinstance(one, Message))
    data = _safely(lambda: part.get_payload(decode=True), None)
    if isinstance(data, bytes):
        return data
    raw = _payload(part)
    return raw.encode("utf-8", "replace") if isinstance(raw, str) else b""


def _payload(part: Message) -> Any:
    read: Callable[[], Any] = part.get_payload
    return _safely(read, "")


def _headers(message: Message) -> dict[str, list[str]]:
    headers: dict[str, list[str]] = {}
    for name, value in message.raw_items():
        headers.setdefault(name.lower(), []).append(_decoded(str(value)))
    return headers


def _decoded(raw: str) -> str:
    """Return a header as people read it: encoded words decoded, bytes that are no ASCII taken for UTF-8 or Latin."""
    raw = _from_bytes(raw) if _has_bytes(raw) else raw
    raw = raw[: LONGEST_HEADER * 4]
    if _ENCODED.search(raw):
        raw = _safely(lambda: "".join(_words(raw)), raw)
    return _clean(raw)[:LONGEST_HEADER]


def _has_bytes(text: str) -> bool:
    return any("\udc80" <= letter <= "\udcff" for letter in text)


def _from_bytes(text: str) -> str:
    return decode(text.encode("utf-8", "surrogateescape"))


def _words(raw: str) -> Iterator[str]:
    for word, charset in decode_header(raw):
        yield word if isinstance(word, str) else decode(word, charset)


def _addresses(*values: str) -> list[tuple[str, str]]:
    none: list[tuple[str, str]] = []
    found = _safely(lambda: getaddresses([value for value in values if value]), none)
    return [(name[:200], address.lower()[:254]) for name, address in found if "@" in address]


def _date(text: str) -> str:
    try:
        moment = parsedate_to_datetime(text)
        return (moment.replace(tzinfo=moment.tzinfo or UTC)).astimezone(UTC).isoformat().replace("+00:00", "Z")
    except (*BROKEN, OverflowError):
        return ""


def _message_id(text: str) -> str:
    found = _IDS.search(text)
    return found[1] if found else text.strip("<> ")[:900]


def _clean(text: str, *, folds: bool = True) -> str:
    text = text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "")
    return _FOLDS.sub(" ", text).strip() if folds else text


def _safely(read: Callable[[], T], otherwise: T) -> T:
    try:
        return read()
    except BROKEN:
        return otherwise
