"""Pages of jobs by what they hold: conditions on indexed values, newest first or in the order of a value.

The rarest condition leads where it means few jobs: all of them are looked at. Where every condition means many, the
jobs are gone through in order, in stretches, and a page is full soon; what a stretch does not give is found by the
rarest condition after all.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from django.db.models import Q, QuerySet

from jobs.domain.job_filter import JobFilter
from jobs.domain.values import decode
from jobs.domain.view_filter import Span, ValueFilter, joined
from jobs.models import IndexedField, Job
from jobs.queries.matching import MARGIN, first_id_since, last_id, matching
from jobs.queries.value_sql import (
    Source,
    Sql,
    count_source,
    ids_among,
    ids_between,
    ids_sorted_by,
    state_source,
    value_source,
    values_of,
    walk_values,
    workflow_source,
)

#: Of a condition that means at most this many jobs, all are looked at.
FEW = 20_000
#: How many jobs are gone through in order, at first and then, before all that a condition means are looked at.
STRETCHES = (4_000, 32_000)
#: A page that asks what a text contains looks through this many jobs.
LOOKED_THROUGH = 50_000
BATCHES = (500, 5_000)
NOTHING: Sql = ("1 = 1", [])
EVERYTHING = (Span(),)


class NotIndexed(ValueError):
    """A field that is filtered or sorted by has no index. `path` names it."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(f"'{path}' has no index. Mark the field to show in lists, or save a view that asks for it.")


