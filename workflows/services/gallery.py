"""The gallery: starter workflows that come with the product, as the same files that import and export use."""

import re
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from taskflow.lib.db import in_transaction
from tenants.models import Tenant
from workflows.domain.definition import SLUG, Definition
from workflows.models import Workflow
from workflows.services.checking import check_file
from workflows.services.files import Imported, import_workflow
from workflows.services.publishing import publish

if TYPE_CHECKING:
    from django.contrib.auth.models import User

FOLDER = Path(__file__).resolve().parent.parent / "gallery"
LONGEST_SLUG = 63


class StarterNotFound(Exception):
    """The gallery has no such starter."""


class SlugTaken(ValueError):
    """The tenant has a workflow of this slug already; `free` is one that nobody has."""

    def __init__(self, slug: str, free: str) -> None:
        self.slug, self.free = slug, free
        super().__init__(f"There is a workflow '{slug}' already. Replace its draft, or install beside it as '{free}'.")


@dataclass(frozen=True, slots=True)
class Starter:
    """A workflow of the gallery. `summary` says what it does, `notes` the rest of its description."""

    definition: Definition
    icon: str

    @property
    def slug(self) -> str:
        return self.definition.slug

    @property
    def summary(self) -> str:
        return _paragraphs(self.definition)[0]

    @property
    def notes(self) -> list[str]:
        return _paragraphs(self.definition)[1:]


ICONS = {"support-tickets": "support_agent", "invoices": "receipt_long", "resumes": "badge", "moderation": "shield"}


@cache
def list_starters() -> tuple[Starter, ...]:
    """Return the gallery's workflows."""
    return tuple(
        Starter(check_file((FOLDER / f"{slug}.yaml").read_text("utf-8")), icon) for slug, icon in ICONS.items()
    )


def get_starter(slug: str) -> Starter:
    """Return the starter of this slug. Raises StarterNotFound."""
    found = next((starter for starter in list_starters() if starter.slug == slug), None)
    if found is None:
        known = ", ".join(starter.slug for starter in list_starters())
        raise StarterNotFound(f"The gallery has no workflow '{slug}'. There are: {known}.")
    return found


def free_slug(*, tenant: Tenant, wanted: str) -> str:
    """Return `wanted`, with a number where the tenant has a workflow of that slug."""
    taken = set(Workflow.objects.for_tenant(tenant).values_list("slug", flat=True))
    slug, number = wanted, 1
    while slug in taken:
        number += 1
        slug = f"{wanted[: LONGEST_SLUG - 5]}-{number}"
    return slug


def install_starter(
    *,
    tenant: Tenant,
    starter: Starter,
    now: datetime,
    slug: str = "",
    name: str = "",
    replace: bool = False,
    go_live: bool = True,
    user: "User | None" = None,
) -> Imported:
    """Make a starter a workflow of the tenant, and publish it with `go_live`; all of it or nothing.

    Raises SlugTaken where the tenant has a workflow of that slug, unless `replace` says that its draft may be replaced;
    ValueError for a slug that cannot be one.
    """
    slug = slug or starter.slug
    if not re.fullmatch(SLUG, slug):
        raise ValueError("Use small letters, digits, - and _, at most 63.")
    if not replace and Workflow.objects.for_tenant(tenant).filter(slug=slug).exists():
        raise SlugTaken(slug, free_slug(tenant=tenant, wanted=slug))
    wanted = starter.definition.model_copy(update={"slug": slug, "name": name or starter.definition.name})

    def work() -> Imported:
        imported = import_workflow(tenant=tenant, definition=wanted, icon=starter.icon)
        if go_live and imported.publishable:
            publish(workflow=imported.workflow, notes="From the gallery.", now=now, user=user)
        return imported

    return in_transaction(work)


def _paragraphs(definition: Definition) -> list[str]:
    return [" ".join(part.split()) for part in definition.description.split("\n\n")]
