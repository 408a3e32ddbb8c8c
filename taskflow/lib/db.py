"""What the hot statements need beyond the ORM: retried transactions and multi-row inserts."""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from math import isfinite
from typing import Any, TypeVar

from django.db import Error, InterfaceError, OperationalError, connection, transaction
from django.db.models import Model

T = TypeVar("T")
DEADLOCK, LOCK_TIMEOUT = 1213, 1205
RETRIES = 8
PLAIN_TEXT = re.compile(r"[A-Za-z0-9 _.:+-]{0,100}")
#: Statements longer than about this many characters are split; servers refuse packets over 4 to 64 MB.
STATEMENT_SIZE = 1_000_000
#: What MySQL and MariaDB say when the server is away, starting, stopping, full, or read-only for a while.
AWAY = frozenset({1040, 1053, 1077, 1152, 1158, 1159, 1160, 1161, 1184, 1203, 1290, 1836, 1927, 4031})
CLIENT_ERRORS = range(2000, 2100)


def is_contention(error: OperationalError) -> bool:
    """Say whether `error` is a deadlock, a lock timeout or SQLite's busy: rolled back, and worth another try."""
    code = error.args[0] if error.args else None
    return (
        code in (DEADLOCK, LOCK_TIMEOUT)
        or "database is locked" in str(error)
        or "database table is locked" in str(error)
    )


def is_away(error: Error) -> bool:
    """Say whether the database could not be reached or was busy: the same work may succeed later."""
    if isinstance(error, InterfaceError):
        return True
    code = error.args[0] if error.args else None
    away = code in AWAY or code in CLIENT_ERRORS
    return isinstance(error, OperationalError) and (away or is_contention(error))


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
    model: type[Model],
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    returning: bool = False,
    unless: Sequence[str] = (),
) -> list[int] | None:
    """Insert `rows` (values in database form, in the order of `columns`), many in a statement.

    With `returning`, give the new ids in order; None where the database cannot say (MySQL). With `unless`, a row that
    is the same in these columns, which a key holds, gets the other values instead.
    """
    returning = returning and connection.features.can_return_rows_from_bulk_insert
    quote = connection.ops.quote_name
    head = f"INSERT INTO {quote(model._meta.db_table)} ({', '.join(map(quote, columns))}) VALUES "  # noqa: S608
    tail = " RETURNING id" if returning else _update(columns, unless) if unless else ""
    ids: list[int] = []
    with connection.cursor() as cursor:
        for batch in batches(rows):
            one, parameters = _placeholders(batch)
            cursor.execute(head + ", ".join([one] * len(batch)) + tail, parameters)
            if returning:
                ids += [row[0] for row in cursor.fetchall()]
    return ids if returning else None


def _update(columns: Sequence[str], key: Sequence[str]) -> str:
    """Return the clause that overwrites a row of the same key."""
    quote = connection.ops.quote_name
    rest = [quote(column) for column in columns if column not in key]
    if connection.vendor == "mysql":
        return " ON DUPLICATE KEY UPDATE " + ", ".join(f"{name} = VALUES({name})" for name in rest)
    changes = ", ".join(f"{name} = excluded.{name}" for name in rest)
    return f" ON CONFLICT ({', '.join(map(quote, key))}) DO UPDATE SET {changes}"


def update_rows(model: type[Model], columns: Sequence[str], rows: Mapping[int, Sequence[Any]]) -> int:
    """Give rows, by id, these values (in database form, in the order of `columns`); returns how many rows were met.

    One statement for about `STATEMENT_SIZE` characters. A value that is the same in all of them stands there once.
    """
    quote, met = connection.ops.quote_name, 0
    with connection.cursor() as cursor:
        for batch in batches([(key, *values) for key, values in rows.items()]):
            ids, *values = zip(*batch, strict=True)
            found = [_change(quote(name), ids, given) for name, given in zip(columns, values, strict=True)]
            changes = ", ".join(change for change, _ in found)
            sql = f"UPDATE {quote(model._meta.db_table)} SET {changes} WHERE id IN ({', '.join(['%s'] * len(ids))})"  # noqa: S608
            cursor.execute(sql, [*chain.from_iterable(parameters for _, parameters in found), *ids])
            met += cursor.rowcount
    return met


def _change(name: str, ids: Sequence[int], values: Sequence[Any]) -> tuple[str, list[Any]]:
    """Return how a statement gives each row its value of one column, and the parameters for it."""
    if values.count(values[0]) == len(values):
        return f"{name} = %s", [values[0]]
    return f"{name} = CASE id {'WHEN %s THEN %s ' * len(ids)}END", [*chain.from_iterable(zip(ids, values, strict=True))]


def _placeholders(batch: Sequence[Sequence[Any]]) -> tuple[str, list[Any]]:
    """Return the placeholders of one row, and the parameters of all.

    A value that is the same in every row is written into the statement where that is plain: MySQL's driver takes more
    time over its parameters than over all the rest of an insert.
    """
    if len(batch) == 1:
        return f"({', '.join(['%s'] * len(batch[0]))})", list(batch[0])
    places, varying = [], []
    for column in zip(*batch, strict=True):
        literal = _plain(column[0]) if column.count(column[0]) == len(column) else None
        places.append(literal or "%s")
        if literal is None:
            varying.append(column)
    return f"({', '.join(places)})", list(chain.from_iterable(zip(*varying, strict=True)))


def _plain(value: object) -> str | None:
    """Return a number, NULL or a text of harmless signs only, as SQL has it; None for everything else."""
    if value is None:
        return "NULL"
    if type(value) is int or (type(value) is float and isfinite(value)):
        return repr(value)
    return f"'{value}'" if isinstance(value, str) and PLAIN_TEXT.fullmatch(value) else None


def batches(rows: Iterable[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
    """Cut rows into batches of about `STATEMENT_SIZE` characters of text."""
    batch: list[Sequence[Any]] = []
    size = 0
    for row in rows:
        length = sum(len(value) for value in row if isinstance(value, str))
        if batch and size + length > STATEMENT_SIZE:
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += length
    if batch:
        yield batch


def database_time(value: Any) -> Any:
    """Return an aware datetime (or None) in the form this database stores, for hand-written statements."""
    return None if value is None else connection.ops.adapt_datetimefield_value(value)
