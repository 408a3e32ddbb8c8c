"""Whether what a workflow names is there: people and workflows when it goes live, connections whenever it suits."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tenants.models import Membership, Tenant
from tenants.services.connections import connection_slugs
from workflows.domain.connection_names import connections_in
from workflows.domain.definition import Definition, Problem, StepDefinition
from workflows.models import Workflow
from workflows.queries import typed_config

PEOPLE = "assign_to"
#: Fields of a step's config that name another workflow, by kind; None is any kind.
WORKFLOW_FIELDS = {None: "reject_workflow", "spawn": "workflow"}


@dataclass(frozen=True, slots=True)
class Name:
    """Something a step names at `place`."""

    place: str
    value: str


def name_problems(tenant: Tenant, definition: Definition) -> list[Problem]:
    """Return which people are no members of the tenant and which workflows it does not have, by where they are named.

    A step that is switched off names nothing.
    """
    people, workflows = list(_people(definition)), list(_workflows(definition))
    members = set(
        Membership.objects.filter(tenant=tenant, user__username__in=[name.value for name in people]).values_list(
            "user__username", flat=True
        )
    )
    there = set(
        Workflow.objects.for_tenant(tenant)
        .filter(slug__in=[name.value for name in workflows])
        .values_list("slug", flat=True)
    )
    problems = [
        Problem(name.place, f"'{name.value}' is no member of {tenant.name}")
        for name in people
        if name.value not in members
    ]
    return problems + [
        Problem(name.place, f"there is no workflow '{name.value}'")
        for name in workflows
        if name.value not in there and name.value != definition.slug
    ]


def missing_connections(tenant: Tenant, definition: Definition) -> Iterator[str]:
    """Say which connections the steps name that are not there. They may come later, so that is no error."""
    there = connection_slugs(tenant.pk)
    for step in definition.steps:
        for _, slug in connections_in(typed_config(step.kind, step.config)):
            if slug not in there:
                yield f"Step '{step.key}' names the connection '{slug}', which '{tenant.slug}' does not have yet."


def _blocks(definition: Definition) -> Iterator[tuple[str, StepDefinition, Any]]:
    """Yield what may name somebody: the config and the review rule of each step that is on, with its place."""
    for index, step in enumerate(definition.steps):
        if step.enabled:
            yield f"steps.{index}.config", step, typed_config(step.kind, step.config)
            yield f"steps.{index}.review", step, step.review


def _people(definition: Definition) -> Iterator[Name]:
    for place, _, block in _blocks(definition):
        if isinstance(value := getattr(block, PEOPLE, None), str) and value:
            yield Name(f"{place}.{PEOPLE}", value)


def _workflows(definition: Definition) -> Iterator[Name]:
    for place, step, block in _blocks(definition):
        for kind, field in WORKFLOW_FIELDS.items():
            if kind not in (None, step.kind) or (kind is not None and not place.endswith("config")):
                continue
            if isinstance(value := getattr(block, field, None), str) and value:
                yield Name(f"{place}.{field}", value)
