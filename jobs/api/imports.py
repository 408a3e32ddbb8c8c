"""The endpoints of lists that become jobs."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from pydantic import Field
from rest_framework.exceptions import NotFound
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs.api import bodies
from jobs.api.answers import instant
from jobs.api.shapes import ImportAnswer
from jobs.api.views import actor_of, tenant_id_of
from jobs.domain.intake.formats import BadFile, Format
from jobs.models import ListImport
from jobs.queries.intake import find_import
from jobs.runtime.problem_file import problems_answer
from jobs.services.intake import (
    MappingError,
    cancel_import,
    drop_upload,
    pause_import,
    receive_list,
    resume_import,
    start_import,
    with_choices,
)
from taskflow.lib.chunked import TOO_LARGE
from taskflow.lib.clock import utcnow
from taskflow.lib.openapi import refusals
from taskflow.lib.problems import Refused, invalid
from taskflow.lib.strictjson import BadJSON, parse_json
from tenants.domain.roles import Scope
from workflows.domain.extraction.dates import DateOrder
from workflows.models import Workflow

#: What a multipart body may hold besides the file.
ROOM = 1024 * 1024
IMPORT_ID = OpenApiParameter("uid", UUID, OpenApiParameter.PATH, description="The id of an import.")


class ImportBody(bodies.Body):
    """What comes with the file; every value is text, as forms have it."""

    workflow: bodies.Slug
    mapping: dict[str, str] | None = None
    key_column: str = Field("", max_length=200)
    header: bool | None = None
    date_order: DateOrder | None = None


FORM: dict[str, Any] = {
    "type": "object",
    "required": ["file", "workflow"],
    "properties": {
        "file": {"type": "string", "format": "binary", "description": "CSV, Excel (.xlsx) or JSON lines."},
        "workflow": {"type": "string", "description": "The slug of a published workflow."},
        "mapping": {"type": "string", "description": 'A JSON object: {"Column": "field"}. Without one it is guessed.'},
        "key_column": {"type": "string", "description": "The column that tells rows apart; else the whole row does."},
        "header": {"type": "boolean", "description": "Whether the first row names the columns; else it is found out."},
        "date_order": {"type": "string", "enum": [order.value for order in DateOrder]},
    },
}


class ImportsView(APIView):
    """Uploading lists."""

    required_scopes = Scope.JOBS_WRITE
    parser_classes = (MultiPartParser,)

    @extend_schema(
        operation_id="create_import",
        summary="Upload a list whose rows become jobs",
        description="The rows are made into jobs in the background. A row that was made before makes no second job.",
        request={"multipart/form-data": FORM},
        responses={202: ImportAnswer} | refusals(400, 413),
    )
    def post(self, request: Request) -> Response:
        most = settings.MAX_LIST_BYTES
        if int(request.META.get("CONTENT_LENGTH") or 0) > most + ROOM:
            raise Refused(TOO_LARGE.format(most), status=413, code="too-large")
        file = request.FILES.get("file")
        body = _read_form(request)
        if file is None:
            raise invalid([("file", "This field is required, as a file of multipart/form-data.")])
        workflow = Workflow.objects.for_tenant(tenant_id_of(request)).filter(slug=body.workflow).first()
        if workflow is None:
            raise invalid([("workflow", f"There is no workflow '{body.workflow}'.")])
        try:
            received = receive_list(
                workflow=workflow,
                file=file,
                filename=str(file.name),
                size=int(file.size or 0),
                actor=actor_of(request),
                now=utcnow(),
            )
        except BadFile as error:
            raise invalid([("file", str(error))]) from error
        answer = import_answer(_start(received, body))
        return Response(answer, status=202, headers={"Location": f"{request.path}/{received.uid}"})


def _start(received: ListImport, body: ImportBody) -> ListImport:
    form = with_choices(Format.from_json(received.form), header=body.header, order=body.date_order)
    try:
        return start_import(
            list_import=received, now=utcnow(), mapping=body.mapping, key_column=body.key_column, form=form
        )
    except MappingError as error:
        drop_upload(received)
        received.delete()
        problems = [(f"mapping.{name}".rstrip("."), reason) for name, reason in error.problems]
        raise invalid(problems) from error


def _read_form(request: Request) -> ImportBody:
    """Return the texts of the form. Raises Refused, naming what is wrong or not known."""
    form: Any = request.data
    given: dict[str, Any] = {name: form[name] for name in form if name not in request.FILES}
    given |= {name: None for name in request.FILES if name != "file"}
    if "mapping" in given:
        try:
            given["mapping"] = parse_json(str(given["mapping"]).encode("utf-8", "replace"))
        except BadJSON as error:
            raise invalid([("mapping", error.reason)]) from error
    return bodies.read_body(ImportBody, given)


class ImportView(APIView):
    """One import."""

    required_scopes = Scope.JOBS_READ

    @extend_schema(
        operation_id="get_import",
        summary="See how far an import is",
        parameters=[IMPORT_ID],
        responses={200: ImportAnswer} | refusals(404),
    )
    def get(self, request: Request, uid: UUID) -> Response:
        return Response(import_answer(_find(request, uid)))


class ImportErrorsView(APIView):
    """The rows that became no job."""

    required_scopes = Scope.JOBS_READ

    @extend_schema(
        operation_id="get_import_errors",
        summary="Download the rows that became no job, as CSV",
        description="Number and reason of each, then its own columns: correct it and upload it again.",
        parameters=[IMPORT_ID],
        responses={(200, "text/csv"): OpenApiResponse(OpenApiTypes.STR)} | refusals(404),
    )
    def get(self, request: Request, uid: UUID) -> StreamingHttpResponse:
        return problems_answer(_find(request, uid))


class CancelImportView(APIView):
    """Ending an import."""

    required_scopes = Scope.JOBS_WRITE

    @extend_schema(
        operation_id="cancel_import",
        summary="End an import; the jobs that it made stay",
        parameters=[IMPORT_ID],
        request=None,
        responses={200: ImportAnswer} | refusals(404, 409),
    )
    def post(self, request: Request, uid: UUID) -> Response:
        found = _find(request, uid)
        done = cancel_import(list_import=found, actor=actor_of(request), now=utcnow())
        return _acted(found, done, "The import is over already.")


class PauseImportView(APIView):
    """Stopping an import for a while."""

    required_scopes = Scope.JOBS_WRITE

    @extend_schema(
        operation_id="pause_import",
        summary="Stop an import, to go on later",
        parameters=[IMPORT_ID],
        request=None,
        responses={200: ImportAnswer} | refusals(404, 409),
    )
    def post(self, request: Request, uid: UUID) -> Response:
        found = _find(request, uid)
        return _acted(found, pause_import(list_import=found), "The import does not run.")


class ResumeImportView(APIView):
    """Going on with an import."""

    required_scopes = Scope.JOBS_WRITE

    @extend_schema(
        operation_id="resume_import",
        summary="Go on with an import that was paused",
        parameters=[IMPORT_ID],
        request=None,
        responses={200: ImportAnswer} | refusals(404, 409),
    )
    def post(self, request: Request, uid: UUID) -> Response:
        found = _find(request, uid)
        return _acted(found, resume_import(list_import=found), "The import is not paused.")


def _acted(found: ListImport, done: bool, refusal: str) -> Response:
    if not done:
        raise Refused(refusal, status=409, code="import-state")
    found.refresh_from_db()
    return Response(import_answer(found))


def import_answer(found: ListImport) -> dict[str, Any]:
    """Return an import as the API shows it."""
    return {
        "id": str(found.uid),
        "workflow": found.workflow.slug,
        "state": str(found.state),
        "filename": found.filename,
        "rows": {"seen": found.seen, "made": found.made, "already_there": found.already, "wrong": found.wrong},
        "progress": found.permille / 1000,
        "mapping": found.mapping,
        "key_column": found.key_column,
        "error": found.error_message,
        "correlation_id": found.correlation_id,
        "created_at": instant(found.created_at),
        "started_at": instant(found.started_at),
        "finished_at": instant(found.finished_at),
    }


def _find(request: Request, uid: UUID) -> ListImport:
    found = find_import(tenant_id_of(request), uid)
    if found is None:
        raise NotFound("There is no such import.")
    return found
