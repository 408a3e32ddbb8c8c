"""The endpoints of exports: a workflow's jobs as a file."""

from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from pydantic import Field
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs.api import bodies
from jobs.api.answers import instant
from jobs.api.filters import workflow_id
from jobs.api.shapes import ExportAnswer, ViewPageAnswer
from jobs.api.value_filters import find_view, read_conditions, require_fields
from jobs.api.views import actor_of, tenant_id_of
from jobs.domain.job_filter import JobFilter
from jobs.domain.view_address import narrowed
from jobs.domain.view_spec import MOST_COLUMNS, ViewColumn, ViewSpec
from jobs.downloads import download_export
from jobs.models import JobExport, SavedView
from jobs.queries.indexed import fields_of, path_of
from jobs.queries.views import find_export, list_shared_views
from jobs.services.exports import NotReady, cancel_export, start_export
from jobs.services.views import check_spec
from taskflow.lib.clock import utcnow
from taskflow.lib.openapi import refusals
from taskflow.lib.problems import Refused, invalid
from tenants.domain.roles import Scope
from workflows.models import Workflow

EXPORT_ID = OpenApiParameter("uid", UUID, OpenApiParameter.PATH, description="The id of an export.")
#: The columns where neither the request nor its view names any, after the fields that are shown in lists.
USUAL = ("job.queue", "job.created", "job.finished")


class ExportBody(bodies.Body):
    """What is exported, and how. Without a view it needs a workflow."""

    workflow: bodies.Slug | None = None
    view: UUID | None = Field(None, description="A shared view: its columns, conditions and order.")
    format: JobExport.Format = Field(JobExport.Format.CSV, description="csv, xlsx or jsonl.")
    columns: Annotated[list[str], Field(max_length=MOST_COLUMNS)] = Field(
        default_factory=list, description="Paths such as result.total; without any, those of the view or the list."
    )
    filters: dict[str, str] = Field(
        default_factory=dict, description='As in the address of the job list: {"result.total:gte": "100"}.'
    )
    sort: str = Field("", max_length=191, description="A path, with - in front for the largest first.")


class ExportsView(APIView):
    """Starting exports."""

    required_scopes = Scope.JOBS_READ

    @extend_schema(
        operation_id="create_export",
        summary="Export jobs as CSV, Excel or JSON lines",
        description="The file is written in the background; jobs that are made meanwhile are not in it.",
        request=ExportBody,
        responses={202: ExportAnswer} | refusals(400, 404, 409),
    )
    def post(self, request: Request) -> Response:
        body = bodies.read_body(ExportBody, request.data)
        view = find_view(tenant_id_of(request), str(body.view)) if body.view else None
        workflow = _workflow(tenant_id_of(request), body.workflow, view)
        conditions = read_conditions(workflow, body.filters)
        spec = _spec(workflow, view, body)
        require_fields(workflow, [*spec.filters, *conditions])
        zone = ZoneInfo(workflow.tenant.time_zone)
        try:
            export = start_export(
                workflow=workflow,
                name=view.name if view else workflow.label_plural,
                spec=spec,
                wanted=narrowed(JobFilter(workflow_id=workflow.pk), [*spec.filters, *conditions], zone),
                form=body.format,
                actor=actor_of(request),
                now=utcnow(),
            )
        except NotReady as error:
            raise invalid([("sort", str(error))]) from error
        return Response(export_answer(export), status=202, headers={"Location": f"{request.path}/{export.uid}"})


class ExportView(APIView):
    """One export."""

    required_scopes = Scope.JOBS_READ

    @extend_schema(
        operation_id="get_export",
        summary="See how far an export is",
        parameters=[EXPORT_ID],
        responses={200: ExportAnswer} | refusals(404),
    )
    def get(self, request: Request, uid: UUID) -> Response:
        return Response(export_answer(_find(request, uid)))


class ExportDownloadView(APIView):
    """The file of an export."""

    required_scopes = Scope.JOBS_READ

    @extend_schema(
        operation_id="download_export",
        summary="Download an export's file",
        parameters=[EXPORT_ID],
        responses={(200, "application/octet-stream"): OpenApiResponse(OpenApiTypes.BINARY)} | refusals(404, 409),
    )
    def get(self, request: Request, uid: UUID) -> FileResponse:
        export = _find(request, uid)
        if export.state == JobExport.State.RUNNING:
            raise Refused("The file is still being written.", status=409, code="export-state")
        return download_export(export)


class CancelExportView(APIView):
    """Ending an export."""

    required_scopes = Scope.JOBS_READ

    @extend_schema(
        operation_id="cancel_export",
        summary="End an export before its file is there",
        parameters=[EXPORT_ID],
        request=None,
        responses={200: ExportAnswer} | refusals(404, 409),
    )
    def post(self, request: Request, uid: UUID) -> Response:
        export = _find(request, uid)
        if not cancel_export(export=export, actor=actor_of(request), now=utcnow()):
            raise Refused("The export is over already.", status=409, code="export-state")
        return Response(export_answer(export))


class ViewsView(APIView):
    """The views that are shared in a tenant."""

    required_scopes = Scope.JOBS_READ

    @extend_schema(
        operation_id="list_views",
        summary="List the shared views",
        description="Use an `id` as `view` in the job list and in exports.",
        responses={200: ViewPageAnswer} | refusals(),
    )
    def get(self, request: Request) -> Response:
        views = list_shared_views(tenant_id_of(request))[:1_000]
        return Response({"results": [view_answer(view) for view in views]})


def export_answer(export: JobExport) -> dict[str, Any]:
    """Return an export as the API shows it."""
    return {
        "id": str(export.uid),
        "workflow": export.workflow.slug,
        "name": export.name,
        "format": str(export.format),
        "state": str(export.state),
        "rows": export.rows,
        "expected": export.expected,
        "size": export.size,
        "error": export.error_message,
        "created_at": instant(export.created_at),
        "finished_at": instant(export.finished_at),
    }


def view_answer(view: SavedView) -> dict[str, Any]:
    """Return a view as the API shows it."""
    return {"id": str(view.uid), "name": view.name, "workflow": view.workflow.slug} | ViewSpec.model_validate(
        view.spec
    ).to_json()


def _workflow(tenant_id: int, slug: str | None, view: SavedView | None) -> Workflow:
    found = workflow_id(tenant_id, slug or "")
    if view is not None and found not in (None, view.workflow_id):
        raise invalid([("workflow", "The view is of another workflow.")])
    if view is None and found is None:
        raise invalid([("workflow", "Name a workflow, or a view.")])
    rows = Workflow.objects.select_related("tenant", "live_version", "next_version")
    workflow: Workflow = rows.get(pk=found or (view.workflow_id if view else None))
    return workflow


def _spec(workflow: Workflow, view: SavedView | None, body: ExportBody) -> ViewSpec:
    """Return what is exported as a view. Raises Refused, naming the column or the order that is wrong."""
    spec = ViewSpec.model_validate(view.spec if view else {})
    columns = spec.columns
    if body.columns or not columns:
        listed = [path_of(field) for field in fields_of(workflow) if field.in_list]
        columns = tuple(ViewColumn.model_construct(path=path, label="") for path in body.columns or (*listed, *USUAL))
    wanted = spec.model_copy(update={"columns": columns, "sort": body.sort or spec.sort})
    problems = check_spec(wanted, workflow)
    if problems:
        raise invalid(problems)
    return wanted


def _find(request: Request, uid: UUID) -> JobExport:
    found = find_export(tenant_id_of(request), uid)
    if found is None:
        raise NotFound("There is no such export.")
    return found
