"""Pages of jobs, newest first, by keyset: as quick on the thousandth page of a million jobs as on the first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet

from jobs.domain.job_filter import JobFilter
from jobs.domain.states import State
from jobs.models import Job
from jobs.queries.matching import first_id_since, last_id, matching
from jobs.queries.value_pages import Finder, Place, Sort

PAGE_SIZE = 50
NO_MORE = Q()
__all__ = ["first_id_since", "last_id", "matching"]
ALL_STATES = tuple(state.value for state in State)
#: How many ids are looked through before more of them are; beyond these, all that is left.
STRETCHES = (4_000, 32_000, 256_000)


@dataclass(frozen=True, slots=True)
class JobPage:
    """Jobs, newest first, and the ids to go on from; None where there is no page on that side."""

    jobs: list[Job]
    older: int | None
    newer: int | None


def get_page(
    tenant_id: int, wanted: JobFilter, *, before: int | None = None, after: int | None = None, size: int = PAGE_SIZE
) -> JobPage:
    """Return the page older than the job `before`, or newer than `after`, or the newest."""
    forward = after is not None and before is None
    ids = list_ids(tenant_id, wanted, before=before, after=after if forward else None, size=size + 1)
    more, ids = len(ids) > size, sorted(ids[:size], reverse=True)
    older, newer = (bool(ids), more) if forward else (more, bool(ids) and before is not None)
    return JobPage(list_rows(ids), ids[-1] if older else None, ids[0] if newer else None)


@dataclass(frozen=True, slots=True)
class ValuePage:
    """Jobs in the order of a list by values, and the places to go on from; None where there is no page on that side."""

    jobs: list[Job]
    older: Place | None
    newer: Place | None


def get_value_page(
    tenant_id: int,
    wanted: JobFilter,
    *,
    sort: Sort | None = None,
    before: Place | None = None,
    after: Place | None = None,
    size: int = PAGE_SIZE,
) -> ValuePage:
    """Return the page behind the place `before`, or ahead of `after`, or the first. Raises NotIndexed."""
    onwards = after is None or before is not None
    finder = Finder(tenant_id, wanted, NO_MORE, sort=sort, bounded=True)
    places = finder.find(before if onwards else after, onwards=onwards, size=size + 1)
    more, places = len(places) > size, places[:size]
    places = places if onwards else places[::-1]
    older, newer = (more, bool(places) and before is not None) if onwards else (bool(places), more)
    rows = list_rows([place.job_id for place in places])
    return ValuePage(rows, places[-1] if older else None, places[0] if newer else None)


def list_rows(ids: Sequence[int]) -> list[Job]:
    """Return these jobs in this order, as lists show them."""
    rows = Job.objects.defer("retry_policy", "error_message").select_related("workflow", "queue").in_bulk(ids)
    return [rows[pk] for pk in ids if pk in rows]


def count_up_to(tenant_id: int, wanted: JobFilter, limit: int) -> int:
    """Count the jobs that `wanted` describes, and stop at `limit`: what is counted costs as much as what is shown."""
    if wanted.values:
        return len(list_ids(tenant_id, wanted, size=limit))
    return matching(tenant_id, wanted).order_by()[:limit].count()


def count_states(tenant_id: int, wanted: JobFilter, *, limit: int) -> dict[str, int]:
    """Return how many jobs are in each state, each counted up to `limit`, in one statement."""
    base = {"tenant_id": tenant_id} if wanted.workflow_id is None else {"workflow_id": wanted.workflow_id}
    parts = [Job.objects.filter(**base, state=state).order_by().values("id")[:limit] for state in ALL_STATES]
    pieces, params = _compile(parts)
    counted = [
        f"SELECT '{state}' AS s, COUNT(*) AS n FROM ({sql}) t"  # noqa: S608 - the state is ours, the rest compiled
        for state, sql in zip(ALL_STATES, pieces, strict=True)
    ]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(counted), params)
        return dict(cursor.fetchall())


def list_ids(
    tenant_id: int,
    wanted: JobFilter,
    *,
    before: int | None = None,
    after: int | None = None,
    size: int = PAGE_SIZE,
    extra: Q = NO_MORE,
    bounded: bool = False,
) -> list[int]:
    """Return up to `size` ids next to the cursor, nearest first; `extra` holds conditions beyond the filter's.

    What a value must contain is looked for in all jobs, or, `bounded`, in the nearest of them.

    They are collected in stretches that grow until there are enough: MariaDB does not use the bound of a cursor where
    an equality on the same index will do, and then reads everything between the newest job and the cursor. A stretch
    that ends on both sides leaves it no such choice. Raises NotIndexed where a value is asked for that has no index.
    """
    if wanted.values:
        edge = before if after is None else after
        place = None if edge is None else Place(edge)
        found_by_value = Finder(tenant_id, wanted, extra, bounded=bounded).find(place, onwards=after is None, size=size)
        return [each.job_id for each in found_by_value]
    jobs = matching(tenant_id, wanted).filter(extra)
    older = after is None
    found: list[int] = []
    for low, high in _stretches(before, after):
        part = jobs.filter(pk__gte=low) if low else jobs
        part = part if high is None else part.filter(pk__lt=high)
        found += _in_stretch(part, wanted, size - len(found), "-pk" if older else "pk")
        if len(found) >= size:
            break
    return found


def _stretches(before: int | None, after: int | None) -> Iterator[tuple[int, int | None]]:
    """Yield ranges of ids (the end left out, None for no end) that lead from the cursor to the end of the table."""
    if after is not None:
        edge = after + 1
        for width in STRETCHES:
            yield edge, edge + width
            edge += width
        yield edge, None
        return
    if before is None:
        yield 0, None
        return
    edge = before
    for width in STRETCHES:
        yield max(edge - width, 0), edge
        edge -= width
        if edge <= 0:
            return
    yield 0, edge


def _in_stretch(jobs: QuerySet[Job], wanted: JobFilter, size: int, order: str) -> list[int]:
    """Return up to `size` ids in order.

    Several states are read one by one and merged: each is in order in the index, while their union is not, and a
    database asked for it reads and sorts all of them.
    """
    states = wanted.states or (() if wanted.workflow_id or wanted.correlation_id else ALL_STATES)
    if len(states) < 2 or wanted.ids is not None:
        return list(jobs.order_by(order).values_list("pk", flat=True)[:size])
    return _merge([jobs.filter(state=state).order_by(order).values("id")[:size] for state in states], order, size)


def _merge(parts: Sequence[QuerySet[Any, Any]], order: str, size: int) -> list[int]:
    pieces, params = _compile(parts)
    union = " UNION ALL ".join(f"SELECT id FROM ({sql}) t" for sql in pieces)  # noqa: S608 - compiled by the ORM
    direction = "ASC" if order == "pk" else "DESC"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id FROM ({union}) u ORDER BY id {direction} LIMIT {size:d}", params)  # noqa: S608
        return [row[0] for row in cursor.fetchall()]


def _compile(parts: Sequence[QuerySet[Any, Any]]) -> tuple[list[str], list[Any]]:
    compiled = [part.query.sql_with_params() for part in parts]
    return [sql for sql, _ in compiled], [value for _, params in compiled for value in params]
