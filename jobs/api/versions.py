"""Versions over REST: what was published, publishing behind the gate, and rolling back."""

from datetime import UTC, datetime
from typing import Annotated, Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from pydantic import AfterValidator, BaseModel, Field
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs.api.bodies import Body, plain_text, read_body
from jobs.api.schema import query_parameter
from jobs.api.views import actor_of, tenant_id_of
from jobs.services.publishing import LONGEST_REASON, GateClosed, publish_draft
from taskflow.lib.clock import utcnow
from taskflow.lib.openapi import refusals
from taskflow.lib.problems import Refused, invalid
from tenants.domain.roles import Scope
from workflows.domain.definition import DefinitionError
from workflows.models import Workflow, WorkflowVersion
from workflows.queries import find_version
from workflows.services.releases import SHARES, NoSuchVersion, get_version, roll_back

SLUG = OpenApiParameter("slug", str, OpenApiParameter.PATH, description="The slug of a workflow.")
NUMBER = OpenApiParameter("number", int, OpenApiParameter.PATH, description="The number of a version.")
PAGE = 100
#: No number of a version has more digits.
LARGEST = 2**31 - 1


class PublishBody(Body):
    """What is said about the version, and to how many jobs it goes."""

    notes: Annotated[str, Field(max_length=5_000), AfterValidator(plain_text)] = Field("", description="What changed.")
    share: Annotated[int, Field(strict=True)] = Field(
        100, description="Percent of new jobs that run it: 5, 25, 50 or 100. The others stay on the live version."
    )
    override_reason: Annotated[str, Field(max_length=LONGEST_REASON), AfterValidator(plain_text)] = Field(
        "", description="Why it goes live although the gate is closed; it stays with the version."
    )


class RollbackBody(Body):
    """Which version new jobs are to run."""

    version: Annotated[int, Field(strict=True, ge=1, le=LARGEST)] = Field(description="The number of the version.")
    reason: Annotated[str, Field(max_length=500), AfterValidator(plain_text)] = ""


class VersionAnswer(BaseModel):
    """A published version. `live` says whether new jobs run it, `share` how many percent of them."""

    number: int
    live: bool
    share: int
    published_at: str
    published_by: str | None
    notes: str
    gate: dict[str, Any] | None = Field(description="What the gate said; null where nobody asked it.")


class VersionListAnswer(BaseModel):
    """Versions, the newest first. `next_before` gives the page after this one as `before`; null on the last."""

    results: list[VersionAnswer]
    next_before: int | None


class VersionStepAnswer(BaseModel):
    """One step of a version with all it does."""

    key: str
    name: str
    kind: str
    config: dict[str, Any]
    on_error: str
    timeout: float | None
    retry: dict[str, Any] | None
    review: dict[str, Any] | None


class VersionDetailAnswer(VersionAnswer):
    """A version with what it takes and does."""

    fields: list[dict[str, Any]]
    retry_policy: dict[str, Any] | None
    timeout: float
    steps: list[VersionStepAnswer]


class VersionsView(APIView):
    """The versions of a workflow."""

    required_scopes = Scope.WORKFLOWS_READ

    @extend_schema(
        operation_id="list_versions",
        summary="List the published versions of a workflow",
        parameters=[SLUG, query_parameter("before", "Only versions of a smaller number.", int)],
        responses={200: VersionListAnswer} | refusals(400, 404),
    )
    def get(self, request: Request, slug: str) -> Response:
        workflow = _workflow(request, slug)
        rows = workflow.versions.exclude(number=None).select_related("published_by").order_by("-number")
        before = _before(request)
        page = list((rows if before is None else rows.filter(number__lt=before))[: PAGE + 1])
        shown = [version_answer(workflow, version) for version in page[:PAGE]]
        return Response({"results": shown, "next_before": page[PAGE - 1].number if len(page) > PAGE else None})


class VersionView(APIView):
    """One version."""

    required_scopes = Scope.WORKFLOWS_READ

    @extend_schema(
        operation_id="get_version",
        summary="Read a published version, with its steps",
        parameters=[SLUG, NUMBER],
        responses={200: VersionDetailAnswer} | refusals(404),
    )
    def get(self, request: Request, slug: str, number: int) -> Response:
        workflow = _workflow(request, slug)
        version = find_version(workflow, str(number))
        if version is None:
            raise NotFound(f"'{slug}' has no version {number}.")
        return Response(detail_answer(workflow, version))


