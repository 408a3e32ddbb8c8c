"""Test runs over REST: starting one on a workflow's samples, and reading what came of it."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from pydantic import BaseModel, Field
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs.api.bodies import Body, read_body
from jobs.api.schema import query_parameter
from jobs.api.views import tenant_id_of
from jobs.domain.comparing import Status
from jobs.models import Trial, TrialItem
from jobs.services.trials import NothingToTest, golden_samples, start_trial
from taskflow.lib.clock import utcnow
from taskflow.lib.openapi import refusals
from taskflow.lib.problems import invalid
from tenants.domain.roles import Scope
from workflows.domain.definition import DefinitionError
from workflows.models import Workflow

SLUG = OpenApiParameter("slug", str, OpenApiParameter.PATH, description="The slug of a workflow.")
UID = OpenApiParameter("uid", UUID, OpenApiParameter.PATH, description="The id of a test run.")
ROWS = 100


class TestRunBody(Body):
    """What of the draft is tested, on which samples."""

    samples: Literal["all", "golden"] = Field("all", description="All of the workflow's samples, or the golden ones.")
    step: Annotated[str, Field(max_length=50)] = Field("", description="The key of the one step to try; empty: all.")
    anew: bool = Field(False, description="Ask language models also where the answer is known from before.")


class TestCountsAnswer(BaseModel):
    """How many rows there are of each kind."""

    same: int
    changed: int
    fixed: int
    broken: int
    errors: int
    new: int


class TestRunAnswer(BaseModel):
    """A test run. `version` is the live version it is compared with; `cost` is in US dollars."""

    id: str
    state: str = Field(description="running, done, cancelled or failed.")
    version: int | None
    step: str
    total: int
    done: int
    counts: TestCountsAnswer
    live_reviews: int
    draft_reviews: int
    cost: float
    note: str
    created_at: str
    finished_at: str | None


class TestRowAnswer(BaseModel):
    """What came of one sample: what both versions gave, their errors, and the fields that differ or are expected."""

    position: int
    name: str
    status: Literal["same", "changed", "fixed", "broken", "error", "new"]
    input: dict[str, Any]
    expected: dict[str, Any] | None
    live: dict[str, Any] | None
    live_error: str
    draft: dict[str, Any] | None
    draft_error: str
    fields: list[dict[str, Any]]
    seconds: float
    cost: float


class TestRunDetailAnswer(TestRunAnswer):
    """A test run with the rows that are done. `next_after` gives the next page as `after`; null on the last."""

    rows: list[TestRowAnswer]
    next_after: int | None


class TestRunsView(APIView):
    """The test runs of a workflow."""

    required_scopes = Scope.WORKFLOWS_WRITE

    @extend_schema(
        operation_id="start_test_run",
        summary="Test a workflow's draft on its samples",
        description=(
            "Runs the draft and the live version over the samples in the background. Nothing is sent to anybody; "
            "language models are asked, which may cost."
        ),
        parameters=[SLUG],
        request=TestRunBody,
        responses={201: TestRunAnswer} | refusals(400, 404),
    )
    def post(self, request: Request, slug: str) -> Response:
        workflow = _workflow(request, slug)
        body = read_body(TestRunBody, request.data)
        golden = body.samples == "golden"
        try:
            trial = start_trial(
                workflow=workflow,
                samples=golden_samples(workflow) if golden else list(workflow.samples.order_by("pk")),
                user=None,
                now=utcnow(),
                step_key=body.step,
                source=f"{body.samples} samples, by the API",
                anew=body.anew,
            )
        except NothingToTest as error:
            raise invalid([("step" if body.step else "samples", str(error))]) from error
        except DefinitionError as error:
            raise invalid([(f"draft.{each.place}".rstrip("."), each.message) for each in error.problems]) from error
        return Response(run_answer(trial), status=201)


class TestRunView(APIView):
    """One test run."""

    required_scopes = Scope.WORKFLOWS_READ

    @extend_schema(
        operation_id="get_test_run",
        summary="Read a test run, with its rows",
        parameters=[
            SLUG,
            UID,
            query_parameter("after", "Only rows behind this position.", int),
            query_parameter("status", "Only rows of this status: same, changed, fixed, broken, error, new."),
        ],
        responses={200: TestRunDetailAnswer} | refusals(400, 404),
    )
    def get(self, request: Request, slug: str, uid: UUID) -> Response:
        trial = Trial.objects.filter(workflow=_workflow(request, slug), uid=uid).first()
        if trial is None:
            raise NotFound(f"'{slug}' has no test run {uid}.")
        rows = TrialItem.objects.filter(trial=trial, done_at__isnull=False, position__gt=_after(request))
        status = request.query_params.get("status", "")
        if status:
            if status not in set(Status):
                raise invalid([("status", f"Must be one of {', '.join(Status)}.")])
            rows = rows.filter(status=status)
        page = list(rows.defer("recorded").order_by("position")[: ROWS + 1])
        answer = run_answer(trial) | {
            "rows": [row_answer(item) for item in page[:ROWS]],
            "next_after": page[ROWS - 1].position if len(page) > ROWS else None,
        }
        return Response(answer)


def run_answer(trial: Trial) -> dict[str, Any]:
    """Return a run without its rows."""
    names = ("same", "changed", "fixed", "broken", "errors")
    return {
        "id": str(trial.uid),
        "state": trial.state,
        "version": trial.live_number,
        "step": trial.step_key,
        "total": trial.total,
        "done": trial.done,
        "counts": {name: getattr(trial, name) for name in names} | {"new": trial.fresh},
        "live_reviews": trial.live_reviews,
        "draft_reviews": trial.draft_reviews,
        "cost": trial.cost,
        "note": trial.note,
        "created_at": _moment(trial.created_at),
        "finished_at": _moment(trial.finished_at),
    }


def row_answer(item: TrialItem) -> dict[str, Any]:
    """Return one row."""
    live, draft = item.live or {}, item.draft or {}
    return {
        "position": item.position,
        "name": item.name,
        "status": item.status,
        "input": item.input,
        "expected": item.expected,
        "live": live.get("record"),
        "live_error": live.get("error", ""),
        "draft": draft.get("record"),
        "draft_error": draft.get("error", ""),
        "fields": item.fields or [],
        "seconds": item.seconds,
        "cost": item.cost,
    }


def _workflow(request: Request, slug: str) -> Workflow:
    rows = Workflow.objects.filter(tenant_id=tenant_id_of(request), slug=slug).select_related("live_version", "tenant")
    found: Workflow | None = rows.first()
    if found is None:
        raise NotFound(f"There is no workflow '{slug}'.")
    return found


def _after(request: Request) -> int:
    text = request.query_params.get("after", "")
    if not text:
        return -1
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise invalid([("after", "Must be the position of a row.")])
    return int(text)


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")
