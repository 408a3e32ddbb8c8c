"""Errors under /api/ as problem details (RFC 9457): one form for every refusal, whoever refuses."""

from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from math import ceil
from typing import Any

from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.db import Error
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework.exceptions import (
    APIException,
    ErrorDetail,
    NotFound,
    PermissionDenied,
    UnsupportedMediaType,
    ValidationError,
)
from structlog.contextvars import get_contextvars

from taskflow.lib.db import is_away
from taskflow.lib.fields import dump_json
from taskflow.lib.ids import new_uid
from taskflow.lib.telemetry import emit

API_PREFIX = "/api/"
PROBLEM_JSON = "application/problem+json"
FieldError = tuple[str, str]
#: What is said where the one who refused gave no words of his own.
DETAILS = {
    400: "The request is malformed.",
    403: "This is not allowed.",
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
    413: "The body is too large.",
    503: "The database cannot be reached, or is too busy. Send the request again in a moment.",
    500: "Something went wrong here. It has been recorded under this request's id.",
}


class Refused(APIException):
    """A request is refused. `errors` names fields with reasons; `code` tells programs which problem it is."""

    def __init__(
        self,
        detail: str,
        *,
        status: int = 400,
        code: str = "",
        errors: Iterable[FieldError] = (),
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.status_code = status
        self.problem_code = code
        self.errors = list(errors)
        self.members = members


def invalid(errors: Iterable[FieldError]) -> Refused:
    """Return the refusal of a request of which these fields are wrong."""
    found = list(errors)
    detail = "; ".join(f"{field}: {reason}" if field else reason for field, reason in found[:3])
    return Refused(detail, code="invalid-request", errors=found)


def request_id(request: HttpRequest) -> str:
    """Return the id under which this request is logged; the same at every call."""
    bound = get_contextvars().get("request_id") or getattr(request, "_problem_request_id", None)
    if bound is None:
        bound = request._problem_request_id = str(new_uid())  # type: ignore[attr-defined]
    return str(bound)


def problem(
    request: HttpRequest,
    status: int,
    detail: str = "",
    *,
    code: str = "",
    errors: Iterable[FieldError] = (),
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> HttpResponse:
    """Return the problem document as a response."""
    document: dict[str, Any] = {
        "type": f"urn:taskflow:problem:{code}" if code else "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail or DETAILS.get(status, HTTPStatus(status).description),
        "instance": request.path,
        "request_id": request_id(request),
    }
    listed = [{"field": field, "reason": reason} for field, reason in errors]
    document |= ({"errors": listed} if listed else {}) | members
    body = dump_json(document).encode(errors="backslashreplace")
    return HttpResponse(body, status=status, content_type=PROBLEM_JSON, headers=headers)


def exception_handler(error: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """Turn what DRF knows how to answer into a problem; anything else is left to Django, which records it."""
    if isinstance(error, Http404):
        error = NotFound()
    elif isinstance(error, DjangoPermissionDenied):
        error = PermissionDenied()
    if isinstance(error, ValidationError):
        error = invalid(flatten(error.detail))
    request = context["request"]._request
    if isinstance(error, Error) and is_away(error):
        emit("api.database_away", error=type(error).__name__)
        return problem(request, 503, code="try-again", headers={"Retry-After": "1"})
    if not isinstance(error, APIException):
        return None
    if not isinstance(error, Refused):
        hint = " Send the body as application/json." if isinstance(error, UnsupportedMediaType) else ""
        return problem(request, error.status_code, f"{error.detail}{hint}", headers=_headers(error))
    return problem(
        request, error.status_code, str(error.detail), code=error.problem_code, errors=error.errors, **error.members
    )


def _headers(error: APIException) -> dict[str, str]:
    """Return the headers that DRF's views leave in the exception."""
    found = {"WWW-Authenticate": getattr(error, "auth_header", None)}
    wait = getattr(error, "wait", None)
    found["Retry-After"] = None if wait is None else str(ceil(wait))
    return {name: value for name, value in found.items() if value is not None}


def flatten(detail: Any, field: str = "") -> list[FieldError]:
    """Return DRF's nested error details as (dotted field, reason) pairs."""
    if isinstance(detail, dict):
        return [
            pair for key, value in detail.items() for pair in flatten(value, f"{field}.{key}" if field else str(key))
        ]
    if isinstance(detail, list):
        return [pair for value in detail for pair in flatten(value, field)]
    return [(field, str(detail) if isinstance(detail, ErrorDetail) else repr(detail))]


class ApiProblems:
    """Middleware: whatever Django itself refuses under /api/ (404, 400, 500 and so on) is a problem document too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code < 400 or not request.path_info.startswith(API_PREFIX):
            return response
        if response.get("Content-Type") == PROBLEM_JSON:
            return response
        made = problem(request, response.status_code, request_id=response.get("X-Request-ID") or request_id(request))
        response.content = made.content
        response["Content-Type"], response["Content-Length"] = PROBLEM_JSON, str(len(made.content))
        return response