class PublishView(APIView):
    """Making the draft a version."""

    required_scopes = Scope.WORKFLOWS_WRITE

    @extend_schema(
        operation_id="publish_workflow",
        summary="Publish a workflow's draft",
        description=(
            "The draft becomes the next version, which new jobs run. 409 `gate-closed` where the golden samples do not "
            "prove it, unless `override_reason` says why it is published all the same."
        ),
        parameters=[SLUG],
        request=PublishBody,
        responses={201: VersionAnswer} | refusals(400, 404, 409),
    )
    def post(self, request: Request, slug: str) -> Response:
        workflow = _workflow(request, slug)
        body = read_body(PublishBody, request.data)
        if body.share not in SHARES:
            raise invalid([("share", f"Must be one of {', '.join(map(str, SHARES))}.")])
        try:
            version = publish_draft(
                workflow=workflow,
                notes=body.notes,
                now=utcnow(),
                actor=actor_of(request),
                share=body.share,
                override=body.override_reason,
            )
        except DefinitionError as error:
            raise invalid([(f"draft.{each.place}".rstrip("."), each.message) for each in error.problems]) from error
        except GateClosed as error:
            gate = error.gate
            told = {"status": gate.status, "run": gate.run and str(gate.run.uid), "broken": list(map(str, gate.broken))}
            raise Refused(str(error), status=409, code="gate-closed", gate=told) from error
        return Response(version_answer(workflow, version), status=201)


class RollbackView(APIView):
    """Going back to an older version."""

    required_scopes = Scope.WORKFLOWS_WRITE

    @extend_schema(
        operation_id="roll_back_workflow",
        summary="Let new jobs run an older version",
        description="It holds within a second, and ends a release that goes on. Jobs keep the version they began on.",
        parameters=[SLUG],
        request=RollbackBody,
        responses={200: VersionAnswer} | refusals(400, 404),
    )
    def post(self, request: Request, slug: str) -> Response:
        workflow = _workflow(request, slug)
        body = read_body(RollbackBody, request.data)
        try:
            roll_back(workflow=workflow, number=body.version, now=utcnow(), actor=actor_of(request), reason=body.reason)
        except NoSuchVersion as error:
            raise invalid([("version", str(error))]) from error
        return Response(version_answer(workflow, get_version(workflow, body.version)))


def version_answer(workflow: Workflow, version: WorkflowVersion) -> dict[str, Any]:
    """Return a version as lists show it."""
    live, coming = version.pk == workflow.live_version_id, version.pk == workflow.next_version_id
    share = workflow.next_share if coming else 100 - workflow.next_share if live else 0
    return {
        "number": version.number,
        "live": live,
        "share": share,
        "published_at": _instant(version.published_at),
        "published_by": version.published_by and version.published_by.get_username(),
        "notes": version.notes,
        "gate": version.gate,
    }


def detail_answer(workflow: Workflow, version: WorkflowVersion) -> dict[str, Any]:
    """Return a version with its fields, policies and steps."""
    return version_answer(workflow, version) | {
        "fields": version.fields,
        "retry_policy": version.retry_policy,
        "timeout": version.timeout,
        "steps": [
            {name: getattr(step, name) for name in VersionStepAnswer.model_fields}
            for step in version.steps.order_by("position")
        ],
    }


def _workflow(request: Request, slug: str) -> Workflow:
    rows = Workflow.objects.for_tenant(tenant_id_of(request)).select_related("tenant")
    found: Workflow | None = rows.filter(slug=slug).first()
    if found is None:
        raise NotFound(f"There is no workflow '{slug}'.")
    return found


def _before(request: Request) -> int | None:
    unknown = [name for name in request.query_params if name != "before"]
    if unknown:
        raise invalid([(name, "There is no such parameter.") for name in unknown])
    text = request.query_params.get("before")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise invalid([("before", "Must be the number of a version.")])
    return int(text)


def _instant(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
