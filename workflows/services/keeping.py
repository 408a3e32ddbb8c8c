"""The database itself keeps published versions as they are: triggers that refuse to change or delete them.

The triggers are made after every `migrate` from the columns there are, and taken away before one that changes tables:
SQLite makes a table anew to alter it, and can neither keep its triggers nor rename it under those of another table. A
trigger's name ends in a digest of what it says, so that one look at the names tells whether all are there.
"""

# ruff: noqa: S608 - the statements are made of the names of our own tables and columns

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import OperationalError, models
from django.db.backends.base.base import BaseDatabaseWrapper

from workflows.models import Step, Workflow, WorkflowVersion

#: What MySQL says where binary logging is on and the user may not make triggers.
MAY_NOT_MAKE_TRIGGERS = frozenset({1142, 1227, 1419})
#: The error of a check constraint, which Django takes for an IntegrityError.
CHECK_FAILED = 3819
PREFIX = "version_kept_"
MESSAGE = "A published version does not change."
VERSION, STEP, WORKFLOW = (model._meta.db_table for model in (WorkflowVersion, Step, Workflow))
#: Who published may be forgotten, as the person's user is deleted; everything else stays.
FORGETTABLE = frozenset({"published_by_id", "edited_by_id"})


@dataclass(frozen=True, slots=True)
class Trigger:
    """What is refused: `event` on `table` where `condition` holds. `name` tells it from its earlier wordings."""

    event: str
    table: str
    condition: str

    @property
    def name(self) -> str:
        digest = hashlib.sha256(f"{self.event} {self.table} {self.condition}".encode()).hexdigest()[:8]
        return f"{PREFIX}{self.table.rpartition('_')[2]}_{self.event.split()[0].lower()}_{digest}"


def triggers(vendor: str) -> list[Trigger]:
    """Return what this kind of database ("sqlite", "mysql") is to refuse."""
    # A row of a version that another transaction is just publishing is waited for.
    shared = " LOCK IN SHARE MODE" if vendor == "mysql" else ""
    sealed = f"EXISTS (SELECT 1 FROM {VERSION} v WHERE v.id = {{}}.version_id AND v.sealed{shared})"
    stays = f"EXISTS (SELECT 1 FROM {WORKFLOW} w WHERE w.id = {{}} AND NOT w.dissolving)"
    found = [
        Trigger("UPDATE", VERSION, f"OLD.sealed AND ({_changed(WorkflowVersion, vendor)})"),
        Trigger("DELETE", VERSION, f"OLD.sealed AND {stays.format('OLD.workflow_id')}"),
        Trigger("INSERT", STEP, " OR ".join([sealed.format("NEW"), *_replaces_step(vendor)])),
        Trigger(
            "UPDATE",
            STEP,
            f"({_changed(Step, vendor)}) AND ({sealed.format('OLD')} OR {sealed.format('NEW')}"
            + "".join(f" OR {each}" for each in _replaces_step(vendor, but="AND s.id <> OLD.id"))
            + ")",
        ),
        Trigger(
            "DELETE",
            STEP,
            f"EXISTS (SELECT 1 FROM {VERSION} v WHERE v.id = OLD.version_id AND v.sealed"
            f" AND {stays.format('v.workflow_id')})",
        ),
    ]
    if vendor == "sqlite":
        same = "v.sealed AND (v.id = NEW.id OR (v.workflow_id = NEW.workflow_id AND v.number = NEW.number))"
        exists = f"EXISTS (SELECT 1 FROM {VERSION} v WHERE {same}{{}})"
        found += [
            Trigger("INSERT", VERSION, exists.format("")),
            Trigger("UPDATE OF id, workflow_id, number", VERSION, exists.format(" AND v.id <> OLD.id")),
        ]
    return found


def _replaces_step(vendor: str, but: str = "") -> Iterator[str]:
    """Yield the condition that a row takes the place of a kept one: SQLite's REPLACE deletes without a trigger."""
    if vendor == "sqlite":
        kept = f"{STEP} s JOIN {VERSION} v ON v.id = s.version_id"
        yield f"EXISTS (SELECT 1 FROM {kept} WHERE v.sealed AND s.id = NEW.id {but})"


def _changed(model: type[models.Model], vendor: str) -> str:
    return " OR ".join(_differs(field, vendor) for field in model._meta.concrete_fields)


def _differs(field: Any, vendor: str) -> str:
    new, old = f"NEW.{field.column}", f"OLD.{field.column}"
    if vendor == "sqlite":
        differs = f"{new} IS NOT {old}"
    elif isinstance(field, (models.CharField, models.TextField)):
        # The usual collation takes 'A' for 'a'.
        differs = f"NOT (CAST({new} AS BINARY) <=> CAST({old} AS BINARY))"
    else:
        differs = f"NOT ({new} <=> {old})"
    return f"({differs} AND {new} IS NOT NULL)" if field.column in FORGETTABLE else differs


def missing(connection: BaseDatabaseWrapper) -> list[Trigger]:
    """Return the triggers that are not there, and should be."""
    names = _names(connection)
    return [trigger for trigger in triggers(connection.vendor) if trigger.name not in names]


def versions_are_kept(connection: BaseDatabaseWrapper) -> bool:
    """Say whether the database keeps versions, or has none to keep yet."""
    return not missing(connection) or not _has_tables(connection)


def keep_versions(connection: BaseDatabaseWrapper) -> bool:
    """Make the triggers that are not there. False where the database's user may not make any."""
    if versions_are_kept(connection):
        return True
    with connection.cursor() as cursor:
        for name in _names(connection) - {trigger.name for trigger in triggers(connection.vendor)}:
            cursor.execute(f"DROP TRIGGER {name}")
        try:
            for trigger in missing(connection):
                cursor.execute(_statement(trigger, connection.vendor))
        except OperationalError as error:
            if error.args[0] in MAY_NOT_MAKE_TRIGGERS:
                return False
            raise
    return True


def unkeep_versions(connection: BaseDatabaseWrapper) -> None:
    """Take the triggers away, before tables are altered."""
    with connection.cursor() as cursor:
        for name in _names(connection):
            cursor.execute(f"DROP TRIGGER {name}")


def _statement(trigger: Trigger, vendor: str) -> str:
    head = f"CREATE TRIGGER {trigger.name} BEFORE {trigger.event} ON {trigger.table} FOR EACH ROW"
    if vendor == "sqlite":
        return f"{head} WHEN {trigger.condition} BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END"
    signal = f"SIGNAL SQLSTATE '23000' SET MYSQL_ERRNO = {CHECK_FAILED}, MESSAGE_TEXT = '{MESSAGE}'"
    return f"{head} BEGIN IF {trigger.condition} THEN {signal}; END IF; END"


def _names(connection: BaseDatabaseWrapper) -> set[str]:
    if connection.vendor == "sqlite":
        sql = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    else:
        sql = "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE()"
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return {name for (name,) in cursor.fetchall() if name.startswith(PREFIX)}


def _has_tables(connection: BaseDatabaseWrapper) -> bool:
    with connection.cursor() as cursor:
        tables = {table.name for table in connection.introspection.get_table_list(cursor)}
        if not {VERSION, STEP, WORKFLOW} <= tables:
            return False
        columns = {column.name for column in connection.introspection.get_table_description(cursor, VERSION)}
    return "sealed" in columns
