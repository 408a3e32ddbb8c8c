"""Workflow files in and out of the database, publishing, and versions that never change."""

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction

from tests.factories import make_connection, make_tenant
from workflows.domain.definition import DefinitionError
from workflows.models import Immutable, Sample, Step, Workflow, WorkflowVersion
from workflows.queries import NotPublished, WorkflowNotFound, get_live
from workflows.runtime import get_plan
from workflows.services import check_file, definition_of, export_workflow, import_workflow, publish

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
FILE = """\
slug: receipts
name: Receipts
description: Reads receipts.
labels:
  singular: Receipt
  plural: Receipts
queue: slow
fields:
- key: text
  label: Text
  required: true
- key: total
  type: number
  in_list: true
  role: output
retry_policy:
  max_attempts: 3
timeout: 600.0
steps:
- key: read
  name: Read the total
  kind: transform
  config:
    fields:
    - name: total
      expression: number(payload.text)
    - name: note
      template: |
        Dear customer,

        the total is {{ record.total }}.
- key: sort
  name: Sort
  kind: route
  config:
    routes:
    - when: steps.read.total > 100
      to: large
    default:
      to: small
      stop: true
  timeout: 5.0
  retry:
    max_attempts: 2
- key: last
  name: Last
  kind: transform
  config:
    fields:
    - name: a
      expression: '1'
  on_error: continue
samples:
- name: small
  input:
    text: '12.50'
  expected:
    total: 12.5
- input:
    text: '120'
"""


@pytest.fixture
def tenant():
    return make_tenant("acme")


def take(tenant, text=FILE):
    return import_workflow(tenant=tenant, definition=check_file(text)).workflow


def published(tenant, text=FILE):
    workflow = take(tenant, text)
    return publish(workflow=workflow, now=NOW)


def test_an_import_makes_a_workflow_with_a_draft(tenant):
    imported = import_workflow(tenant=tenant, definition=check_file(FILE))
    workflow = Workflow.objects.get(slug="receipts")
    assert (imported.created, imported.publishable) == (True, True)
    assert (workflow.name, workflow.label_plural, workflow.queue, workflow.live_version) == (
        "Receipts",
        "Receipts",
        "slow",
        None,
    )
    assert workflow.draft.number is None
    assert [(step.position, step.key) for step in workflow.draft.steps.all()] == [(0, "read"), (1, "sort"), (2, "last")]
    assert [sample.name for sample in workflow.samples.order_by("id")] == ["small", ""]


def test_an_export_gives_the_file_that_was_imported(tenant):
    assert export_workflow(take(tenant)) == FILE


def test_an_imported_export_is_the_same_workflow(tenant):
    workflow = take(tenant)
    other = make_tenant("globex")
    assert definition_of(take(other, export_workflow(workflow)).draft) == definition_of(workflow.draft)


def test_another_import_updates_the_draft_and_keeps_one_workflow(tenant):
    first = take(tenant)
    imported = import_workflow(tenant=tenant, definition=check_file(FILE.replace("name: Receipts", "name: Bills")))
    assert imported.workflow.pk == first.pk
    assert not imported.created
    assert Workflow.objects.get().name == "Bills"
    assert WorkflowVersion.objects.count() == 1
    assert Step.objects.count() == 3
    assert Sample.objects.count() == 2


def test_samples_stay_where_a_file_does_not_speak_of_them(tenant):
    take(tenant)
    take(tenant, FILE[: FILE.index("samples:")])
    assert Sample.objects.count() == 2
    take(tenant, FILE[: FILE.index("samples:")] + "samples: []\n")
    assert Sample.objects.count() == 0


def test_tenants_have_their_own_workflows(tenant):
    take(tenant)
    take(make_tenant("globex"))
    assert Workflow.objects.filter(slug="receipts").count() == 2
    assert Workflow.objects.for_tenant(tenant).count() == 1


def test_publishing_copies_the_draft_to_the_next_number_and_makes_it_live(tenant, django_user_model):
    user = django_user_model.objects.create_user("ann")
    workflow = take(tenant)
    first = publish(workflow=workflow, notes="the first", now=NOW, user=user)
    second = publish(workflow=workflow, now=NOW)
    workflow.refresh_from_db()
    assert (first.number, second.number, workflow.live_version) == (1, 2, second)
    assert (first.notes, first.published_at, first.published_by) == ("the first", NOW, user)
    assert [step.key for step in first.steps.all()] == ["read", "sort", "last"]
    assert definition_of(first) == definition_of(workflow.draft)
    assert get_plan(first.pk).steps[1].retry.max_attempts == 2


def test_a_later_edit_of_the_draft_leaves_published_versions_alone(tenant):
    first = published(tenant)
    take(tenant, FILE.replace("to: large", "to: huge"))
    assert first.steps.get(key="sort").config["routes"][0]["to"] == "large"


