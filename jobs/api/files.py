"""The files of a job, over REST."""

from uuid import UUID

from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.views import APIView

from jobs.downloads import download
from jobs.queries.files import find_file
from jobs.queries.story import find_job
from taskflow.lib.openapi import refusals
from tenants.api import key_of
from tenants.domain.roles import Scope


class FileView(APIView):
    """One file of a job."""

    required_scopes = Scope.JOBS_READ

    @extend_schema(
        operation_id="download_file",
        summary="Download a file of a job",
        parameters=[
            OpenApiParameter("uid", UUID, OpenApiParameter.PATH, description="The id of a job."),
            OpenApiParameter("file", UUID, OpenApiParameter.PATH, description="The id of one of its files."),
        ],
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY} | refusals(404),
    )
    def get(self, request: Request, uid: UUID, file: UUID) -> FileResponse:
        job = find_job(key_of(request).tenant_id, uid)
        found = None if job is None else find_file(job, file)
        if found is None:
            raise NotFound("There is no such file.")
        return download(found)
