"""What the endpoints share in the OpenAPI document."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from jobs.api.filters import LARGEST_PAGE, PAGE_SIZE
from jobs.domain.states import State


def header(name: str, description: str) -> OpenApiParameter:
    """Return an optional request header."""
    return OpenApiParameter(name, str, OpenApiParameter.HEADER, description=description)


def _filter(name: str, description: str, kind: Any = str, **more: Any) -> OpenApiParameter:
    return OpenApiParameter(name, kind, OpenApiParameter.QUERY, description=description, **more)


IDEMPOTENCY_KEY = header("Idempotency-Key", "Up to 255 characters of printable ASCII; kept for a week.")
TRACING = [
    header("X-Correlation-ID", "Used where the body has no `correlation_id`."),
    header("traceparent", "W3C trace context; kept with the job."),
]
LIST_PARAMETERS = [
    _filter("state", "One or more, repeated or separated by commas.", many=True, enum=[state.value for state in State]),
    _filter("workflow", "The slug of a workflow."),
    _filter("queue", "The slug of a queue."),
    _filter("priority", "Exactly this priority.", int),
    _filter("created_after", "Created at this time or later.", OpenApiTypes.DATETIME),
    _filter("created_before", "Created before this time.", OpenApiTypes.DATETIME),
    _filter("finished_after", "Finished at this time or later.", OpenApiTypes.DATETIME),
    _filter("finished_before", "Finished before this time.", OpenApiTypes.DATETIME),
    _filter("correlation_id", "Exactly this correlation id."),
    _filter("parent", "Sub-jobs of the job with this id.", OpenApiTypes.UUID),
    _filter("cursor", "`next_cursor` of the page before."),
    _filter("page_size", f"1 to {LARGEST_PAGE}; {PAGE_SIZE} if not given.", int),
]
