"""Hand-written statements over the index of values: which rows a condition means, and how they are joined.

A database cannot know how rare a value is in one workflow, nor that a list needs its first fifty rows only. So it is
told which table to begin with, and by which index.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from jobs.domain.view_filter import Span, ValueFilter

Sql = tuple[str, list[Any]]
#: Ids are dense where so many of them lie in a range on average, or more.
DENSE = 4


@dataclass(frozen=True, slots=True)
class Source:
    """Rows that a condition means: `parts` are conditions on alias `{a}`, of which one must hold.

    `ordered` says that each part lies in the index in the order of the jobs' ids.
    """

    table: str
    id_column: str
    index: str
    parts: tuple[Sql, ...]
    ordered: bool

    def any_of(self, alias: str) -> Sql:
        """Return the condition on `alias`."""
        sql = " OR ".join(f"({part.format(a=alias)})" for part, _ in self.parts)
        return f"({sql})" if self.parts else "(1 = 0)", [value for _, values in self.parts for value in values]


def value_source(field_id: int, wanted: ValueFilter) -> Source:
    """Return the rows of the index that a condition means."""
    parts = tuple(_span(field_id, span) for span in wanted.spans)
    ordered = all(span.is_point for span in wanted.spans)
    return Source("jobs_jobvalue", "job_id", "job_value", parts, ordered)


def state_source(workflow_id: int, states: Sequence[str]) -> Source:
    """Return the jobs of a workflow in these states."""
    parts = tuple(("{a}.workflow_id = %s AND {a}.state = %s", [workflow_id, state]) for state in states)
    return Source("jobs_job", "id", "job_workflow_state", parts, ordered=True)


def workflow_source(workflow_id: int) -> Source:
    """Return all jobs of a workflow."""
    return Source("jobs_job", "id", "job_workflow", (("{a}.workflow_id = %s", [workflow_id]),), ordered=True)


def _span(field_id: int, span: Span) -> Sql:
    sql = "{a}.field_id = %s"
    values: list[Any] = [field_id]
    if span.is_point:
        return f"{sql} AND {{a}}.value = %s", [*values, span.low]
    if span.low is not None:
        sql, values = f"{sql} AND {{a}}.value {'>' if span.low_out else '>='} %s", [*values, span.low]
    if span.high is not None:
        sql, values = f"{sql} AND {{a}}.value {'<' if span.high_out else '<='} %s", [*values, span.high]
    return sql, values


def count_source(source: Source, limit: int) -> int:
    """Count the rows of a source, and stop at `limit`."""
    total = 0
    for part, values in source.parts:
        sql = f"SELECT COUNT(*) FROM (SELECT 1 FROM {_first(source, 'd')} WHERE {part.format(a='d')} LIMIT {limit:d}) t"  # noqa: S608
        total += int(run((sql, values))[0][0])
        if total >= limit:
            return limit
    return total


def ids_between(
    source: Source, checks: Sequence[Source], low: int, high: int, *, newest: bool, size: int, merged: bool = False
) -> list[int]:
    """Return up to `size` ids of jobs from `low` on, below `high`, that are in the source and in every check.

    Each part of an ordered source gives its own, which are merged: a database that is asked for all at once sorts them.
    With `merged` it may: the source is small.
    """
    order = "DESC" if newest else "ASC"
    asked = (
        [source.any_of("d")]
        if merged or not source.ordered
        else [(part.format(a="d"), list(values)) for part, values in source.parts]
    )
    joins, join_values = _joins(checks, source.id_column)
    column = f"d.{source.id_column}"
    pieces, parameters = [], []
    for condition, values in asked:
        pieces.append(
            f"SELECT {_straight()}{column} AS id FROM {_first(source, 'd')}{joins}"  # noqa: S608 - our own names
            f" WHERE {condition} AND {column} >= %s AND {column} < %s ORDER BY {column} {order} LIMIT {size:d}"
        )
        parameters += [*join_values, *values, low, high]
    if not pieces:
        return []
    if len(pieces) == 1:
        return [row[0] for row in run((pieces[0], parameters))]
    union = " UNION ALL ".join(f"SELECT id FROM ({piece}) t" for piece in pieces)  # noqa: S608
    return [row[0] for row in run((f"SELECT id FROM ({union}) u ORDER BY id {order} LIMIT {size:d}", parameters))]  # noqa: S608


def ids_sorted_by(
    source: Source, checks: Sequence[Source], sort_id: int, edge: Sql, *, largest: bool, high: int, size: int
) -> list[tuple[str, int]]:
    """Return up to `size` (value, id) of the jobs in the source and the checks, in the order of a field's values.

    All of the source are looked at and sorted.
    """
    order = "DESC" if largest else "ASC"
    joins, join_values = _joins(checks, source.id_column)
    condition, values = source.any_of("d")
    sql = (
        f"SELECT {_straight()}s.value, s.job_id FROM {_first(source, 'd')}"  # noqa: S608
        f" CROSS JOIN {_by_key('jobs_jobvalue', 's')} ON s.job_id = d.{source.id_column} AND s.field_id = %s{joins}"
        f" WHERE {condition} AND s.job_id < %s AND {edge[0]} ORDER BY s.value {order}, s.job_id {order} LIMIT {size:d}"
    )
    return list(run((sql, [sort_id, *join_values, *values, high, *edge[1]])))


def walk_values(part: Sql, edge: Sql, *, largest: bool, high: int, size: int) -> list[tuple[str, int]]:
    """Return the next `size` (value, id) of one part of a field's index, in its order."""
    order = "DESC" if largest else "ASC"
    table = f"jobs_jobvalue s{_force('job_value')}"
    sql = (
        f"SELECT s.value, s.job_id FROM {table} WHERE {part[0].format(a='s')} AND {edge[0]} AND s.job_id < %s"  # noqa: S608
        f" ORDER BY s.value {order}, s.job_id {order} LIMIT {size:d}"
    )
    return list(run((sql, [*part[1], *edge[1], high])))


