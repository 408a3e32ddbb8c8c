"""The bar above a workflow's list: its views, the conditions that hold, a form for one more, and what to do with it."""

from typing import TYPE_CHECKING, Any, cast

from django.http import HttpRequest, QueryDict
from django.urls import reverse

from jobs.admin.job_filters import Chip, ListFilters
from jobs.admin.view_state import NO_VIEW, ViewState
from jobs.domain.view_address import parameter
from jobs.domain.view_filter import OP_LABELS, Op
from jobs.domain.view_paths import JOB_PATHS, REVIEW_PATHS, index_problem, path_problem
from jobs.domain.view_spec import ViewFilter
from jobs.models import JobExport, SavedView
from jobs.queries.indexed import get_fields, redacted_names
from jobs.queries.views import list_views
from tenants.admin.current import allowed
from tenants.domain.roles import Permission
from tenants.models import Tenant
from workflows.models import Workflow

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def added_filter(query: QueryDict) -> str | None:
    """Return the address's query with the condition that the small form asks for; None where it asks for none."""
    if "f" not in query:
        return None
    left = query.copy()
    path, op, value = (left.pop(name, [""])[0].strip() for name in ("f", "is", "v"))
    for name in ("before", "after"):
        left.pop(name, None)
    if path and not path_problem(path) and op in list(Op):
        given = "true" if op == Op.EMPTY and not value else value
        left[parameter(ViewFilter.model_construct(path=path, op=Op(op), value=given))] = given
    for name in [name for name, value in left.items() if not value and ":" not in name and "." not in name]:
        del left[name]
    return left.urlencode() or f"view={NO_VIEW}"


def own_default(request: HttpRequest, workflow: Workflow) -> SavedView | None:
    """Return the view that this person's list opens with."""
    return next((view for view in _views_seen(request, workflow) if getattr(view, "opens", False)), None)


def _views_seen(request: HttpRequest, workflow: Workflow) -> list[SavedView]:
    """Return the views that this person sees, looked up once a request."""
    if not hasattr(request, "_views_seen"):
        found = list(list_views(workflow, cast("User", request.user))[:100])
        request._views_seen = found  # type: ignore[attr-defined]
    return request._views_seen  # type: ignore[attr-defined,no-any-return]


def view_bar(
    request: HttpRequest, tenant: Tenant, workflow: Workflow, filters: ListFilters, state: ViewState
) -> dict[str, Any]:
    """Return what the bar shows."""
    views = _views_seen(request, workflow)
    mine = own_default(request, workflow)
    base = reverse("admin:jobs_job_of", args=[workflow.slug])
    everything = f"{base}?view={NO_VIEW}" if mine is not None else base
    tabs = [{"name": "All", "url": everything, "active": state.view is None, "shared": True, "default": False}]
    tabs += [_tab(view, base, state, mine) for view in views]
    return {
        "tabs": tabs,
        "own": [Chip(state.describe(each)) for each in state.view_filters],
        "added": [Chip(state.describe(each), filters.query(**{parameter(each): ""})) for each in state.added],
        "changed": bool(state.added or any(state.text.get(name) for name in ("sort", "count"))),
        "sort": _sorted_by(state),
        "fields": _offered(workflow, state),
        "ops": [(op.value, label) for op, label in OP_LABELS.items()],
        "query": filters.query(),
        "may_edit": state.view is not None and may_edit(request, tenant, state.view),
        "is_default": mine is not None and mine == state.view,
        "formats": JobExport.Format.choices,
    }


def may_edit(request: HttpRequest, tenant: Tenant, view: SavedView) -> bool:
    """Say whether the person may change a view: its owner, and of a shared one those who edit workflows."""
    return view.owner_id == request.user.pk or (view.shared and allowed(request, Permission.EDIT_WORKFLOWS, tenant.pk))


def _tab(view: SavedView, base: str, state: ViewState, mine: SavedView | None) -> dict[str, Any]:
    return {
        "name": view.name,
        "url": f"{base}?view={view.uid}",
        "active": view == state.view,
        "shared": view.shared,
        "default": view == mine,
    }


def _sorted_by(state: ViewState) -> str:
    if not state.spec.sort:
        return ""
    return f"{state.label(state.spec.sort_path)}, {'largest' if state.spec.sort.startswith('-') else 'smallest'} first"


def _offered(workflow: Workflow, state: ViewState) -> list[tuple[str, str]]:
    """Return the fields that the small form offers: those with an index first, then what else is known."""
    redacted = redacted_names(workflow)
    paths = dict.fromkeys([*get_fields(workflow.pk), *state.labels, *REVIEW_PATHS, *JOB_PATHS])
    return [(path, state.label(path)) for path in paths if not index_problem(path, redacted)]
