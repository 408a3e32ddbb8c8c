"""The queue endpoints."""

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs.api.answers import queue_answer
from jobs.api.bodies import PauseBody, read_body
from jobs.api.shapes import QueueAnswer, QueueListAnswer
from jobs.api.views import actor_of, tenant_id_of
from jobs.models import Queue
from jobs.queries.figures import queue_figures
from jobs.services.queues import pause_lane, pause_queue, resume_lane, resume_queue
from taskflow.lib.clock import utcnow
from taskflow.lib.openapi import refusals
from taskflow.lib.problems import invalid
from tenants.api import key_of
from tenants.domain.roles import Scope

SLUG = OpenApiParameter("slug", str, OpenApiParameter.PATH, description="The slug of a queue.")
WHOLE = OpenApiParameter("whole", bool, description="True for the figures over all tenants; needs the scope `fleet`.")


class QueuesView(APIView):
    """How full the queues are."""

    required_scopes = Scope.QUEUES_READ

    @extend_schema(
        operation_id="list_queues",
        summary="List the queues with their depth",
        parameters=[WHOLE],
        responses={200: QueueListAnswer} | refusals(400),
    )
    def get(self, request: Request) -> Response:
        whole = _whole(request)
        figures = queue_figures(None if whole else tenant_id_of(request))
        return Response({"results": [queue_answer(each, now=utcnow()) for each in figures]})


class PauseView(APIView):
    """Starting no more jobs."""

    required_scopes = Scope.QUEUES_WRITE

    @extend_schema(
        operation_id="pause_queue",
        summary="Pause your jobs in a queue, or the whole queue",
        description="No more jobs are started; those that run go on.",
        parameters=[SLUG],
        request=PauseBody,
        responses={200: QueueAnswer} | refusals(400, 404),
    )
    def post(self, request: Request, slug: str) -> Response:
        return _switch(request, slug, pause=True)


class ResumeView(APIView):
    """Starting jobs again."""

    required_scopes = Scope.QUEUES_WRITE

    @extend_schema(
        operation_id="resume_queue",
        summary="Resume your jobs in a queue, or the whole queue",
        parameters=[SLUG],
        request=PauseBody,
        responses={200: QueueAnswer} | refusals(400, 404),
    )
    def post(self, request: Request, slug: str) -> Response:
        return _switch(request, slug, pause=False)


def _whole(request: Request) -> bool:
    unknown = [name for name in request.query_params if name != "whole"]
    if unknown:
        raise invalid([(name, "There is no such parameter.") for name in unknown])
    text = request.query_params.get("whole", "false").lower()
    if text not in ("true", "false"):
        raise invalid([("whole", "Must be true or false.")])
    return text == "true" and _require_fleet(request)


def _require_fleet(request: Request) -> bool:
    if Scope.FLEET.value not in key_of(request).scopes:
        raise PermissionDenied(f"Only a key with the scope {Scope.FLEET.value} reaches beyond its tenant.")
    return True


def _switch(request: Request, slug: str, *, pause: bool) -> Response:
    body = read_body(PauseBody, request.data)
    whole = body.whole and _require_fleet(request)
    queue = Queue.objects.filter(slug=slug).first()
    if queue is None:
        raise NotFound(f"There is no queue '{slug}'.")
    now, actor = utcnow(), actor_of(request)
    if whole:
        (pause_queue if pause else resume_queue)(queue=queue, actor=actor, now=now)
    else:
        (pause_lane if pause else resume_lane)(queue=queue, tenant_id=tenant_id_of(request), actor=actor, now=now)
    figures = queue_figures(None if whole else tenant_id_of(request))
    return Response(next(queue_answer(each, now=now) for each in figures if each.queue.pk == queue.pk))
