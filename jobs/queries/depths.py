"""How many jobs wait in the queues, and for how long, at a cost that does not grow with how many there are."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from django.db import connection

from jobs.domain.states import FINAL, State

#: The states that make up a queue's depth; finished jobs wait for nothing, and there are too many of them to count.
ACTIVE = tuple(state.value for state in State if state not in FINAL)
#: Counting stops here; it means "more than 50,000".
DEPTH_LIMIT = 50_001


def count_active(
    queue_ids: Collection[int], *, tenant_id: int | None = None, limit: int = DEPTH_LIMIT
) -> dict[tuple[int, str], int]:
    """Return the jobs by queue and active state, each counted up to `limit`, in one statement over the claim index."""
    if not queue_ids:
        return {}
    mine, tenant = ("", []) if tenant_id is None else (" AND tenant_id = %s", [tenant_id])
    # What is selected from is ours; values are parameters.
    one = (
        "SELECT %s AS q, %s AS s, COUNT(*) AS n FROM"  # noqa: S608
        f" (SELECT 1 FROM jobs_job WHERE queue_id = %s AND state = %s{mine} LIMIT %s) t"
    )
    parts = [[pk, state, pk, state, *tenant, limit] for pk in queue_ids for state in ACTIVE]
    rows = _fetch(" UNION ALL ".join([one] * len(parts)), [value for part in parts for value in part])
    return {(int(pk), str(state)): int(count) for pk, state, count in rows}


def oldest_due(queue_ids: Collection[int], *, tenant_id: int | None = None) -> dict[tuple[int, str], datetime]:
    """Return when the job due longest was due, by queue and active state; nothing where there is none.

    The index has the due time behind tenant and priority, so the first of each such group is looked at and no other.
    """
    # Values that match nothing keep MariaDB from dropping a column with one value from the grouping: then the index
    # prefix would not fit, and every job would be read.
    queues, tenants = [*queue_ids, 0], [] if tenant_id is None else [tenant_id, 0]
    mine = f" AND tenant_id IN ({_marks(tenants)})" if tenants else ""
    sql = (
        "SELECT queue_id, state, tenant_id, priority, MIN(due_at) FROM jobs_job"  # noqa: S608 - marks and names of ours
        f" WHERE queue_id IN ({_marks(queues)}) AND state IN ({_marks(ACTIVE)}){mine}"
        " GROUP BY queue_id, state, tenant_id, priority"
    )
    oldest: dict[tuple[int, str], datetime] = {}
    for queue_id, state, _, _, due_at in _fetch(sql, [*queues, *ACTIVE, *tenants]):
        key, due = (queue_id, state), _moment(due_at)
        oldest[key] = min(oldest.get(key, due), due)
    return oldest


def _marks(values: Collection[object]) -> str:
    return ", ".join(["%s"] * len(values))


def _fetch(sql: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def _moment(value: Any) -> datetime:
    """Return a stored instant as an aware one; SQLite gives text."""
    stored = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return stored.replace(tzinfo=UTC)
