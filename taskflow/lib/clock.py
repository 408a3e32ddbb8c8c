"""The clock at the edges: views, tasks and commands read it once and pass `now` down."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import DateTimeField, Func

#: The years that every database keeps, with room to shift an instant by some days.
YEARS = range(1971, 9999)
YEARS_IN_WORDS = f"Must be in the years {YEARS[0]} to {YEARS[-1]}."


def utcnow() -> datetime:
    """Return the present instant of this machine, in UTC."""
    return datetime.now(UTC)


class DatabaseNow(Func):
    """The database's own clock in UTC; leases use it, so that hosts need not agree on the time."""

    template = "CURRENT_TIMESTAMP"
    output_field = DateTimeField()

    def as_mysql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template="UTC_TIMESTAMP(6)", **extra)

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(
            compiler, connection, template="STRFTIME('%%%%Y-%%%%m-%%%%d %%%%H:%%%%M:%%%%f', 'NOW')", **extra
        )


def database_now() -> datetime:
    """Ask the database for its clock, in UTC."""
    from django.db import connection

    sql = "SELECT UTC_TIMESTAMP(6)" if connection.vendor == "mysql" else "SELECT STRFTIME('%Y-%m-%d %H:%M:%f', 'NOW')"
    with connection.cursor() as cursor:
        cursor.execute(sql)
        (value,) = cursor.fetchone()
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return moment.replace(tzinfo=UTC)


def seconds(value: float) -> timedelta:
    """Return `value` seconds as a timedelta."""
    return timedelta(seconds=value)
