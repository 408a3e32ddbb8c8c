"""How many jobs hold each value of a field, from the index, and never more of them than can be told quickly."""

from dataclasses import dataclass

from jobs.domain.job_filter import JobFilter
from jobs.domain.view_filter import whole_value
from jobs.queries.job_pages import list_ids
from jobs.queries.value_pages import NotIndexed, Sort, read_conditions
from jobs.queries.value_sql import count_source, run, value_source, values_of

#: So many different values are counted.
MOST_VALUES = 20
#: Of the jobs of a filter, the newest are counted.
MOST_JOBS = 5_000


@dataclass(frozen=True, slots=True)
class ValueCounts:
    """The values of a field, as the index keeps them, with how many jobs hold each.

    `of_newest` says that only so many of the newest were counted, `more` that there are further values.
    """

    counts: list[tuple[str, int]]
    more: bool = False
    of_newest: int = 0


def count_values(tenant_id: int, wanted: JobFilter, path: str, *, limit: int) -> ValueCounts:
    """Count the values of a field, each up to `limit`; with other conditions, over the newest jobs they mean.

    Raises NotIndexed.
    """
    field_id = read_conditions(tenant_id, wanted, Sort(path, largest=False)).sort_id
    if wanted.values or wanted.states or wanted.ids is not None:
        return _among(tenant_id, wanted, field_id)
    values = _distinct(field_id, MOST_VALUES + 1)
    counts = [(value, count_source(value_source(field_id, whole_value(path, value)), limit)) for value in values]
    return ValueCounts(_largest_first(counts[:MOST_VALUES]), more=len(values) > MOST_VALUES)


def _distinct(field_id: int, most: int) -> list[str]:
    """Return the first different values, each found by a jump in the index behind the one before."""
    found: list[str] = []
    sql = "SELECT value FROM jobs_jobvalue WHERE field_id = %s {} ORDER BY value LIMIT 1"
    rows = run((sql.format(""), [field_id]))
    while rows and len(found) < most:
        found.append(rows[0][0])
        rows = run((sql.format("AND value > %s"), [field_id, found[-1]]))
    return found


def _among(tenant_id: int, wanted: JobFilter, field_id: int) -> ValueCounts:
    ids = list_ids(tenant_id, wanted, size=MOST_JOBS + 1, bounded=True)
    counted: dict[str, int] = {}
    for value in values_of(ids[:MOST_JOBS], field_id).values():
        counted[value] = counted.get(value, 0) + 1
    ranked = _largest_first(list(counted.items()))
    return ValueCounts(ranked[:MOST_VALUES], len(ranked) > MOST_VALUES, MOST_JOBS if len(ids) > MOST_JOBS else 0)


def _largest_first(counts: list[tuple[str, int]]) -> list[tuple[str, int]]:
    return sorted(counts, key=lambda each: (-each[1], each[0]))


__all__ = ["NotIndexed", "ValueCounts", "count_values"]
