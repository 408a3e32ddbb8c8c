"""Lists by cursor, newest first."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from django.db.models import QuerySet
from rest_framework.request import Request

from jobs.api.filters import LARGEST_PAGE, PAGE_SIZE, decode_cursor, encode_cursor, page_size
from jobs.api.schema import query_parameter
from jobs.api.views import next_page
from taskflow.lib.problems import invalid

PAGING = [
    query_parameter("cursor", "`next_cursor` of the page before."),
    query_parameter("page_size", f"1 to {LARGEST_PAGE}; {PAGE_SIZE} if not given.", int),
]


class Paging(NamedTuple):
    """Where a page begins, as the row id of the one before it, and how long it is."""

    before: int | None
    size: int


def read_paging(request: Request, *, known: Sequence[str] = ()) -> Paging:
    """Read the parameters of a list. Raises Refused, also for one that is not `known`."""
    query = request.query_params
    unknown = [name for name in query if name not in {"cursor", "page_size", *known}]
    if unknown:
        raise invalid([(name, "There is no such parameter.") for name in unknown])
    before = decode_cursor(query["cursor"]) if "cursor" in query else None
    return Paging(before, page_size(query.get("page_size", str(PAGE_SIZE))))


def page_of(
    request: Request, rows: QuerySet[Any], paging: Paging, answer: Callable[[Any], dict[str, Any]]
) -> dict[str, Any]:
    """Return one page of `rows` with the way to the next."""
    if paging.before is not None:
        rows = rows.filter(pk__lt=paging.before)
    found = list(rows.order_by("-pk")[: paging.size + 1])
    cursor = encode_cursor(found[paging.size - 1].pk) if len(found) > paging.size else None
    return {
        "results": [answer(row) for row in found[: paging.size]],
        "next": cursor and next_page(request, cursor),
        "next_cursor": cursor,
    }
