"""How problems look in the OpenAPI document."""

from typing import Any

from drf_spectacular.utils import OpenApiResponse
from pydantic import BaseModel

from taskflow.lib.problems import PROBLEM_JSON


class FieldErrorAnswer(BaseModel):
    """A field, as a dotted path, and what is wrong with it."""

    field: str
    reason: str


class ProblemAnswer(BaseModel):
    """Problem details, RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    errors: list[FieldErrorAnswer] | None = None


REFUSALS = {
    400: "A field is wrong; `errors` names each with the reason.",
    404: "There is none, or it belongs to another tenant.",
    409: "The state of things does not allow it.",
    413: "The body is larger than MAX_BODY_BYTES.",
}
ALWAYS = {
    401: "No key, or one that is unknown, expired or revoked.",
    403: "The key lacks the scope.",
    429: "Too many requests of this key; see Retry-After.",
}


def refusals(*statuses: int) -> dict[Any, Any]:
    """Return the problem responses of an endpoint: these statuses, and what every endpoint may answer."""
    chosen = {status: REFUSALS[status] for status in statuses} | ALWAYS
    return {(status, PROBLEM_JSON): OpenApiResponse(ProblemAnswer, description=text) for status, text in chosen.items()}
