"""Workflow files: taking them in as drafts, and giving them out."""

from dataclasses import asdict, dataclass
from typing import Any

from taskflow.lib.db import in_transaction
from tenants.models import Tenant
from workflows.domain.definition import Definition, DefinitionError, StepDefinition, check_slug_is_free, read_steps
from workflows.domain.drafts import DraftContent
from workflows.domain.yamlfile import dump_yaml
from workflows.models import Sample, Step, Workflow, WorkflowVersion
from workflows.queries import content_of
from workflows.services.checking import check_definition
from workflows.services.naming import missing_connections


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did. `publishable` is false where the live version says the same as the draft already.

    `warnings` say what the workflow names and the tenant does not have yet.
    """

    workflow: Workflow
    created: bool
    publishable: bool
    warnings: tuple[str, ...] = ()


def import_workflow(*, tenant: Tenant, definition: Definition, icon: str = "") -> Imported:
    """Make `definition`, which was checked, the draft of the tenant's workflow of that slug; make that if it is new.

    Labels, queue and description belong to the workflow and hold at once. Samples are replaced if the definition has
    any say about them. `icon` is what a new workflow is shown by; one that is there keeps its own.
    Raises DefinitionError for a new workflow whose slug is taken by a page.
    """
    return in_transaction(lambda: _import(tenant, definition, icon))


def _import(tenant: Tenant, definition: Definition, icon: str) -> Imported:
    kept = {
        "name": definition.name,
        "description": definition.description,
        "label_singular": definition.labels.singular,
        "label_plural": definition.labels.plural,
        "queue": definition.queue,
    }
    if not Workflow.objects.filter(tenant=tenant, slug=definition.slug).exists():
        check_slug_is_free(definition.slug)
    workflow, created = Workflow.objects.update_or_create(
        tenant=tenant, slug=definition.slug, defaults=kept, create_defaults=kept | {"icon": icon}
    )
    write_draft(workflow, definition)
    if definition.samples is not None:
        _write_samples(workflow, definition)
    publishable = not _says_the_same(workflow, definition)
    return Imported(workflow, created, publishable, tuple(missing_connections(tenant, definition)))


def write_draft(workflow: Workflow, definition: Definition) -> WorkflowVersion:
    """Make the workflow's draft say what `definition` says; belongs in a transaction."""
    policy = definition.retry_policy
    kept = {
        "workflow": workflow,
        "fields": [field.model_dump(mode="json", exclude_defaults=True) for field in definition.fields],
        "retry_policy": None if policy is None else policy.model_dump(mode="json"),
        "timeout": definition.timeout,
    }
    draft, _ = WorkflowVersion.objects.update_or_create(draft_of=workflow, defaults=kept)
    # Whoever has the draft open is to notice, and the last edit can no longer be undone.
    draft.revision += 1
    draft.save(update_fields=["revision"])
    draft.steps.all().delete()
    rows = enumerate(map(step_row, definition.steps))
    Step.objects.bulk_create(Step(version=draft, position=position, **row) for position, row in rows)
    return draft


def step_row(step: StepDefinition) -> dict[str, Any]:
    """Return a step in the form in which versions keep it."""
    return {
        "key": step.key,
        "name": step.shown_name,
        "kind": step.kind,
        "enabled": step.enabled,
        "config": step.config,
        "on_error": step.on_error,
        "timeout": step.timeout,
        "retry": None if step.retry is None else step.retry.model_dump(mode="json"),
        "review": None if step.review is None else step.review.model_dump(mode="json", exclude_defaults=True),
    }


def _write_samples(workflow: Workflow, definition: Definition) -> None:
    workflow.samples.all().delete()
    Sample.objects.bulk_create(Sample(workflow=workflow, **dict(sample)) for sample in definition.samples or ())


def _says_the_same(workflow: Workflow, definition: Definition) -> bool:
    if workflow.live_version is None:
        return False
    try:
        live = definition_of(workflow.live_version)
    except DefinitionError:
        return False
    return (live.fields, live.retry_policy, live.timeout) == (
        definition.fields,
        definition.retry_policy,
        definition.timeout,
    ) and live.steps == tuple(step.model_copy(update={"name": step.shown_name}) for step in definition.steps)


def definition_of(version: WorkflowVersion) -> Definition:
    """Return a version with its workflow and samples as a definition. Raises DefinitionError if it cannot be one."""
    return check_definition(forgive_switched_off(data_of(version)))


def forgive_switched_off(data: dict[str, Any]) -> dict[str, Any]:
    """Leave out of steps that are switched off what has not even the form of a policy or a rule."""
    steps = [
        step if step["enabled"] or _has_form(step) else step | {"retry": None, "review": None} for step in data["steps"]
    ]
    return data | {"steps": steps}


def _has_form(step: dict[str, Any]) -> bool:
    return bool(read_steps({"steps": [step]}))


def draft_data(workflow: Workflow, content: DraftContent) -> dict[str, Any]:
    """Return what a draft holds, with its workflow, as plain data in the form of a file; without samples."""
    return {
        "slug": workflow.slug,
        "name": workflow.name,
        "description": workflow.description,
        "labels": {"singular": workflow.label_singular, "plural": workflow.label_plural},
        "queue": workflow.queue,
        "fields": list(content.fields),
        "retry_policy": content.retry_policy,
        "timeout": content.timeout,
        "steps": [asdict(step) for step in content.steps],
    }


def data_of(version: WorkflowVersion) -> dict[str, Any]:
    """Return a version with its workflow and samples as plain data in the form of a file."""
    samples = [
        {"name": sample.name, "input": sample.input, "expected": sample.expected}
        for sample in version.workflow.samples.order_by("id")
    ]
    return draft_data(version.workflow, content_of(version)) | {"samples": samples or None}


def export_workflow(workflow: Workflow) -> str:
    """Return the workflow's draft as a file; the live version where there is no draft. Raises DefinitionError."""
    version = WorkflowVersion.objects.filter(draft_of=workflow).first() or workflow.live_version
    if version is None:
        raise DefinitionError([])
    return dump_yaml(definition_of(version).to_data())
