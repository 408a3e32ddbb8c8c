"""What the hot statements need beyond the ORM: retried transactions and multi-row inserts."""

import time
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any, TypeVar

from django.db import OperationalError, connection, transaction
from django.db.models import Model

T = TypeVar("T")
DEADLOCK, LOCK_TIMEOUT = 1213, 1205
RETRIES = 8


def is_contention(error: OperationalError) -> bool:
    """Say whether `error` is a deadlock, a lock timeout or SQLite's busy: the transaction was rolled back, try again."""
    code = error.args[0] if error.args else None
    return code in (DEADLOCK, LOCK_TIMEOUT) or "database is locked" in str(error) or "database table is locked" in str(error)


def in_transaction(work: Callable[[], T]) -> T:
    """Run `work` in one transaction; start it again after a deadlock or lock timeout, at most `RETRIES` times.

    Inside another transaction it runs once, as a part of that one: only the outermost edge can try again.
    """
    if connection.in_atomic_block:
        return work()
    for attempt in range(RETRIES):
        try:
            with transaction.atomic():
                return work()
        except OperationalError as error:
            if not is_contention(error) or attempt == RETRIES - 1:
                raise
            time.sleep(0.005 * 2**attempt)
    raise AssertionError("unreachable")


def insert_rows(
    model: type[Model], columns: Sequence[str], rows: Iterable[Sequence[Any]], *, returning: bool = False
) -> list[int] | None:
    """Insert `rows` (values in database form, in the order of `columns`) in one statement.

    With `returning`, give the new ids in order; None where the database cannot say (MySQL).
    """
    values = list(rows)
    if not values:
        return []
    quote = connection.ops.quote_name
    one = "(" + ", ".join(["%s"] * len(columns)) + ")"
    sql = f"INSERT INTO {quote(model._meta.db_table)} ({', '.join(map(quote, columns))}) VALUES "
    sql += ", ".join([one] * len(values))
    returning = returning and connection.features.can_return_rows_from_bulk_insert
    if returning:
        sql += " RETURNING id"
    with connection.cursor() as cursor:
        cursor.execute(sql, list(chain.from_iterable(values)))
        return [row[0] for row in cursor.fetchall()] if returning else None


def database_time(value: Any) -> Any:
    """Return an aware datetime (or None) in the form this database stores, for hand-written statements."""
    return None if value is None else connection.ops.adapt_datetimefield_value(value)
