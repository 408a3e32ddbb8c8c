"""Looking into the folders of mailboxes. One process at a time reads a folder: whoever moves `polling_until` on."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q

from jobs.models import Mailbox
from jobs.services.mail import log_unread, take_message
from taskflow.lib.clock import utcnow
from taskflow.lib.imap import Folder, ImapFailed, open_folder
from taskflow.lib.telemetry import emit
from tenants.services.connections import open_connection

#: Longer than any poll can take, and how many messages one takes in.
LEASE = timedelta(minutes=5)
AT_ONCE = 50


def due_mailboxes(*, now: datetime) -> list[int]:
    """Return the mailboxes whose folders are to be looked into now."""
    due = Q(polled_at=None) | Q(polled_at__lte=now - timedelta(seconds=settings.MAIL_POLL_SECONDS))
    rows = Mailbox.objects.filter(due, _free(now), active=True, connection__isnull=False)
    rows = rows.filter(tenant__active=True, workflow__active=True).order_by("polled_at")
    return list(rows.values_list("pk", flat=True)[:500])


def poll_mailbox(mailbox_id: int, *, now: datetime) -> int:
    """Take in what is new in a mailbox's folder, unless another process is at it; returns how many messages."""
    until = now + LEASE
    rows = Mailbox.objects.filter(_free(now), pk=mailbox_id, active=True, connection__isnull=False)
    if not rows.update(polling_until=until, polled_at=now):
        return 0
    mailbox = Mailbox.objects.select_related("connection", "workflow", "tenant").get(pk=mailbox_id)
    taken, problem = 0, ""
    try:
        taken = _read(mailbox, until)
    except ImapFailed as error:
        problem = str(error)
        emit("mail.poll_failed", mailbox=str(mailbox.uid), reason=problem)
    finally:
        mine = Mailbox.objects.filter(pk=mailbox_id, polling_until=until)
        mine.update(polling_until=None, poll_problem=problem[:500])
    return taken


def _free(now: datetime) -> Q:
    return Q(polling_until=None) | Q(polling_until__lte=now)


def _read(mailbox: Mailbox, until: datetime) -> int:
    if mailbox.connection is None:
        return 0
    connection = open_connection(mailbox.connection)
    if connection.problem:
        raise ImapFailed(f"The connection cannot be used: {connection.problem}.")
    config = connection.config
    with open_folder(
        host=config["host"],
        port=config["port"],
        security=config["security"],
        username=config["username"],
        password=connection.secrets.get("password", ""),
        folder=config["folder"],
        longest=settings.MAX_UPLOAD_BYTES,
    ) as folder:
        uids = _new(mailbox, folder)[:AT_ONCE]
        for done, uid in enumerate(uids):
            _take(mailbox, folder, uid)
            if not _move_on(mailbox, folder, uid, until):
                return done + 1
        return len(uids)


def _new(mailbox: Mailbox, folder: Folder) -> list[int]:
    """Return the messages behind the last one; at the first look, or where the server numbers anew, the unread ones."""
    if folder.validity == mailbox.uid_validity and mailbox.last_uid:
        return folder.after(mailbox.last_uid)
    return folder.unseen()


def _take(mailbox: Mailbox, folder: Folder, uid: int) -> None:
    size = folder.size(uid)
    if size > settings.MAX_UPLOAD_BYTES:
        log_unread(mailbox=mailbox, size=size, reason=f"Larger than {settings.MAX_UPLOAD_BYTES} bytes.", now=utcnow())
        return
    raw = folder.message(uid)
    if raw:
        take_message(mailbox=mailbox, raw=raw, via="imap", now=utcnow())


def _move_on(mailbox: Mailbox, folder: Folder, uid: int, until: datetime) -> bool:
    """Remember that the message is done with; False where another process reads the folder by now."""
    mine = Mailbox.objects.filter(pk=mailbox.pk, polling_until=until)
    if not mine.update(last_uid=uid, uid_validity=folder.validity):
        return False
    folder.mark_read(uid)
    return True
