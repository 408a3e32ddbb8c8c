"""Workflows come and go: made of a name, deleted while nothing needs them."""

from datetime import datetime
from typing import TYPE_CHECKING

from django.db.models import PROTECT, ForeignObjectRel
from django.utils.text import slugify

from taskflow.lib.db import in_transaction
from tenants.models import Tenant
from tenants.services import lock_tenant
from workflows.domain.definition import RESERVED_SLUGS
from workflows.models import Workflow, WorkflowVersion
from workflows.services.gallery import LONGEST_SLUG, free_slug

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class WorkflowInUse(Exception):
    """The workflow cannot be deleted; `needed_by` names what stands on it, such as "jobs"."""

    def __init__(self, needed_by: list[str]) -> None:
        self.needed_by = needed_by
        super().__init__(f"It has {' and '.join(needed_by)}, which keep their history with it.")


def create_workflow(
    *, tenant: Tenant, name: str, singular: str, plural: str, icon: str = "", by: "User | None", now: datetime
) -> Workflow:
    """Make a workflow with an empty draft; its slug is made of its name."""
    return in_transaction(lambda: _create(tenant, name, singular, plural, icon, by, now))


def _create(
    tenant: Tenant, name: str, singular: str, plural: str, icon: str, by: "User | None", now: datetime
) -> Workflow:
    # The tenant's row is the lock: two people who choose one name at once get two slugs.
    lock_tenant(tenant)
    wanted = slugify(name)[:LONGEST_SLUG].strip("-_") or "workflow"
    slug = free_slug(tenant=tenant, wanted=f"{wanted}-workflow" if wanted in RESERVED_SLUGS else wanted)
    labels = {"label_singular": singular, "label_plural": plural}
    workflow = Workflow.objects.create(tenant=tenant, slug=slug, name=name, icon=icon, **labels)
    WorkflowVersion.objects.create(workflow=workflow, draft_of=workflow, edited_by=by, edited_at=now)
    return workflow


def what_needs(workflow: Workflow) -> list[str]:
    """Return the names of what keeps a workflow from being deleted, in the plural."""
    return [
        str(relation.related_model._meta.verbose_name_plural)
        for relation in Workflow._meta.related_objects
        if relation.on_delete is PROTECT and _has_rows(relation, workflow)
    ]


def delete_workflow(*, workflow: Workflow) -> None:
    """Delete a workflow with its versions, samples and whatever belongs to it alone. Raises WorkflowInUse."""

    def work() -> None:
        found = Workflow.objects.select_for_update().get(pk=workflow.pk)
        # Asked before deleting: that would read every job first, to find that it may not.
        needed_by = what_needs(found)
        if needed_by:
            raise WorkflowInUse(needed_by)
        found.delete()

    in_transaction(work)


def _has_rows(relation: ForeignObjectRel, workflow: Workflow) -> bool:
    rows = relation.related_model._base_manager.filter(**{relation.field.name: workflow})
    return bool(rows.exists())
