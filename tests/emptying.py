"""Emptying the database after a test that committed its rows, quicker than Django does it.

Django's `flush` empties every table and then makes all content types, permissions and triggers anew, as after a
migration. These stay here, and a table that holds nothing is not touched.
"""

from django.core.management.color import no_style
from django.db import connection
from django.test import TransactionTestCase

from workflows.models import Workflow

#: What comes of the migrations alone.
STAYING = {"django_migrations", "django_content_type", "auth_permission"}


def empty_tables() -> None:
    """Delete all rows of all tables that have any, but for those in `STAYING`."""
    # The database lets published versions go with a workflow that goes whole.
    Workflow._base_manager.update(dissolving=True)
    if filled := filled_tables():
        connection.ops.execute_sql_flush(connection.ops.sql_flush(no_style(), filled))


def filled_tables() -> list[str]:
    """Return the names of the tables that have rows."""
    names = connection.introspection.django_table_names(only_existing=False, include_views=False)
    asked = " UNION ALL ".join(
        f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {connection.ops.quote_name(name)})"  # noqa: S608 - names of tables
        for name in sorted({*names} - STAYING)
    )
    with connection.cursor() as cursor:
        cursor.execute(asked)
        return [name for (name,) in cursor.fetchall()]


def empty_quickly() -> None:
    """Let tests with `transactional_db` end so."""
    TransactionTestCase._fixture_teardown = lambda self: empty_tables()  # type: ignore[method-assign]
