"""Files of jobs: taken in with their job, opened, and taken away when nothing needs them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import Error

from jobs.domain.submission import NewJob, SubmissionError
from jobs.domain.uploads import (
    FREE_PARTS,
    Upload,
    UploadLimits,
    attachments_of,
    new_upload,
    upload_problems,
    with_files,
)
from jobs.models import File, Job
from jobs.services.submit import check_requests, find_first_use, submit_job, submit_once
from taskflow.lib.ids import new_uid
from taskflow.lib.telemetry import emit
from workflows.domain.fields import InputField
from workflows.queries import NotPublished, WorkflowNotFound, get_live

#: A file that still has no job after this time came to nothing.
KEEP_LOOSE = timedelta(hours=1)
CLEAN_AT_ONCE = 500


def upload_limits() -> UploadLimits:
    """Return what the deployment takes."""
    return UploadLimits(settings.MAX_FILE_BYTES, settings.MAX_FILES, tuple(settings.FILE_TYPES))


def submit_with_files(
    *,
    tenant_id: int,
    request: NewJob,
    uploads: Sequence[Upload],
    now: datetime,
    key: str | None = None,
    fingerprint: str = "",
    unpack: bool = True,
) -> tuple[Job, bool]:
    """Store a job with its files; returns it, and whether it is new.

    The files' bytes are written before the transaction that makes the job. With `key` (an idempotency key's SHA-256)
    the first job of that key is returned and nothing is stored. With `unpack` what is attached to messages among the
    files becomes files too. Raises SubmissionError with every problem, and IdempotencyConflict; what was written is
    taken away then.
    """
    first = None if key is None else find_first_use(tenant_id, key, fingerprint)
    if first is not None:
        return first, False
    request = _check(tenant_id, request, uploads, now)
    uploads = [*uploads, *(_attached(uploads) if unpack else ())]
    rows = store_uploads(tenant_id=tenant_id, uploads=uploads, now=now)
    created = False
    try:
        request = replace(request, file_ids=tuple(row.pk for row in rows))
        if key is None:
            job, created = submit_job(tenant_id=tenant_id, request=request, now=now), True
        else:
            job, created = submit_once(tenant_id=tenant_id, request=request, key=key, fingerprint=fingerprint, now=now)
        return job, created
    finally:
        if not created:
            remove_files(rows)


def _attached(uploads: Sequence[Upload]) -> list[Upload]:
    """Return what messages among the files bring, as far as a job may have it; the rest stays in the message."""
    limits, found = upload_limits(), list[Upload]()
    for upload in uploads:
        for name, data in attachments_of(upload):
            part = new_upload(uid=new_uid(), part=FREE_PARTS[-1], name=name, data=data)
            if len(uploads) + len(found) < limits.files and not upload_problems([part], limits):
                found.append(part)
    return found


def _check(tenant_id: int, request: NewJob, uploads: Sequence[Upload], now: datetime) -> NewJob:
    """Return the request whose payload names the files; nothing is written before all of it is known to be right."""
    problems = upload_problems(uploads, upload_limits())
    payload, misplaced = with_files(request.payload, uploads, _fields(tenant_id, request.workflow))
    named = replace(request, payload=payload, file_uids=frozenset(upload.uid for upload in uploads))
    for refusal in check_requests(tenant_id=tenant_id, requests=[named], now=now):
        problems += refusal.problems
    if problems or misplaced:
        raise SubmissionError([*problems, *misplaced])
    return named


def _fields(tenant_id: int, workflow: str) -> tuple[InputField, ...]:
    try:
        return get_live(tenant_id, workflow).fields
    except (WorkflowNotFound, NotPublished):
        return ()


def store_uploads(*, tenant_id: int, uploads: Sequence[Upload], now: datetime) -> list[File]:
    """Write rows and then bytes, so that whatever breaks off between leaves a row for the cleaning to find."""
    rows = [
        File(
            uid=upload.uid,
            tenant_id=tenant_id,
            name=upload.name,
            content_type=upload.content_type,
            size=len(upload.data),
            sha256=upload.sha256,
            key=storage_key(upload.uid, now),
            created_at=now,
        )
        for upload in uploads
    ]
    for row, upload in zip(rows, uploads, strict=True):
        row.save()
        key = default_storage.save(row.key, ContentFile(upload.data))
        if key != row.key:
            row.key = key
            row.save(update_fields=["key"])
    return rows


def storage_key(uid: UUID, now: datetime) -> str:
    """Return where a file lies: by day, under its id. What people call it is no part of it."""
    return f"{now:%Y/%m/%d}/{uid}"


def remove_files(rows: Iterable[File]) -> int:
    """Take files that have no job out of the storage, then their rows; returns how many.

    What cannot be removed now is left to the cleaning: a job may have been stored though its commit seemed to fail.
    """
    return sum(_removed(row) for row in rows)


def _removed(row: File) -> bool:
    loose = File.objects.filter(pk=row.pk, job=None)
    try:
        if loose.exists():
            default_storage.delete(row.key)
            loose.delete()
            return True
    except (OSError, Error) as error:
        emit("files.not_removed", reason=str(error))
    return False


def prune_files(*, now: datetime, keep: timedelta = KEEP_LOOSE) -> int:
    """Take away files without a job that are older than `keep`; returns how many. What fails is tried the next time."""
    loose = File.objects.filter(job=None, created_at__lt=now - keep).order_by("pk")
    return remove_files(loose[:CLEAN_AT_ONCE])
