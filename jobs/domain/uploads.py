"""Files on their way in: what is taken, under which name, and what is wrong with the rest."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any
from uuid import UUID

from workflows.documents.mail import TooDeep, parse_mail
from workflows.documents.sniff import EML, say, sniff
from workflows.domain.fields import FieldType, InputField, Role
from workflows.domain.files import StoredFile

LONGEST_NAME = 255
#: Parts of these names belong to the job, and to no field of its payload.
FREE_PARTS = ("file", "files")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff/\\]+")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was sent. `part` is the name it was sent under, `field` the payload's field that names it."""

    uid: UUID
    part: str
    name: str
    data: bytes = field(repr=False)
    content_type: str
    sha256: str

    def stored(self, key: str) -> StoredFile:
        """Return the file as it is when it lies in the storage under `key`."""
        return StoredFile(self.uid, self.name, self.content_type, len(self.data), self.sha256, key)


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """What may be sent: bytes of one file, files of one job, and patterns of types, those with `!` in front refused."""

    size: int
    files: int
    types: tuple[str, ...]

    def allows(self, content_type: str) -> bool:
        """Say whether files of this type are taken."""
        refused = [pattern[1:] for pattern in self.types if pattern.startswith("!")]
        allowed = [pattern for pattern in self.types if not pattern.startswith("!")]
        return any(fnmatchcase(content_type, pattern) for pattern in allowed) and not any(
            fnmatchcase(content_type, pattern) for pattern in refused
        )


def new_upload(*, uid: UUID, part: str, name: str, data: bytes) -> Upload:
    """Return a file that was sent, under a name that can be shown and saved anywhere."""
    clean = clean_name(name)
    return Upload(uid, part, clean, data, sniff(data, clean), hashlib.sha256(data).hexdigest())


def attachments_of(upload: Upload) -> list[tuple[str, bytes]]:
    """Return the names and bytes of what is attached, if the file is an e-mail message."""
    if upload.content_type != EML:
        return []
    try:
        return [(attachment.name, attachment.data) for attachment in parse_mail(upload.data).attachments]
    except TooDeep:
        return []


def clean_name(name: str) -> str:
    """Return the last part of a name, without what deceives the eye; the ending survives where it is cut."""
    last = re.split(r"[/\\]", name.strip())[-1]
    text = _UNPRINTABLE.sub("", last).strip(" .") or "file"
    if len(text) <= LONGEST_NAME:
        return text
    stem, dot, ending = text.rpartition(".")
    return f"{stem[: LONGEST_NAME - 11]}.{ending}" if dot and len(ending) <= 10 else text[:LONGEST_NAME]


def upload_problems(uploads: Sequence[Upload], limits: UploadLimits) -> list[tuple[str, str]]:
    """Return what is wrong with the files, as (part, reason) pairs."""
    problems = []
    if len(uploads) > limits.files:
        problems.append(("files", f"{len(uploads)} files are too many; a job may have {limits.files}."))
    for upload in uploads:
        if not upload.data:
            problems.append((upload.part, f"'{upload.name}' is empty."))
        elif len(upload.data) > limits.size:
            problems.append((upload.part, too_large(upload.name, limits.size)))
        elif not limits.allows(upload.content_type):
            problems.append((upload.part, f"'{upload.name}' is {say(upload.content_type)}, which is not taken here."))
    return problems


def too_large(name: str, limit: int) -> str:
    """Return what is said of a file over the limit."""
    return f"'{name}' is larger than {limit:,} bytes."


def with_files(
    payload: dict[str, Any], uploads: Iterable[Upload], fields: Sequence[InputField]
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return the payload in which each file is named by the field it was sent for, and what did not fit as problems."""
    known = {field.key: field.type for field in fields if field.role is Role.INPUT}
    named, problems = dict(payload), []
    for upload in uploads:
        kind = known.get(upload.part)
        reference = upload.stored("").reference()
        if kind is FieldType.FILES:
            present = named.get(upload.part)
            named[upload.part] = [*(present if isinstance(present, list) else []), reference]
        elif kind is FieldType.FILE and named.get(upload.part) is None:
            named[upload.part] = reference
        elif kind is FieldType.FILE:
            problems.append((upload.part, "This field takes one file."))
        elif upload.part not in FREE_PARTS:
            problems.append((upload.part, "There is no file field of this name; send other files as `files`."))
    return named, problems
