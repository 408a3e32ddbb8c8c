"""A published version stays as it is, byte for byte, whatever is tried: our code refuses, and so does the database."""

# ruff: noqa: S608 - the statements hold names of our own tables

from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import DatabaseError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.factories import NOW, make_tenant, make_user, make_version, make_workflow
from workflows.models import Immutable, Step, Workflow, WorkflowVersion
from workflows.services import publish
from workflows.services.keeping import keep_versions, missing, unkeep_versions, versions_are_kept

pytestmark = pytest.mark.django_db
REFUSED = (Immutable, DatabaseError)
VERSION, STEP, WORKFLOW = "workflows_workflowversion", "workflows_step", "workflows_workflow"


@pytest.fixture
def workflow() -> Workflow:
    config = {"kind": "transform", "config": {"fields": [{"name": "a", "template": "Ä b"}]}}
    workflow = make_workflow(steps=[config, config | {"timeout": 1.5}], version={"fields": [{"key": "text"}]})
    publish(workflow=workflow, notes="second", now=NOW, user=make_user("ann"))
    return workflow


def content(workflow: Workflow) -> list[Any]:
    """Return what the database holds of the published versions and their steps, as it is stored."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {VERSION} WHERE workflow_id = %s AND sealed ORDER BY id", [workflow.pk])
        rows = list(cursor.fetchall())
        ids = ", ".join(str(row[0]) for row in rows)
        cursor.execute(f"SELECT * FROM {STEP} WHERE version_id IN ({ids}) ORDER BY id")
        return [*rows, *cursor.fetchall()]


def raw(sql: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)


#: Every column, with a value that it does not hold.
VERSION_COLUMNS = {
    "id": 990001,
    "workflow_id": None,
    "number": 77,
    "fields": "[]",
    "retry_policy": "{}",
    "timeout": 3.0,
    "notes": "Second",
    "gate": "{}",
    "revision": 9,
    "edited_at": "2026-01-01 00:00:00",
    "created_at": "2026-01-01 00:00:00",
    "published_at": "2026-01-01 00:00:00",
    "sealed": 0,
}
STEP_COLUMNS = {
    "id": 990001,
    "position": 9,
    "key": "Step1",
    "name": "step1",
    "kind": "http",
    "enabled": 0,
    "config": "{}",
    "on_error": "continue",
    "timeout": 9.0,
    "retry": "{}",
    "review": "{}",
}


@st.composite
def attempts(draw: st.DrawFn) -> tuple[str, str, Any]:
    table = draw(st.sampled_from(["version", "step"]))
    how = draw(
        st.sampled_from(["save", "update", "bulk_update", "delete", "queryset_delete", "sql_update", "sql_delete"])
    )
    columns = VERSION_COLUMNS if table == "version" else STEP_COLUMNS
    return table, how, draw(st.sampled_from(sorted(columns)))


def attempt(workflow: Workflow, table: str, how: str, column: str) -> None:
    version = workflow.versions.filter(number__isnull=False).latest("number")
    row: Any = version if table == "version" else version.steps.order_by("position").last()
    value = (VERSION_COLUMNS if table == "version" else STEP_COLUMNS)[column]
    value = make_workflow().pk if column == "workflow_id" else value
    name, quote = f"workflows_{row._meta.model_name}", connection.ops.quote_name
    match how:
        case "sql_update":
            raw(f"UPDATE {name} SET {quote(column)} = %s WHERE id = %s", value, row.pk)
        case "sql_delete":
            raw(f"DELETE FROM {name} WHERE id = %s", row.pk)
        case "delete":
            row.delete()
        case "queryset_delete":
            type(row).objects.filter(pk=row.pk).delete()
        case "update":
            type(row)._base_manager.filter(pk=row.pk).update(**{"name" if table == "step" else "notes": "x"})
        case _:
            field = "name" if table == "step" else "notes"
            setattr(row, field, "x")
            row.save() if how == "save" else type(row).objects.bulk_update([row], [field])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tried=attempts())
def test_whatever_is_tried_the_content_stays(workflow: Workflow, tried: tuple[str, str, Any]) -> None:
    before = content(workflow)
    with pytest.raises(REFUSED), transaction.atomic():
        attempt(workflow, *tried)
    assert content(workflow) == before
    assert len(before) == 6


@pytest.mark.parametrize("table", ["version", "step"])
def test_the_database_itself_refuses_a_change_of_any_column(workflow: Workflow, table: str) -> None:
    before = content(workflow)
    for column in VERSION_COLUMNS if table == "version" else STEP_COLUMNS:
        with pytest.raises(DatabaseError, match="does not change"), transaction.atomic():
            attempt(workflow, table, "sql_update", column)
    assert content(workflow) == before


def test_a_step_gets_neither_into_a_published_version_nor_out_of_it(workflow: Workflow) -> None:
    before = content(workflow)
    published, draft = workflow.live_version, workflow.draft
    assert published is not None
    into, out = draft.steps.first(), published.steps.first()
    assert into is not None
    assert out is not None
    raw(f"UPDATE {STEP} SET position = 50 WHERE id = %s", into.pk)
    for step, version in ((into, published), (out, draft)):
        with pytest.raises(DatabaseError, match="does not change"), transaction.atomic():
            raw(f"UPDATE {STEP} SET version_id = %s WHERE id = %s", version.pk, step.pk)
    new = Step(version=published, position=9, key="new", name="New", kind="python")
    with pytest.raises(Immutable):
        Step.objects.bulk_create([new])
    with pytest.raises(DatabaseError, match="does not change"), transaction.atomic():
        Step._base_manager.bulk_create([new])
    assert content(workflow) == before


def test_nothing_takes_the_place_of_what_is_kept(workflow: Workflow) -> None:
    before, draft = content(workflow), workflow.draft
    version = workflow.live_version
    assert version is not None
    step = version.steps.first()
    assert step is not None
    columns = "version_id, position, name, kind, enabled, config, on_error"
    key = connection.ops.quote_name("key")
    with pytest.raises(DatabaseError), transaction.atomic():
        raw(
            f"REPLACE INTO {STEP} (id, {key}, {columns}) VALUES (%s, 'z', %s, 77, 'Z', 'python', 1, '{{}}', 'fail')",
            step.pk,
            draft.pk,
        )
    columns = "workflow_id, number, fields, timeout, notes, revision, created_at, published_at, sealed"
    with pytest.raises(DatabaseError), transaction.atomic():
        raw(
            f"REPLACE INTO {VERSION} (id, {columns}) VALUES (%s, %s, 2, '[]', 1, 'x', 0, %s, %s, 1)",
            version.pk,
            workflow.pk,
            "2026-01-01 00:00:00",
            "2026-01-01 00:00:00",
        )
    assert content(workflow) == before


def test_who_published_may_be_forgotten_but_not_become_somebody_else(workflow: Workflow) -> None:
    version = WorkflowVersion.objects.get(workflow=workflow, number=2)
    ann = version.published_by
    assert ann is not None
    with pytest.raises(DatabaseError), transaction.atomic():
        raw(f"UPDATE {VERSION} SET published_by_id = %s WHERE id = %s", make_user("bob").pk, version.pk)
    ann.delete()
    version.refresh_from_db()
    assert (version.published_by, version.notes) == (None, "second")


def test_a_workflow_without_jobs_goes_with_its_versions_and_so_does_a_whole_tenant(workflow: Workflow) -> None:
    other = make_workflow()
    workflow.delete()
    Workflow.objects.filter(pk=other.pk).delete()
    tenant = make_tenant()
    make_workflow(tenant)
    tenant.delete()
    assert not WorkflowVersion.objects.exists()
    assert not Step.objects.exists()


def test_a_draft_can_be_changed_and_deleted_by_any_way(workflow: Workflow) -> None:
    draft = workflow.draft
    raw(f"UPDATE {VERSION} SET notes = 'changed' WHERE id = %s", draft.pk)
    raw(f"UPDATE {STEP} SET name = 'changed' WHERE version_id = %s", draft.pk)
    raw(f"DELETE FROM {STEP} WHERE version_id = %s", draft.pk)
    raw(f"DELETE FROM {VERSION} WHERE id = %s", draft.pk)


def test_a_version_has_its_seal_when_it_is_published(workflow: Workflow) -> None:
    assert set(workflow.versions.values_list("number", "sealed")) == {(None, False), (1, True), (2, True)}
    with pytest.raises(DatabaseError), transaction.atomic():
        raw(f"UPDATE {VERSION} SET sealed = 1 WHERE id = %s", workflow.draft.pk)


@pytest.mark.django_db(transaction=True)
def test_triggers_that_are_gone_are_told_of_and_made_again() -> None:
    workflow = make_workflow()
    unkeep_versions(connection)
    assert not versions_are_kept(connection)
    raw(f"UPDATE {VERSION} SET notes = 'by hand' WHERE workflow_id = %s", workflow.pk)
    with pytest.raises(SystemCheckError, match="W014"):
        call_command("check", databases=["default"], fail_level="WARNING", tags=["database"])
    assert keep_versions(connection)
    assert missing(connection) == []
    with pytest.raises(DatabaseError), transaction.atomic():
        raw(f"UPDATE {VERSION} SET notes = 'again' WHERE workflow_id = %s", workflow.pk)


@pytest.mark.django_db(transaction=True)
def test_a_flush_empties_the_tables_and_keeps_the_triggers() -> None:
    make_version(make_workflow(), number=5, published_at=datetime(2026, 1, 1, tzinfo=UTC))
    call_command("flush", interactive=False, verbosity=0)
    assert not WorkflowVersion.objects.exists()
    assert missing(connection) == []