def ids_among(ids: Sequence[int], checks: Sequence[Source]) -> set[int]:
    """Return those of the ids that are in every check."""
    left = set(ids)
    for check in checks:
        if not left:
            return left
        marks = ", ".join(["%s"] * len(left))
        condition, values = check.any_of("d")
        table = _by_key(check.table, "d")
        sql = f"SELECT d.{check.id_column} FROM {table} WHERE d.{check.id_column} IN ({marks}) AND {condition}"  # noqa: S608
        left = {row[0] for row in run((sql, [*left, *values]))}
    return left


def values_of(ids: Sequence[int], field_id: int) -> dict[int, str]:
    """Return what jobs hold in an indexed field, by id."""
    if not ids:
        return {}
    low, high = min(ids), max(ids)
    if high - low < DENSE * len(ids):
        # Going along the key is cheaper than thousands of look-ups where much of what lies there is asked for.
        table = _by_key("jobs_jobvalue", "d")
        sql = f"SELECT job_id, value FROM {table} WHERE job_id BETWEEN %s AND %s AND field_id = %s"  # noqa: S608
        wanted = set(ids)
        return {pk: value for pk, value in run((sql, [low, high, field_id])) if pk in wanted}
    marks = ", ".join(["%s"] * len(ids))
    table = _by_key("jobs_jobvalue", "d")
    sql = f"SELECT d.job_id, d.value FROM {table} WHERE d.job_id IN ({marks}) AND d.field_id = %s"  # noqa: S608
    return dict(run((sql, [*ids, field_id])))


def run(sql: Sql) -> Sequence[Any]:
    """Ask the database."""
    with connection.cursor() as cursor:
        cursor.execute(*sql)
        rows: Sequence[Any] = cursor.fetchall()
        return rows


def _joins(checks: Sequence[Source], id_column: str) -> Sql:
    sql, values = "", list[Any]()
    for number, check in enumerate(checks):
        alias = f"c{number}"
        condition, asked = check.any_of(alias)
        # One value's jobs lie side by side in its index; of several values, the key leads to the job's own.
        index = check.index if check.ordered and len(check.parts) == 1 else "PRIMARY"
        table = f"{check.table} {alias}{_force(index)}"
        sql += f" CROSS JOIN {table} ON {alias}.{check.id_column} = d.{id_column} AND {condition}"
        values += asked
    return sql, values


def _first(source: Source, alias: str) -> str:
    return f"{source.table} {alias}{_force(source.index)}"


def _by_key(table: str, alias: str) -> str:
    return f"{table} {alias}{_force('PRIMARY')}"


def _force(index: str) -> str:
    """Return the words that name the index to read by; SQLite finds it by itself."""
    return f" FORCE INDEX ({index})" if connection.vendor == "mysql" else ""


def _straight() -> str:
    """Return the word that keeps the tables in the order they are named; SQLite takes that from CROSS JOIN."""
    return "STRAIGHT_JOIN " if connection.vendor == "mysql" else ""
