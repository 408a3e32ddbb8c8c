"""The review endpoints: what jobs ask people, and the answers."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs.api.bodies import DecideBody, read_body
from jobs.api.filters import LARGEST_PAGE, PAGE_SIZE, decode_cursor, encode_cursor, page_size, workflow_id
from jobs.api.review_answers import ReviewAnswer, ReviewPageAnswer, review_answer
from jobs.api.schema import query_parameter
from jobs.api.views import actor_of, next_page, tenant_id_of
from jobs.domain.reviews import (
    Decision,
    EditError,
    NotUndoableError,
    Reviewer,
    ReviewError,
    ReviewState,
    TakenError,
)
from jobs.models import Review
from jobs.queries.reviews import ReviewFilter, find_review, list_reviews
from jobs.services.reviews import claim_review, decide_review, release_review, undo_decision
from taskflow.lib.clock import utcnow
from taskflow.lib.openapi import refusals
from taskflow.lib.problems import FieldError, Refused, invalid
from tenants.domain.roles import Role, Scope

REVIEW_ID = OpenApiParameter("uid", UUID, OpenApiParameter.PATH, description="The id of a review.")
STATES = [state.value for state in ReviewState]
ROLES = [role.value for role in Role]
PARAMETERS = [
    query_parameter("state", "One or more, separated by commas, or `all`; `open` if not given.", enum=[*STATES, "all"]),
    query_parameter("workflow", "The slug of a workflow."),
    query_parameter("job", "The id of a job.", OpenApiTypes.UUID),
    query_parameter("role", "For exactly this role.", enum=ROLES),
    query_parameter("mine", "True for what this key holds or has decided.", bool),
    query_parameter("overdue", "True for open ones that are late.", bool),
    query_parameter("cursor", "`next_cursor` of the page before."),
    query_parameter("page_size", f"1 to {LARGEST_PAGE}; {PAGE_SIZE} if not given.", int),
]
KNOWN = {parameter.name for parameter in PARAMETERS}


class ReviewsView(APIView):
    """The reviews of a tenant."""

    required_scopes = Scope.REVIEWS_READ

    @extend_schema(
        operation_id="list_reviews",
        summary="List reviews",
        description="Newest first. All filters must hold. Follow `next` until it is null.",
        parameters=PARAMETERS,
        responses={200: ReviewPageAnswer} | refusals(400),
    )
    def get(self, request: Request) -> Response:
        query = request.query_params
        wanted = _filter(request)
        before = decode_cursor(str(query["cursor"])) if "cursor" in query else None
        size = page_size(query.get("page_size", str(PAGE_SIZE)))
        found = list_reviews(tenant_id_of(request), wanted, before=before, size=size + 1)
        more, found = len(found) > size, found[:size]
        cursor, now = encode_cursor(found[-1].pk) if more else None, utcnow()
        return Response(
            {
                "results": [review_answer(review, now=now) for review in found],
                "next": cursor and next_page(request, cursor),
                "next_cursor": cursor,
            }
        )


class ReviewView(APIView):
    """One review."""

    required_scopes = Scope.REVIEWS_READ

    @extend_schema(
        operation_id="get_review",
        summary="Read a review",
        parameters=[REVIEW_ID],
        responses={200: ReviewAnswer} | refusals(404),
    )
    def get(self, request: Request, uid: UUID) -> Response:
        return Response(review_answer(_find(request, uid), now=utcnow()))


class ClaimView(APIView):
    """Keeping others from a review."""

    required_scopes = Scope.REVIEWS_WRITE

    @extend_schema(
        operation_id="claim_review",
        summary="Claim a review",
        description="Others are told that you are at it, for two minutes; claim again to keep it longer.",
        parameters=[REVIEW_ID],
        request=None,
        responses={200: ReviewAnswer} | refusals(404, 409),
    )
    def post(self, request: Request, uid: UUID) -> Response:
        return _done(request, uid, lambda review, who: claim_review(review=review, who=who, now=utcnow()))


class ReleaseView(APIView):
    """Giving a claim back."""

    required_scopes = Scope.REVIEWS_WRITE

    @extend_schema(
        operation_id="release_review",
        summary="Give a claim back",
        description="Nothing happens where you have none.",
        parameters=[REVIEW_ID],
        request=None,
        responses={200: ReviewAnswer} | refusals(404),
    )
    def post(self, request: Request, uid: UUID) -> Response:
        return _done(request, uid, lambda review, who: release_review(review=review, who=who, now=utcnow()))


class DecideView(APIView):
    """Deciding a review."""

    required_scopes = Scope.REVIEWS_WRITE

    @extend_schema(
        operation_id="decide_review",
        summary="Approve, edit or reject",
        description="It takes effect after a few seconds (`applies_at`) and can be undone until then.",
        parameters=[REVIEW_ID],
        request=DecideBody,
        responses={200: ReviewAnswer} | refusals(400, 404, 409, 413),
    )
    def post(self, request: Request, uid: UUID) -> Response:
        _find(request, uid)
        body = read_body(DecideBody, request.data)
        decision = Decision(body.decision)
        return _done(
            request,
            uid,
            lambda review, who: decide_review(
                review=review, who=who, decision=decision, edits=body.output, comment=body.comment, now=utcnow()
            ),
        )


class UndoView(APIView):
    """Taking a decision back."""

    required_scopes = Scope.REVIEWS_WRITE

    @extend_schema(
        operation_id="undo_review",
        summary="Take a decision back",
        description="Your own, and before it takes effect.",
        parameters=[REVIEW_ID],
        request=None,
        responses={200: ReviewAnswer} | refusals(404, 409),
    )
    def post(self, request: Request, uid: UUID) -> Response:
        return _done(request, uid, lambda review, who: undo_decision(review=review, who=who, now=utcnow()))


def _done(request: Request, uid: UUID, work: Callable[[Review, Reviewer], Review]) -> Response:
    """Do `work` as the key, which may answer what any role may, and show the review as it is then."""
    try:
        review = work(_find(request, uid), Reviewer(actor_of(request), Role.OWNER))
    except EditError as error:
        raise invalid(error.problems) from error
    except ReviewError as error:
        codes: dict[type[ReviewError], str] = {TakenError: "review-taken", NotUndoableError: "not-undoable"}
        raise Refused(str(error), status=409, code=codes.get(type(error), "review-decided")) from error
    return Response(review_answer(review, now=utcnow()))


def _find(request: Request, uid: UUID) -> Review:
    review = find_review(tenant_id_of(request), uid)
    if review is None:
        raise NotFound("There is no such review.")
    return review


def _filter(request: Request) -> ReviewFilter:
    query = request.query_params
    faults: list[FieldError] = [(name, "There is no such filter.") for name in query if name not in KNOWN]
    faults += [(name, "Given more than once.") for name in query if len(query.getlist(name)) > 1 and name in KNOWN]
    states = _states(query.get("state", ReviewState.OPEN.value), faults)
    role = _one_of("role", query.get("role", ""), ROLES, faults)
    mine, overdue = (_flag(name, query.get(name, "false"), faults) for name in ("mine", "overdue"))
    job = _uuid("job", query.get("job"), faults)
    if faults:
        raise invalid(faults)
    return ReviewFilter(
        states=states,
        workflow_id=workflow_id(tenant_id_of(request), query.get("workflow", "")),
        job_uid=job,
        role=role,
        mine=actor_of(request) if mine else "",
        overdue_at=utcnow() if overdue else None,
    )


def _states(text: str, faults: list[FieldError]) -> tuple[str, ...]:
    wanted = [word.strip().lower() for word in text.split(",")]
    if wanted == ["all"]:
        return tuple(STATES)
    if not set(wanted) <= set(STATES):
        faults.append(("state", f"Must be all, or one or more of {', '.join(STATES)}."))
    return tuple(dict.fromkeys(wanted))


def _one_of(name: str, text: str, known: list[str], faults: list[FieldError]) -> str:
    if text and text not in known:
        faults.append((name, f"Must be one of {', '.join(known)}."))
    return text


def _flag(name: str, text: str, faults: list[FieldError]) -> bool:
    if text.lower() not in ("true", "false"):
        faults.append((name, "Must be true or false."))
    return text.lower() == "true"


def _uuid(name: str, text: Any, faults: list[FieldError]) -> UUID | None:
    try:
        return None if text is None else UUID(text)
    except ValueError:
        faults.append((name, "Must be the id of a job."))
        return None
