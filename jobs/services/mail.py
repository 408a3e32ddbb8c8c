"""Taking in mail: each message becomes one job, or a line in the log that says why not."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings

from jobs.domain.inbound import Outcome, Part, guess_mapping, is_allowed, payload_of, why_ignore
from jobs.domain.submission import IdempotencyConflict, NewJob, SubmissionError
from jobs.domain.uploads import Upload, new_upload, upload_problems
from jobs.models import InboundMessage, Job, Mailbox
from jobs.services.files import submit_with_files, upload_limits
from taskflow.lib.fields import dump_json
from taskflow.lib.ids import new_uid
from workflows.documents.mail import Mail, TooDeep, parse_mail
from workflows.domain.fields import FILE_TYPES, InputField
from workflows.queries import NotPublished, WorkflowNotFound, get_live

#: The bytes of text that a webhook's key is made of: 256 bits, which nobody guesses.
KEY_BYTES = 32
KEEP_LOG = timedelta(days=90)
PRUNE_AT_ONCE = 1000
SOURCE_NAME = "message.eml"


def new_mailbox_key(*, mailbox: Mailbox) -> str:
    """Give the mailbox a fresh webhook key and return it; it cannot be had again, and the one before is void."""
    clear = secrets.token_urlsafe(KEY_BYTES)
    mailbox.key_hash, mailbox.key_prefix = hash_mailbox_key(clear), clear[:6]
    Mailbox.objects.filter(pk=mailbox.pk).update(key_hash=mailbox.key_hash, key_prefix=mailbox.key_prefix)
    return clear


def hash_mailbox_key(clear: str) -> str:
    """Return how a key is kept."""
    return hashlib.sha256(clear.encode("utf-8", "replace")).hexdigest()


def find_mailbox(clear: str) -> Mailbox | None:
    """Return the mailbox that is switched on and has this key, its tenant's switch included."""
    found = Mailbox.objects.select_related("workflow", "tenant").filter(key_hash=hash_mailbox_key(clear))
    return found.filter(active=True, tenant__active=True).first()


def take_message(
    *, mailbox: Mailbox, raw: bytes, via: str, now: datetime, envelope: str | None = None
) -> InboundMessage:
    """Make a job of a message, or say why not; either way the log has a line, which is returned.

    `envelope` is the return path where the door told it. The same Message-ID again is a duplicate for a week.
    """
    try:
        mail = parse_mail(raw)
    except TooDeep as error:
        return _log(mailbox, None, raw, via, now, Outcome.REFUSED, str(error))
    except Exception as error:  # noqa: BLE001 - a message the parser stumbles over must not come again and again
        reason = f"The message cannot be read ({type(error).__name__})."
        return _log(mailbox, None, raw, via, now, Outcome.REFUSED, reason)
    if reason := _why_not(mailbox, mail, envelope):
        return _log(mailbox, mail, raw, via, now, Outcome.IGNORED, reason)
    try:
        job, created, notes = _submit(mailbox, mail, raw, now)
    except (SubmissionError, WorkflowNotFound, NotPublished) as error:
        return _log(mailbox, mail, raw, via, now, Outcome.REFUSED, str(error))
    except IdempotencyConflict:
        return _log(mailbox, mail, raw, via, now, Outcome.DUPLICATE, "A message of this Message-ID came before.")
    if not created:
        reason = "The same message came before."
        return _log(mailbox, mail, raw, via, now, Outcome.DUPLICATE, reason, job)
    return _log(mailbox, mail, raw, via, now, Outcome.ACCEPTED, " ".join(notes), job)


def _why_not(mailbox: Mailbox, mail: Mail, envelope: str | None) -> str:
    own = [mailbox.address] if mailbox.address else []
    reason = why_ignore(
        mail, own=own, mark=str(mailbox.tenant.uid), automatic=mailbox.take_automatic, envelope=envelope
    )
    if not reason and not is_allowed(mail.sender, mailbox.allowed_senders.splitlines()):
        return f"{mail.sender or 'A sender without an address'} is not among the senders who may write here."
    return reason


