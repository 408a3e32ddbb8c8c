"""Filters of the job list by what jobs hold: conditions of a saved view, and conditions on single fields."""

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID
from zoneinfo import ZoneInfo

from rest_framework.exceptions import NotFound

from jobs.domain.job_filter import JobFilter
from jobs.domain.view_address import narrowed, read_parameter
from jobs.domain.view_filter import BadCondition
from jobs.domain.view_paths import STATE
from jobs.domain.view_spec import MOST_FILTERS, ViewFilter, ViewSpec
from jobs.models import SavedView
from jobs.queries.views import find_shared_view
from jobs.services.exports import NotReady, require_index
from jobs.services.views import check_spec
from taskflow.lib.problems import FieldError, Refused, invalid
from workflows.models import Workflow


def narrow_by_values(tenant_id: int, wanted: JobFilter, fields: Mapping[str, str], view_uid: str) -> JobFilter:
    """Return a filter with the conditions of a view and of single fields added.

    Raises Refused, naming each condition that is wrong, and NotFound for a view that is not shared in this tenant.
    """
    view = find_view(tenant_id, view_uid) if view_uid else None
    if view is None and not fields:
        return wanted
    if view is not None:
        if wanted.workflow_id not in (None, view.workflow_id):
            raise invalid([("workflow", "The view is of another workflow.")])
        wanted = replace(wanted, workflow_id=view.workflow_id)
    if wanted.workflow_id is None:
        raise invalid([(next(iter(fields)), "Name the workflow whose field this is: workflow=SLUG.")])
    workflow = Workflow.objects.select_related("tenant", "live_version", "next_version").get(pk=wanted.workflow_id)
    conditions = read_conditions(workflow, fields)
    seen = ViewSpec.model_validate(view.spec).filters if view else ()
    require_fields(workflow, [*seen, *conditions])
    return narrowed(wanted, [*seen, *conditions], ZoneInfo(workflow.tenant.time_zone))


def find_view(tenant_id: int, text: str) -> SavedView:
    """Return a shared view of the tenant. Raises NotFound."""
    try:
        view = find_shared_view(tenant_id, UUID(text))
    except ValueError:
        view = None
    if view is None:
        raise NotFound("There is no such view, or it is not shared.")
    return view


def read_conditions(workflow: Workflow, fields: Mapping[str, str]) -> list[ViewFilter]:
    """Return the conditions that parameters such as `result.total:gte` are. Raises Refused, naming what is wrong."""
    found: list[ViewFilter] = []
    faults: list[FieldError] = []
    for name, value in fields.items():
        try:
            condition = read_parameter(name, value)
        except BadCondition as error:
            faults.append((name, str(error)))
            continue
        problems = check_spec(ViewSpec.model_construct(filters=(condition,)), workflow)
        faults += [(name, reason) for _, reason in problems[:1]]
        found.append(condition)
    if len(fields) > MOST_FILTERS:
        faults.append(("", f"At most {MOST_FILTERS} conditions on fields at once."))
    if faults:
        raise invalid(faults)
    return found


def require_fields(workflow: Workflow, conditions: list[ViewFilter]) -> None:
    """Raise Refused unless the fields that conditions ask by are indexed for every job."""
    try:
        require_index(workflow.pk, [each.path for each in conditions if each.path != STATE])
    except NotReady as error:
        if error.filling:
            raise Refused(str(error), status=409, code="still-indexing", errors=[(error.path, str(error))]) from error
        raise invalid([(error.path, str(error))]) from error
