"""Reading workflows over REST: what there is to send jobs to, and what a payload must hold."""

from datetime import UTC
from typing import Any

from django.urls import path
from drf_spectacular.utils import OpenApiParameter, extend_schema
from pydantic import BaseModel, Field
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from taskflow.lib.openapi import refusals
from tenants.api import key_of
from tenants.domain.roles import Scope
from workflows.domain.fields import FieldType, InputField, Role, read_fields
from workflows.models import Workflow

Schema = dict[str, Any]
FILE: Schema = {"type": "object", "properties": {"id": {"type": "string", "format": "uuid"}}, "required": ["id"]}
TYPES: dict[FieldType, Schema] = {
    FieldType.TEXT: {"type": "string"},
    FieldType.INTEGER: {"type": "integer"},
    FieldType.NUMBER: {"type": "number"},
    FieldType.BOOLEAN: {"type": "boolean"},
    FieldType.DATE: {"type": "string", "format": "date"},
    FieldType.DATETIME: {"type": "string", "format": "date-time"},
    FieldType.EMAIL: {"type": "string", "format": "email"},
    FieldType.URL: {"type": "string", "format": "uri"},
    FieldType.CHOICE: {"type": "string"},
    FieldType.LIST: {"type": "array"},
    FieldType.OBJECT: {"type": "object"},
    FieldType.FILE: FILE,
    FieldType.FILES: {"type": "array", "items": FILE},
}


class LabelsAnswer(BaseModel):
    """What people call one item of the workflow, and many."""

    singular: str
    plural: str


class WorkflowAnswer(BaseModel):
    """A workflow. `version` is the number of the version that new jobs run; null before the first is published."""

    slug: str
    name: str
    labels: LabelsAnswer
    queue: str
    active: bool
    version: int | None


class WorkflowListAnswer(BaseModel):
    """The workflows, by name."""

    results: list[WorkflowAnswer]


class StepAnswer(BaseModel):
    """One step of a version."""

    key: str
    name: str
    kind: str
    on_error: str


class WorkflowDetailAnswer(WorkflowAnswer):
    """A workflow with what its live version takes and does."""

    published_at: str | None
    fields: list[dict[str, Any]]
    input_schema: dict[str, Any] = Field(description="A JSON schema for `payload`.")
    steps: list[StepAnswer]


class WorkflowsView(APIView):
    """The workflows of a tenant."""

    required_scopes = Scope.WORKFLOWS_READ

    @extend_schema(
        operation_id="list_workflows", summary="List workflows", responses={200: WorkflowListAnswer} | refusals()
    )
    def get(self, request: Request) -> Response:
        rows = Workflow.objects.for_tenant(key_of(request).tenant_id).select_related("live_version")
        return Response({"results": [summary_of(row) for row in rows.order_by("name", "id")]})


class WorkflowView(APIView):
    """One workflow."""

    required_scopes = Scope.WORKFLOWS_READ

    @extend_schema(
        operation_id="get_workflow",
        summary="Read a workflow, with the fields its jobs take",
        parameters=[OpenApiParameter("slug", str, OpenApiParameter.PATH, description="The slug of a workflow.")],
        responses={200: WorkflowDetailAnswer} | refusals(404),
    )
    def get(self, request: Request, slug: str) -> Response:
        rows = Workflow.objects.for_tenant(key_of(request).tenant_id).select_related("live_version")
        workflow = rows.filter(slug=slug).first()
        if workflow is None:
            raise NotFound(f"There is no workflow '{slug}'.")
        return Response(detail_of(workflow))


def summary_of(workflow: Workflow) -> dict[str, Any]:
    """Return a workflow as the list shows it."""
    live = workflow.live_version
    return {
        "slug": workflow.slug,
        "name": workflow.name,
        "labels": {"singular": workflow.label_singular, "plural": workflow.label_plural},
        "queue": workflow.queue,
        "active": workflow.active,
        "version": live.number if live else None,
    }


def detail_of(workflow: Workflow) -> dict[str, Any]:
    """Return a workflow with the fields and steps of its live version."""
    live = workflow.live_version
    fields = read_fields(live.fields) if live else ()
    steps = live.steps.order_by("position") if live else ()
    published = live.published_at.astimezone(UTC) if live and live.published_at else None
    return summary_of(workflow) | {
        "published_at": published and published.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "fields": [field.model_dump(mode="json") for field in fields],
        "input_schema": input_schema(fields),
        "steps": [{"key": s.key, "name": s.name, "kind": s.kind, "on_error": s.on_error} for s in steps],
    }


def input_schema(fields: tuple[InputField, ...]) -> Schema:
    """Return the JSON schema (2020-12) of a payload that fits `fields`; keys that no field names are allowed."""
    inputs = [field for field in fields if field.role is Role.INPUT]
    schema: Schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {field.key: _field_schema(field) for field in inputs},
    }
    required = [field.key for field in inputs if field.required]
    return schema | ({"required": required} if required else {})


def _field_schema(field: InputField) -> Schema:
    schema: Schema = {"title": field.shown_label} | TYPES[field.type]
    if field.choices:
        schema["enum"] = list(field.choices)
    if field.max_length and schema["type"] in ("string", "array"):
        schema["maxLength" if schema["type"] == "string" else "maxItems"] = field.max_length
    if field.required and schema["type"] == "string":
        schema["minLength"] = 1
    if not field.required:
        schema["type"] = [schema["type"], "null"]
        if field.choices:
            schema["enum"].append(None)
    return schema | ({"description": field.description} if field.description else {})


urlpatterns = [
    path("workflows", WorkflowsView.as_view(), name="workflows"),
    path("workflows/<slug:slug>", WorkflowView.as_view(), name="workflow"),
]