def _submit(mailbox: Mailbox, mail: Mail, raw: bytes, now: datetime) -> tuple[Job, bool, list[str]]:
    fields = get_live(mailbox.tenant_id, mailbox.workflow.slug).fields
    mapping = mailbox.mapping or guess_mapping(fields)
    payload = payload_of(mail, mapping, fields)
    if len(dump_json(payload).encode()) > settings.MAX_PAYLOAD_BYTES:
        raise SubmissionError([("payload", f"Larger than {settings.MAX_PAYLOAD_BYTES} bytes.")])
    uploads, notes = _uploads(mailbox, mail, raw, mapping.get(Part.ATTACHMENTS, ""), fields)
    request = NewJob(workflow=mailbox.workflow.slug, payload=payload, source=f"mail:{mail.sender}"[:100])
    identity = mail.message_id or hashlib.sha256(raw).hexdigest()
    key = hashlib.sha256(f"mail {mailbox.uid} {identity}".encode()).hexdigest()
    job, created = submit_with_files(
        tenant_id=mailbox.tenant_id,
        request=request,
        uploads=uploads,
        now=now,
        key=key,
        fingerprint="mail",
        unpack=False,
    )
    return job, created, notes


def _uploads(
    mailbox: Mailbox, mail: Mail, raw: bytes, field: str, fields: Sequence[InputField]
) -> tuple[list[Upload], list[str]]:
    """Return what is attached, as files, and which of it was left out: one bad attachment must not cost the message."""
    limits, kept, notes = upload_limits(), list[Upload](), list[str]()
    part = field if any(one.key == field and one.type in FILE_TYPES for one in fields) else "files"
    single = next((one.type for one in fields if one.key == part), None) == FILE_TYPES[0]
    sent = [(one.name, one.data) for one in mail.attachments]
    sent += [(SOURCE_NAME, raw)] if mailbox.keep_source else []
    for number, (name, data) in enumerate(sent):
        loose = name == SOURCE_NAME or (single and any(upload.part == part for upload in kept))
        upload = new_upload(uid=new_uid(), part="files" if loose else part, name=name, data=data)
        problems = upload_problems([upload], limits)
        if len(kept) >= limits.files:
            notes.append(f"{len(sent) - number} attachments were left out: a job may have {limits.files} files.")
            break
        if problems:
            notes.append(f"Left out: {problems[0][1]}")
        else:
            kept.append(upload)
    return kept, notes


def _log(
    mailbox: Mailbox,
    mail: Mail | None,
    raw: bytes,
    via: str,
    now: datetime,
    outcome: Outcome,
    reason: str,
    job: Job | None = None,
) -> InboundMessage:
    return InboundMessage.objects.create(
        tenant_id=mailbox.tenant_id,
        mailbox=mailbox,
        job=job,
        via=via,
        outcome=outcome.value,
        reason=reason[:500],
        sender=mail.sender[:254] if mail else "",
        subject=mail.subject[:200] if mail else "",
        message_id=mail.message_id[:255] if mail else "",
        size=len(raw),
        received_at=now,
    )


def log_unread(*, mailbox: Mailbox, size: int, reason: str, now: datetime) -> InboundMessage:
    """Note a message that was not even fetched."""
    row = _log(mailbox, None, b"", "imap", now, Outcome.REFUSED, reason)
    InboundMessage.objects.filter(pk=row.pk).update(size=size)
    return row


def prune_inbound(*, now: datetime, keep: timedelta = KEEP_LOG) -> int:
    """Forget the log's lines that are older than `keep`; returns how many."""
    old = InboundMessage.objects.filter(received_at__lt=now - keep).order_by("received_at")[:PRUNE_AT_ONCE]
    count, _ = InboundMessage.objects.filter(pk__in=list(old.values_list("pk", flat=True))).delete()
    return count
