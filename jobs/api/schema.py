"""What the endpoints share in the OpenAPI document."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from jobs.api.filters import LARGEST_PAGE, PAGE_SIZE
from jobs.domain.states import State


def header(name: str, description: str) -> OpenApiParameter:
    """Return an optional request header."""
    return OpenApiParameter(name, str, OpenApiParameter.HEADER, description=description)


def query_parameter(name: str, description: str, kind: Any = str, **more: Any) -> OpenApiParameter:
    """Return an optional parameter of a list."""
    return OpenApiParameter(name, kind, OpenApiParameter.QUERY, description=description, **more)


IDEMPOTENCY_KEY = header("Idempotency-Key", "Up to 255 characters of printable ASCII; kept for a week.")
TRACING = [
    header("X-Correlation-ID", "Used where the body has no `correlation_id`."),
    header("traceparent", "W3C trace context; kept with the job."),
]
LIST_PARAMETERS = [
    query_parameter(
        "state", "One or more, repeated or separated by commas.", many=True, enum=[state.value for state in State]
    ),
    query_parameter("workflow", "The slug of a workflow."),
    query_parameter("queue", "The slug of a queue."),
    query_parameter("priority", "Exactly this priority.", int),
    query_parameter("created_after", "Created at this time or later.", OpenApiTypes.DATETIME),
    query_parameter("created_before", "Created before this time.", OpenApiTypes.DATETIME),
    query_parameter("finished_after", "Finished at this time or later.", OpenApiTypes.DATETIME),
    query_parameter("finished_before", "Finished before this time.", OpenApiTypes.DATETIME),
    query_parameter("correlation_id", "Exactly this correlation id."),
    query_parameter("parent", "Sub-jobs of the job with this id.", OpenApiTypes.UUID),
    query_parameter("view", "The id of a shared view: the jobs that its conditions hold for.", OpenApiTypes.UUID),
    query_parameter(
        "result.label",
        "What a field holds, with `workflow`: any path (`payload.…`, `result.…`, `steps.KEY.…`, `review.…`, `job.…`)"
        " that has an index; after a colon a comparison: `not`, `in`, `gte`, `lte`, `gt`, `lt`, `contains`, `empty`.",
    ),
    query_parameter("cursor", "`next_cursor` of the page before."),
    query_parameter("page_size", f"1 to {LARGEST_PAGE}; {PAGE_SIZE} if not given.", int),
]