def test_a_draft_that_cannot_run_is_not_published(tenant):
    workflow = take(tenant)
    step = workflow.draft.steps.get(key="sort")
    step.config = {"routes": [{"when": "steps.gone.x", "to": "a"}]}
    step.save()
    with pytest.raises(DefinitionError, match="there is no step 'gone'"):
        publish(workflow=workflow, now=NOW)
    assert not WorkflowVersion.objects.filter(number__isnull=False).exists()


def test_a_workflow_without_a_draft_is_not_published(tenant):
    workflow = take(tenant)
    workflow.draft.delete()
    with pytest.raises(DefinitionError, match="no draft"):
        publish(workflow=workflow, now=NOW)


def test_an_import_knows_whether_publishing_would_change_anything(tenant):
    published(tenant)
    assert not import_workflow(tenant=tenant, definition=check_file(FILE)).publishable
    renamed = FILE.replace("name: Receipts\n", "name: Bills\n")
    assert not import_workflow(tenant=tenant, definition=check_file(renamed)).publishable
    changed = FILE.replace("to: large", "to: huge")
    assert import_workflow(tenant=tenant, definition=check_file(changed)).publishable


def refused(change):
    with pytest.raises(Immutable, match="Edit the draft"), transaction.atomic():
        change()


def test_a_published_version_refuses_every_change(tenant):
    version = published(tenant)
    version.notes = "changed"
    step = version.steps.first()
    refused(version.save)
    refused(version.delete)
    refused(step.save)
    refused(step.delete)
    refused(lambda: WorkflowVersion.objects.filter(pk=version.pk).update(notes="changed"))
    refused(lambda: WorkflowVersion.objects.filter(pk=version.pk).delete())
    refused(lambda: WorkflowVersion.objects.bulk_update([version], ["notes"]))
    refused(lambda: version.steps.update(kind="http"))
    refused(lambda: Step.objects.filter(pk=step.pk).delete())
    refused(lambda: Step.objects.bulk_update([step], ["kind"]))
    refused(lambda: Step.objects.create(version=version, position=9, key="new", kind="python"))
    refused(lambda: version.steps.create(position=9, key="new", kind="python"))
    assert definition_of(WorkflowVersion.objects.get(pk=version.pk)) == check_file(FILE)


def test_a_step_cannot_be_moved_into_or_out_of_a_published_version(tenant):
    version = published(tenant)
    draft = WorkflowVersion.objects.get(draft_of__isnull=False)
    into, out = draft.steps.first(), version.steps.first()
    into.version = version
    out.version = draft
    refused(into.save)
    refused(out.save)


def test_a_draft_can_be_edited(tenant):
    draft = take(tenant).draft
    draft.notes = "changed"
    draft.save()
    draft.steps.update(on_error="continue")
    draft.steps.first().delete()
    assert draft.steps.filter(on_error="continue").count() == 2


def test_a_workflow_has_one_draft_and_each_number_once(tenant):
    workflow = take(tenant)
    with pytest.raises(IntegrityError), transaction.atomic():
        WorkflowVersion.objects.create(workflow=workflow, draft_of=workflow)
    publish(workflow=workflow, now=NOW)
    with pytest.raises(IntegrityError), transaction.atomic():
        WorkflowVersion.objects.create(workflow=workflow, number=1, published_at=NOW)


def test_a_workflow_goes_with_its_versions(tenant):
    version = published(tenant)
    version.workflow.delete()
    assert not WorkflowVersion.objects.exists()


def test_the_live_version_is_found_by_tenant_and_slug(tenant):
    version = published(tenant)
    live = get_live(tenant.pk, "receipts")
    assert (live.workflow_id, live.version_id, live.number, live.queue) == (version.workflow_id, version.pk, 1, "slow")
    assert [field.key for field in live.fields] == ["text", "total"]


def test_a_new_version_is_found_at_once(tenant):
    workflow = published(tenant).workflow
    assert get_live(tenant.pk, "receipts").number == 1
    publish(workflow=workflow, now=NOW)
    assert get_live(tenant.pk, "receipts").number == 2


def test_what_is_not_there_or_not_published_is_said(tenant):
    take(tenant)
    with pytest.raises(NotPublished, match="'receipts' is not published"):
        get_live(tenant.pk, "receipts")
    with pytest.raises(WorkflowNotFound, match="no workflow 'other'"):
        get_live(tenant.pk, "other")
    with pytest.raises(WorkflowNotFound):
        get_live(make_tenant("globex").pk, "receipts")
    Workflow.objects.update(active=False)
    with pytest.raises(WorkflowNotFound):
        get_live(tenant.pk, "receipts")


def command(*args):
    out = io.StringIO()
    call_command("workflow", *args, stdout=out)
    return out.getvalue()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "receipts.yaml"
    path.write_text(FILE)
    return path


