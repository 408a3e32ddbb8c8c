"""The job endpoints: each parses, makes one service call, and renders."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from pydantic import ValidationError
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs.api import bodies, headers
from jobs.api.answers import errors_answer, file_answer, job_answer, story_answer
from jobs.api.filters import encode_cursor, parse_list_request
from jobs.api.schema import IDEMPOTENCY_KEY, LIST_PARAMETERS, TRACING
from jobs.api.shapes import BulkAnswer, CreatedJobAnswer, JobAnswer, JobPageAnswer, JobStoryAnswer
from jobs.api.uploads import FORM_SCHEMA, JobFormParser, SentForm
from jobs.domain.submission import IdempotencyConflict, NewJob, SubmissionError
from jobs.models import File, Job
from jobs.queries.files import list_files
from jobs.queries.job_pages import list_ids
from jobs.queries.story import find_job, get_job_story
from jobs.services.control import NotCancellableError, NotRetryableError, UnknownStepError, cancel_job, retry_job
from jobs.services.files import submit_with_files
from jobs.services.submit import submit_job, submit_jobs, submit_once
from taskflow.lib.clock import utcnow
from taskflow.lib.openapi import refusals
from taskflow.lib.problems import FieldError, Refused, invalid
from taskflow.lib.rest import StrictJSONParser
from tenants.api import key_of
from tenants.domain.roles import Scope

JOB_ID = OpenApiParameter("uid", UUID, OpenApiParameter.PATH, description="The id of a job.")


def actor_of(request: Request) -> str:
    """Return who acts, for a job's log: the key, by its prefix."""
    return f"api:{key_of(request).prefix}"


def tenant_id_of(request: Request) -> int:
    """Return the tenant that the request's key belongs to."""
    return key_of(request).tenant_id


class JobsView(APIView):
    """The jobs of a tenant."""

    required_scopes = {"GET": Scope.JOBS_READ, "POST": Scope.JOBS_WRITE}
    parser_classes = (StrictJSONParser, JobFormParser)

    @extend_schema(
        operation_id="list_jobs",
        summary="List jobs",
        description="Newest first. All filters must hold. Follow `next` until it is null.",
        parameters=LIST_PARAMETERS,
        responses={200: JobPageAnswer} | refusals(400),
    )
    def get(self, request: Request) -> Response:
        asked = parse_list_request(tenant_id_of(request), request.query_params)
        ids = list_ids(tenant_id_of(request), asked.wanted, before=asked.before, size=asked.size + 1, extra=asked.extra)
        more, ids = len(ids) > asked.size, ids[: asked.size]
        rows = _rows(tenant_id_of(request)).in_bulk(ids)
        cursor = encode_cursor(ids[-1]) if more else None
        return Response(
            {
                "results": [job_answer(rows[pk]) for pk in ids if pk in rows],
                "next": cursor and next_page(request, cursor),
                "next_cursor": cursor,
            }
        )

    @extend_schema(
        operation_id="create_job",
        summary="Create a job",
        description=(
            "With files, send multipart/form-data. With an `Idempotency-Key`, the same request again answers the first "
            "job with 200."
        ),
        parameters=[IDEMPOTENCY_KEY, *TRACING],
        request={"application/json": bodies.NewJobBody, "multipart/form-data": FORM_SCHEMA},
        responses={201: CreatedJobAnswer, 200: CreatedJobAnswer} | refusals(400, 409, 413),
    )
    def post(self, request: Request) -> Response:
        form = request.data if isinstance(request.data, SentForm) else None
        body = bodies.read_body(bodies.NewJobBody, form.job if form else request.data)
        faults = bodies.check_size(body.payload, sent=_sent(request))
        if faults:
            raise invalid(faults)
        key = headers.idempotency_key(request)
        try:
            job, created = _submit(request, new_job(request, body), key, form)
        except SubmissionError as error:
            raise invalid(error.problems) from error
        except IdempotencyConflict as error:
            raise Refused(str(error), status=409, code="idempotency-conflict") from error
        where = {"Location": f"{request.path}/{job.uid}"}
        files: list[File] = list_files(job) if form and form.uploads else []
        answer = job_answer(job) | {"files": [file_answer(file) for file in files]}
        return Response(answer, status=201 if created else 200, headers=where)


class BulkView(APIView):
    """Many jobs at once."""

    required_scopes = Scope.JOBS_WRITE

    @extend_schema(
        operation_id="create_jobs",
        summary="Create up to 1,000 jobs",
        description="Each item is checked by itself: 201 if all were created, 207 if some were, 400 if none.",
        parameters=TRACING,
        request=bodies.BulkBody,
        responses={201: BulkAnswer, 207: BulkAnswer} | refusals(400, 413),
    )
    def post(self, request: Request) -> Response:
        headers.refuse_idempotency_key(request)
        body = bodies.read_body(bodies.BulkBody, request.data)
        checked = [_check_item(request, item) for item in body.jobs]
        requests = [item for item in checked if isinstance(item, NewJob)]
        stored = iter(submit_jobs(tenant_id=tenant_id_of(request), requests=requests, now=utcnow()))
        results = [_item_answer(next(stored) if isinstance(item, NewJob) else item) for item in checked]
        created = sum(result["status"] == 201 for result in results)
        answer = {"created": created, "refused": len(results) - created, "results": results}
        if not created:
            raise Refused("None of the jobs was created.", code="invalid-request", **answer)
        return Response(answer, status=201 if created == len(results) else 207)


