"""Jobs that come with files, as multipart/form-data: a part `job` with the JSON, and the files."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.http import QueryDict, UnreadablePostError
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from django.utils.datastructures import MultiValueDict
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from jobs.api.headers import sha256
from jobs.domain.uploads import Upload, clean_name, new_upload, too_large
from taskflow.lib.chunked import TOO_LARGE
from taskflow.lib.ids import new_uid
from taskflow.lib.problems import FieldError, Refused, invalid
from taskflow.lib.strictjson import BadJSON, parse_json

JOB = "job"
FORM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        JOB: {"type": "string", "contentMediaType": "application/json", "description": "What the JSON body would be."},
        "files": {
            "type": "array",
            "items": {"type": "string", "format": "binary"},
            "description": "Files of the job. One that belongs in a field is sent under the field's own name.",
        },
    },
    "required": [JOB],
}


@dataclass(frozen=True, slots=True)
class SentForm:
    """A job and its files, as they were sent."""

    job: Any
    uploads: list[Upload]

    def fingerprint(self) -> str:
        """Return what tells two requests apart: the job, and each file's part, name and bytes."""
        files = [[upload.part, upload.name, upload.sha256] for upload in self.uploads]
        return sha256({"job": self.job, "files": files})


class JobFormParser(BaseParser):
    """Reads a form of at most MAX_UPLOAD_BYTES."""

    media_type = "multipart/form-data"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        request: Request = (parser_context or {})["request"]
        fields, files = _read(request, stream, media_type or "")
        try:
            return SentForm(_job(fields, files), _uploads(fields, files))
        finally:
            for _, sent in files.lists():
                for file in sent:
                    file.close()


def _read(request: Request, stream: Any, media_type: str) -> "tuple[QueryDict, MultiValueDict[str, Any]]":
    if int(request.META.get("CONTENT_LENGTH") or 0) > settings.MAX_UPLOAD_BYTES:
        raise Refused(TOO_LARGE.format(settings.MAX_UPLOAD_BYTES), status=413, code="too-large")
    meta = request.META | {"CONTENT_TYPE": media_type}
    try:
        return MultiPartParser(meta, stream, request._request.upload_handlers, "utf-8").parse()
    except (RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent) as error:
        raise Refused("The form has too many or too large parts.", status=413, code="too-large") from error
    except (MultiPartParserError, UnreadablePostError, UnicodeError) as error:
        raise Refused(f"The form cannot be read: {error}", code="invalid-request") from error


def _job(fields: QueryDict, files: "MultiValueDict[str, Any]") -> Any:
    """Return the JSON of the part `job`, which some clients send as a field and some as a file."""
    sent = [text.encode("utf-8", "surrogatepass") for text in fields.getlist(JOB)]
    sent += [file.read(settings.MAX_BODY_BYTES + 1) for file in files.getlist(JOB)]
    if len(sent) != 1:
        raise invalid([(JOB, "Send one part of this name, with the job as JSON.")])
    if len(sent[0]) > settings.MAX_BODY_BYTES:
        raise Refused(TOO_LARGE.format(settings.MAX_BODY_BYTES), status=413, code="too-large")
    try:
        return parse_json(sent[0])
    except BadJSON as error:
        raise Refused(error.reason, code="not-json", errors=[(error.field or JOB, error.reason)]) from error


def _uploads(fields: QueryDict, files: "MultiValueDict[str, Any]") -> list[Upload]:
    """Return the files. Raises Refused for fields that are no files, and for what is too large to be looked at."""
    faults: list[FieldError] = [
        (name[:200], "This is not a file. What the payload holds belongs in the part `job`.")
        for name in fields
        if name != JOB
    ]
    uploads = []
    for part, sent in files.lists():
        for file in sent if part != JOB else ():
            name = clean_name(file.name or "")
            if (file.size or 0) > settings.MAX_FILE_BYTES:
                faults.append((part[:200], too_large(name, settings.MAX_FILE_BYTES)))
            else:
                uploads.append(new_upload(uid=new_uid(), part=part[:200], name=name, data=file.read()))
    if faults:
        raise invalid(faults)
    return uploads
