"""Saving, sharing and forgetting views of a workflow's jobs."""

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from jobs.domain.states import State
from jobs.domain.view_address import states_named
from jobs.domain.view_filter import BadCondition, Op, compile_filter
from jobs.domain.view_paths import STATE, index_problem, path_problem
from jobs.domain.view_spec import ViewFilter, ViewSpec
from jobs.models import DefaultView, SavedView
from jobs.queries.indexed import MOST_FIELDS, redacted_names, wanted_paths
from jobs.services.indexing import sync_fields
from taskflow.lib.db import in_transaction
from workflows.models import Workflow
from workflows.services.locks import lock_workflow

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MOST_VIEWS = 100
LONGEST_NAME = 100
#: How a state may be compared.
STATE_OPS = (Op.IS, Op.NOT, Op.IN)


class ViewProblems(ValueError):
    """A view cannot be saved as it is. `problems` lists (field, reason)."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{field}: {reason}" if field else reason for field, reason in problems))


def check_spec(spec: ViewSpec, workflow: Workflow) -> list[tuple[str, str]]:
    """Return what is wrong with a view: (field, reason)."""
    redacted = redacted_names(workflow)
    problems = [(path, problem) for path in spec.all_paths if (problem := path_problem(path))]
    for each in spec.asked_paths:
        problem = index_problem(each, redacted)
        problems += [(each, problem)] if problem else []
    for condition in (*spec.filters, *spec.colours):
        problem = condition_problem(condition)
        problems += [(condition.path, problem)] if problem else []
    if STATE in (spec.sort_path, spec.count):
        problems.append((STATE, "The tabs count by state already; a list cannot be sorted by it."))
    return problems


def condition_problem(condition: ViewFilter) -> str:
    """Return what is wrong with a condition; empty if nothing."""
    if condition.path == STATE:
        return _state_problem(condition)
    try:
        compile_filter(condition.path, condition.op, condition.value, ZoneInfo("UTC"))
    except BadCondition as error:
        return str(error)
    return ""


def _state_problem(condition: ViewFilter) -> str:
    if condition.op not in STATE_OPS:
        return "A state is, is not, or is one of."
    unknown = [name for name in states_named(condition) if name not in State.__members__]
    return f"There is no state '{unknown[0]}'. Known: {', '.join(State)}." if unknown else ""


def save_view(
    *,
    workflow: Workflow,
    user: "User",
    name: str,
    spec: ViewSpec,
    shared: bool,
    now: datetime,
    view: SavedView | None = None,
) -> SavedView:
    """Make a view, or change `view`; what it newly asks by is indexed from now on. Raises ViewProblems."""
    name = " ".join(name.split())
    problems = check_spec(spec, workflow)
    if not name:
        problems.insert(0, ("name", "Give it a name."))
    if len(name) > LONGEST_NAME:
        problems.insert(0, ("name", f"At most {LONGEST_NAME} characters."))
    if problems:
        raise ViewProblems(problems)
    return in_transaction(lambda: _save(workflow, user, name, spec, shared, now, view))


def _save(
    workflow: Workflow, user: "User", name: str, spec: ViewSpec, shared: bool, now: datetime, view: SavedView | None
) -> SavedView:
    lock_workflow(workflow)
    others = SavedView.objects.filter(workflow=workflow)
    if view is None and others.count() >= MOST_VIEWS:
        raise ViewProblems([("name", f"A workflow has at most {MOST_VIEWS} views. Delete one first.")])
    needed = {*wanted_paths(workflow), *spec.asked_paths}
    if len(needed) > MOST_FIELDS:
        raise ViewProblems([("filters", f"At most {MOST_FIELDS} fields of a workflow can be indexed; use others.")])
    if view is None:
        view = SavedView(tenant_id=workflow.tenant_id, workflow=workflow, owner=user, created_at=now)
    view.name, view.spec, view.shared, view.changed_at = name, spec.to_json(), shared, now
    view.save()
    sync_fields(workflow=workflow, now=now)
    return view


def delete_view(*, view: SavedView, now: datetime) -> None:
    """Forget a view; fields that nothing asks by any more are dropped from the index in the background."""
    workflow = view.workflow

    def work() -> None:
        view.delete()
        sync_fields(workflow=workflow, now=now)

    in_transaction(work)


def set_default(*, workflow: Workflow, user: "User", view: SavedView | None) -> None:
    """Let a person's list of a workflow open with `view`, or without one."""
    if view is None:
        DefaultView.objects.filter(user_id=user.pk, workflow=workflow).delete()
    else:
        DefaultView.objects.update_or_create(user_id=user.pk, workflow=workflow, defaults={"view": view})