class JobView(APIView):
    """One job."""

    required_scopes = Scope.JOBS_READ

    @extend_schema(
        operation_id="get_job",
        summary="Read a job, with its history and an explanation",
        parameters=[JOB_ID],
        responses={200: JobStoryAnswer} | refusals(404),
    )
    def get(self, request: Request, uid: UUID) -> Response:
        return Response(story_answer(get_job_story(_find(request, uid), now=utcnow())))


class CancelView(APIView):
    """Cancelling one job."""

    required_scopes = Scope.JOBS_WRITE

    @extend_schema(
        operation_id="cancel_job",
        summary="Cancel a job",
        description="At once if nothing runs it, else at its next step. Asking again changes nothing.",
        parameters=[JOB_ID],
        request=None,
        responses={200: JobAnswer} | refusals(404, 409),
    )
    def post(self, request: Request, uid: UUID) -> Response:
        job = _find(request, uid)
        try:
            return Response(job_answer(cancel_job(job=job, actor=actor_of(request), now=utcnow())))
        except NotCancellableError as error:
            raise Refused(str(error), status=409, code="not-cancellable") from error


class RetryView(APIView):
    """Retrying one job."""

    required_scopes = Scope.JOBS_WRITE

    @extend_schema(
        operation_id="retry_job",
        summary="Retry a FAILED, DEAD or CANCELLED job",
        description="From where it stopped, from a step it has reached, or with another payload from the first step.",
        parameters=[JOB_ID],
        request=bodies.RetryBody,
        responses={200: JobAnswer} | refusals(400, 404, 409, 413),
    )
    def post(self, request: Request, uid: UUID) -> Response:
        body = bodies.read_body(bodies.RetryBody, request.data)
        faults = bodies.check_size(body.payload or {}, sent=_sent(request))
        if faults:
            raise invalid(faults)
        return Response(job_answer(_retry(request, _find(request, uid), body)))


def new_job(request: Request, body: bodies.NewJobBody) -> NewJob:
    """Return what the body asks for, with what the headers add."""
    return NewJob(
        workflow=body.workflow,
        payload=body.payload,
        queue=body.queue,
        priority=body.priority,
        run_at=body.run_at,
        correlation_id=body.correlation_id or headers.correlation_id(request),
        traceparent=headers.traceparent(request),
        retry_policy=body.retry_policy,
        source=actor_of(request),
    )


def _submit(request: Request, wanted: NewJob, key: str | None, form: SentForm | None) -> tuple[Job, bool]:
    tenant_id, now = tenant_id_of(request), utcnow()
    hashed, fingerprint = (None, "") if key is None else (headers.sha256(key), _fingerprint(request))
    if form and form.uploads:
        return submit_with_files(
            tenant_id=tenant_id, request=wanted, uploads=form.uploads, now=now, key=hashed, fingerprint=fingerprint
        )
    if hashed is None:
        return submit_job(tenant_id=tenant_id, request=wanted, now=now), True
    return submit_once(tenant_id=tenant_id, request=wanted, key=hashed, fingerprint=fingerprint, now=now)


def _fingerprint(request: Request) -> str:
    return request.data.fingerprint() if isinstance(request.data, SentForm) else headers.sha256(request.data)


def _check_item(request: Request, item: Any) -> NewJob | list[FieldError]:
    if not isinstance(item, dict):
        return [("", "Must be a JSON object.")]
    try:
        body = bodies.NewJobBody.model_validate(item)
    except ValidationError as error:
        return bodies.faults_of(error)
    return bodies.check_size(body.payload, sent=_sent(request)) or new_job(request, body)


def _item_answer(item: Job | SubmissionError | list[FieldError]) -> dict[str, Any]:
    if isinstance(item, Job):
        return {"status": 201, "job": job_answer(item)}
    return {"status": 400, "errors": errors_answer(item.problems if isinstance(item, SubmissionError) else item)}


def _retry(request: Request, job: Job, body: bodies.RetryBody) -> Job:
    try:
        return retry_job(job=job, actor=actor_of(request), now=utcnow(), from_step=body.from_step, payload=body.payload)
    except NotRetryableError as error:
        raise Refused(str(error), status=409, code="not-retryable") from error
    except UnknownStepError as error:
        raise invalid([("from_step", str(error))]) from error
    except SubmissionError as error:
        raise invalid(error.problems) from error


def _find(request: Request, uid: UUID) -> Job:
    job = find_job(tenant_id_of(request), uid)
    if job is None:
        raise NotFound("There is no such job.")
    return job


def _rows(tenant_id: int) -> QuerySet[Job]:
    unused = ("payload", "result", "error_message", "retry_policy")
    rows: QuerySet[Job] = Job.objects.for_tenant(tenant_id).select_related("parent")
    return rows.defer("retry_policy", *(f"parent__{name}" for name in unused))


def _sent(request: Request) -> int:
    return int(request.META.get("CONTENT_LENGTH") or 0)


def next_page(request: Request, cursor: str) -> str:
    """Return the address of this list's page behind `cursor`."""
    query = request.query_params.copy()
    query["cursor"] = cursor
    return request.build_absolute_uri(f"{request.path}?{query.urlencode()}")