@dataclass(frozen=True, slots=True)
class Sort:
    """The order of a field's values, the largest first or the smallest."""

    path: str
    largest: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ends: behind this job, and in a sorted list behind this value."""

    job_id: int
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Conditions:
    """A JobFilter's conditions as sources, and the texts that values must contain by field's id."""

    sources: tuple[Source, ...]
    contains: tuple[tuple[int, str], ...]
    workflow_id: int
    sort_id: int
    sort_parts: tuple[Sql, ...]


def read_conditions(tenant_id: int, wanted: JobFilter, sort: Sort | None = None) -> Conditions:
    """Find the indexes that conditions need. Raises NotIndexed."""
    if wanted.workflow_id is None:
        raise NotIndexed(wanted.values[0].path if wanted.values else "")
    rows = IndexedField.objects.filter(workflow_id=wanted.workflow_id, workflow__tenant_id=tenant_id)
    known = dict(rows.exclude(state=IndexedField.State.DROPPING).values_list("path", "pk"))
    paths = [each.path for each in wanted.values] + ([sort.path] if sort else [])
    missing = next((path for path in paths if path not in known), None)
    if missing is not None:
        raise NotIndexed(missing)
    values = joined(wanted.values)
    led = next((v for v in values if sort and v.path == sort.path and not v.contains), None)
    sources = [value_source(known[v.path], v) for v in values if v is not led]
    if wanted.states:
        sources.append(state_source(wanted.workflow_id, wanted.states))
    sort_id = known[sort.path] if sort else 0
    spans = led.spans if led else EVERYTHING
    in_order = sorted(spans, key=lambda span: span.low or "", reverse=bool(sort and sort.largest))
    parts = value_source(sort_id, ValueFilter("", tuple(in_order))).parts if sort_id else ()
    contains = tuple((known[v.path], v.contains) for v in wanted.values if v.contains)
    return Conditions(tuple(sources), contains, wanted.workflow_id, sort_id, parts)


class Finder:
    """Goes through the jobs that match, from a place on, and keeps those that the rest of the filter lets through."""

    def __init__(
        self, tenant_id: int, wanted: JobFilter, extra: Q, *, sort: Sort | None = None, bounded: bool = False
    ) -> None:
        self.wanted = wanted
        self.sort = sort
        self.bounded = bounded
        self.given = read_conditions(tenant_id, wanted, sort)
        self.rest = _rest_of(tenant_id, wanted, extra)
        self.low, self.high = _bounds(wanted)
        self._counts: dict[int, int] = {}

    def find(self, place: Place | None, *, onwards: bool, size: int) -> list[Place]:
        """Return up to `size` jobs behind `place`, or from the beginning, nearest first; `onwards` as the list runs."""
        found: list[Place] = []
        looked = 0
        for want in self._batches(size):
            batch = self._next(place, onwards, want)
            found += self._kept(batch)
            looked += len(batch)
            if len(found) >= size or len(batch) < want or (self.bounded and looked >= LOOKED_THROUGH):
                break
            place = batch[-1]
        return found[:size]

    def _batches(self, size: int) -> Iterator[int]:
        """Yield how many jobs to take at once: just enough where all of them count, else more and more."""
        if self.rest is None and not self.given.contains and (self.sort is None or not self.given.sources):
            yield size
            return
        yield max(size, BATCHES[0])
        while True:
            yield max(size, BATCHES[1])

    def _kept(self, batch: list[Place]) -> list[Place]:
        ids = [place.job_id for place in batch]
        for field_id, text in self.given.contains:
            values = values_of(ids, field_id)
            ids = [pk for pk in ids if text in decode(values.get(pk, "")).casefold()]
        kept = set(ids)
        if self.rest is not None and kept:
            kept = set(self.rest.filter(pk__in=kept).values_list("pk", flat=True))
        return [place for place in batch if place.job_id in kept]

    def _next(self, place: Place | None, onwards: bool, size: int) -> list[Place]:
        if self.sort is not None:
            return self._next_by_value(place, self.sort.largest is onwards, size)
        low, high = self.low, self.high
        if place is not None:
            low, high = (low, min(high, place.job_id)) if onwards else (max(low, place.job_id + 1), high)
        if self.wanted.ids is not None:
            return [Place(pk) for pk in self._of_given(self.wanted.ids, low, high, onwards, size)]
        return [Place(pk) for pk in self._by_id(low, high, onwards, size)]

    def _of_given(self, ids: Sequence[int], low: int, high: int, newest: bool, size: int) -> list[int]:
        left = ids_among([pk for pk in ids if low <= pk < high], self.given.sources)
        return sorted(left, reverse=newest)[:size]

    def _by_id(self, low: int, high: int, newest: bool, size: int) -> list[int]:
        sources = self.given.sources
        if not sources:
            return ids_between(workflow_source(self.given.workflow_id), (), low, high, newest=newest, size=size)
        rarest = self._rarest(sources)
        others = [source for source in sources if source is not rarest]
        if self._count(rarest) <= FEW:
            return ids_between(rarest, others, low, high, newest=newest, size=size, merged=True)
        leading = next((source for source in sources if source.ordered), None)
        checks = [source for source in sources if source is not leading]
        found: list[int] = []
        for start, end, is_rest in _stretches(low, high, newest):
            first, rest = (leading or workflow_source(self.given.workflow_id)), checks
            if is_rest and leading is None:
                first, rest = rarest, others
            found += ids_between(first, rest, start, end, newest=newest, size=size - len(found))
            if len(found) >= size:
                break
        return found

    def _next_by_value(self, place: Place | None, largest: bool, size: int) -> list[Place]:
        sources = self.given.sources
        rarest = self._rarest(sources) if sources else None
        if rarest is not None and self._count(rarest) <= FEW:
            return self._sorted(rarest, place, largest, size)
        found: list[Place] = []
        looked = 0
        while True:
            batch = self._walk(place, largest, size if not sources else max(size, BATCHES[looked > 0]))
            looked += len(batch)
            kept = ids_among([each.job_id for each in batch], sources)
            found += [each for each in batch if each.job_id in kept]
            if len(found) >= size or not batch or not sources:
                return found[:size]
            place = batch[-1]
            if looked >= STRETCHES[1] and rarest is not None:
                return [*found, *self._sorted(rarest, place, largest, size - len(found))]

    def _sorted(self, rarest: Source, place: Place | None, largest: bool, size: int) -> list[Place]:
        """Look at all jobs of the rarest condition, and sort them."""
        others = [source for source in self.given.sources if source is not rarest]
        spans = Source("jobs_jobvalue", "job_id", "job_value", self.given.sort_parts, ordered=False)
        edge = _both(_edge(place, largest), spans.any_of("s"))
        rows = ids_sorted_by(rarest, others, self.given.sort_id, edge, largest=largest, high=self.high, size=size)
        return [Place(pk, value) for value, pk in rows]

    def _walk(self, place: Place | None, largest: bool, size: int) -> list[Place]:
        """Return the next jobs in the order of the index: those with the same value first, then the values after it."""
        found: list[Place] = []
        parts = self.given.sort_parts
        in_order = parts if self.sort is None or self.sort.largest is largest else tuple(reversed(parts))
        for part in in_order:
            for edge in _edges(place, largest):
                rows = walk_values(part, edge, largest=largest, high=self.high, size=size - len(found))
                found += [Place(pk, value) for value, pk in rows]
                if len(found) >= size:
                    return found
        return found

    def _rarest(self, sources: Sequence[Source]) -> Source:
        return min(sources, key=self._count)

    def _count(self, source: Source) -> int:
        if id(source) not in self._counts:
            self._counts[id(source)] = count_source(source, FEW + 1)
        return self._counts[id(source)]


def _rest_of(tenant_id: int, wanted: JobFilter, extra: Q) -> QuerySet[Job] | None:
    """Return what the index does not answer for; None where that is nothing."""
    if not (extra or wanted.queue_id or wanted.correlation_id or wanted.created_from or wanted.created_to):
        return None
    return matching(tenant_id, replace(wanted, states=(), ids=None)).filter(extra)


def _bounds(wanted: JobFilter) -> tuple[int, int]:
    """Return the range of ids that can match, its end left out."""
    low = 0 if wanted.created_from is None else first_id_since(wanted.created_from - MARGIN)
    high = last_id() if wanted.created_to is None else first_id_since(wanted.created_to + MARGIN)
    return low, high + 1


def _stretches(low: int, high: int, newest: bool) -> Iterator[tuple[int, int, bool]]:
    """Yield ranges of ids from where the list begins; the last, which is all the rest, says so."""
    for width in STRETCHES:
        if newest:
            yield max(low, high - width), high, False
            high -= width
        else:
            yield low, min(high, low + width), False
            low += width
        if low >= high:
            return
    yield low, high, True


def _edge(place: Place | None, largest: bool) -> Sql:
    """Return the condition that a value lies behind `place`."""
    if place is None:
        return NOTHING
    sign = "<" if largest else ">"
    sql = f"(s.value {sign} %s OR (s.value = %s AND s.job_id {sign} %s))"
    return sql, [place.value, place.value, place.job_id]


def _edges(place: Place | None, largest: bool) -> list[Sql]:
    """Return the same as two conditions, each of which is one stretch of the index."""
    if place is None:
        return [NOTHING]
    sign = "<" if largest else ">"
    return [
        (f"s.value = %s AND s.job_id {sign} %s", [place.value, place.job_id]),
        (f"s.value {sign} %s", [place.value]),
    ]


def _both(one: Sql, other: Sql) -> Sql:
    return f"{one[0]} AND {other[0]}", [*one[1], *other[1]]