def test_the_command_imports_publishes_and_exports(tenant, file):
    said = command("import", str(file), "--tenant", "acme", "--publish", "--notes", "first")
    assert "Created the draft of 'receipts'" in said
    assert "Published version 1" in said
    assert WorkflowVersion.objects.get(number=1).notes == "first"
    assert command("export", "receipts", "--tenant", "acme") == FILE


def test_the_command_publishes_nothing_twice(tenant, file):
    command("import", str(file), "--tenant", "acme", "--publish")
    assert "Version 1 of 'receipts' says the same" in command("import", str(file), "--tenant", "acme", "--publish")
    file.write_text(FILE.replace("to: large", "to: huge"))
    assert "Published version 2" in command("import", str(file), "--tenant", "acme", "--publish")


def test_the_command_checks_a_file_and_writes_nothing(file):
    assert "'receipts' is right, with 3 steps" in command("check", str(file))
    assert not Workflow.objects.exists()


def test_the_command_lists_every_problem_and_writes_nothing(tenant, file):
    file.write_text(FILE.replace("kind: route", "kind: rout").replace("number(payload.text)", "number(payload.text"))
    with pytest.raises(CommandError) as caught:
        command("import", str(file), "--tenant", "acme")
    assert "2 problems" in str(caught.value)
    assert "steps.0.config.fields.0.expression" in str(caught.value)
    assert "steps.1.kind" in str(caught.value)
    assert not Workflow.objects.exists()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("import", "FILE", "--tenant", "nobody"), "no tenant 'nobody'"),
        (("import", "/no/such/file", "--tenant", "acme"), "cannot be read: No such file"),
        (("export", "gone", "--tenant", "acme"), "'acme' has no workflow 'gone'"),
        (("export", "gone", "--tenant", "nobody"), "no tenant 'nobody'"),
    ],
)
def test_the_command_says_what_is_missing(tenant, file, args, words):
    with pytest.raises(CommandError, match=words):
        command(*(str(file) if arg == "FILE" else arg for arg in args))


@pytest.mark.parametrize("slug", ["new", "conditions"])
def test_a_new_workflow_does_not_take_the_address_of_a_page(tenant, file, slug):
    file.write_text(FILE.replace("slug: receipts", f"slug: {slug}"))
    with pytest.raises(CommandError, match=f"slug: '{slug}' is the address of a page"):
        call_command("workflow", "import", str(file), tenant=tenant.slug)
    assert not Workflow.objects.exists()


def test_the_command_refuses_a_file_that_is_not_text(tenant, file):
    file.write_bytes(b"slug: \xff\xfe")
    with pytest.raises(CommandError, match="not UTF-8"):
        command("check", str(file))


def test_a_workflow_that_cannot_be_exported_says_why(tenant):
    workflow = take(tenant)
    workflow.draft.steps.filter(key="sort").update(kind="gone")
    with pytest.raises(CommandError, match="there is no step kind 'gone'"):
        command("export", "receipts", "--tenant", "acme")


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[2] / "taskflow" / "demo").glob("*.yaml")), ids=lambda path: path.stem
)
def test_the_demo_workflows_are_right(path):
    assert check_file(path.read_text()).slug == path.stem


CALLS_SHOP = """
slug: orders
name: Orders
steps:
  - {key: send, kind: http, config: {connection: shop, url: /orders}}
  - {key: note, kind: transform, config: {fields: [{name: connection, template: other}]}}
"""


def test_a_file_that_names_a_missing_connection_is_taken_in_with_a_warning(acme):
    imported = import_workflow(tenant=acme.tenant, definition=check_file(CALLS_SHOP))
    assert imported.warnings == ("Step 'send' names the connection 'shop', which 'acme' does not have yet.",)
    assert "connection: shop" in export_workflow(imported.workflow)
    make_connection(acme.tenant, slug="shop", kind="http", config={"base_url": "https://shop.example"}, secrets={})
    assert import_workflow(tenant=acme.tenant, definition=check_file(CALLS_SHOP)).warnings == ()


def test_the_import_command_tells_the_warning(acme, tmp_path):
    file = tmp_path / "orders.yaml"
    file.write_text(CALLS_SHOP)
    out = io.StringIO()
    call_command("workflow", "import", str(file), "--tenant", "acme", stdout=out)
    assert "Warning: Step 'send' names the connection 'shop'" in out.getvalue()


def test_the_deployments_own_connection_is_there_for_every_tenant(acme, settings):
    settings.LLM_MODEL, settings.LLM_KIND = "small", "ollama"
    definition = check_file(CALLS_SHOP.replace("connection: shop", "connection: default"))
    assert import_workflow(tenant=acme.tenant, definition=definition).warnings == ()
