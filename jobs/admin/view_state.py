"""What a workflow's list shows, as its address carries it: a saved view, conditions on values, an order, counts."""

import base64
import binascii
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import Http404, QueryDict

from jobs.domain.job_filter import JobFilter
from jobs.domain.view_address import ROOTS, narrowed, parameter, read_parameter
from jobs.domain.view_filter import OP_LABELS, BadCondition, Op
from jobs.domain.view_paths import label_of
from jobs.domain.view_spec import MOST_FILTERS, ViewFilter, ViewSpec
from jobs.models import SavedView
from jobs.queries.catalogue import labels_of
from jobs.queries.value_pages import Place, Sort
from jobs.queries.views import find_view
from jobs.services.views import check_spec
from workflows.models import Workflow

if TYPE_CHECKING:
    from django.contrib.auth.models import User

#: The value of `view` that stands for the list as it is without one.
NO_VIEW = "all"
NOTHING = ViewSpec.model_validate({})
LONGEST = 600


@dataclass(slots=True)
class ViewState:
    """A view as it is shown: saved, with what the address adds to it. `text` is what the address keeps of it."""

    view: SavedView | None = None
    spec: ViewSpec = field(default_factory=lambda: NOTHING)
    added: tuple[ViewFilter, ...] = ()
    text: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def sort(self) -> Sort | None:
        """The order; None for the newest first."""
        return Sort(self.spec.sort_path, self.spec.sort.startswith("-")) if self.spec.sort else None

    @property
    def view_filters(self) -> tuple[ViewFilter, ...]:
        """The conditions of the saved view alone."""
        return self.spec.filters[: len(self.spec.filters) - len(self.added)]

    def narrow(self, wanted: JobFilter) -> JobFilter:
        """Return a filter with the view's conditions added."""
        return narrowed(wanted, self.spec.filters, self.zone)

    def label(self, path: str) -> str:
        """Return what a path is called in this workflow."""
        return self.labels.get(path) or label_of(path)

    def describe(self, condition: ViewFilter) -> str:
        """Return a condition in words."""
        if condition.op is Op.EMPTY:
            no = condition.value.strip().lower() in ("false", "0", "no")
            return f"{self.label(condition.path)} is {'not ' if no else ''}empty"
        value = condition.value if len(condition.value) <= 60 else f"{condition.value[:59]}…"
        return f"{self.label(condition.path)} {OP_LABELS[condition.op]} {value or 'empty'}"


def read_state(query: QueryDict, workflow: Workflow, user: "User", zone: ZoneInfo) -> ViewState:
    """Read a view from an address. What makes no sense is told in `problems` and left out. Raises Http404."""
    state = ViewState(zone=zone, labels=labels_of(workflow))
    uid = query.get("view", "")
    if uid and uid != NO_VIEW:
        state.view = _find(workflow, user, uid)
        state.spec = ViewSpec.model_validate(state.view.spec)
    state.text["view"] = uid
    added = [_condition(name, query, state.problems) for name in query if name.startswith(ROOTS)]
    checked = [each for each in added if each is not None and _is_right(each, workflow, state.problems)]
    if len(checked) > MOST_FILTERS:
        state.problems.append(f"At most {MOST_FILTERS} conditions at once.")
    state.added = tuple(checked[:MOST_FILTERS])
    state.text |= {parameter(each): each.value for each in state.added}
    changes: dict[str, object] = {"filters": (*state.spec.filters, *state.added)}
    for name in ("sort", "count"):
        asked = query.get(name, "")[:LONGEST]
        if asked and _may_be(name, asked, workflow, state.problems):
            changes[name] = state.text[name] = asked
    state.spec = state.spec.model_copy(update=changes)
    return state


def _condition(name: str, query: QueryDict, problems: list[str]) -> ViewFilter | None:
    try:
        return read_parameter(name, str(query[name]))
    except BadCondition as error:
        problems.append(f"{name[:100]}: {error}")
        return None


def _is_right(condition: ViewFilter, workflow: Workflow, problems: list[str]) -> bool:
    found = check_spec(NOTHING.model_copy(update={"filters": (condition,)}), workflow)
    problems += [f"{name[:100]}: {reason}" for name, reason in found[:1]]
    return not found


def _may_be(name: str, asked: str, workflow: Workflow, problems: list[str]) -> bool:
    found = check_spec(NOTHING.model_copy(update={name: asked}), workflow)
    problems += [f"{name}: {reason}" for _, reason in found[:1]]
    return not found


def _find(workflow: Workflow, user: "User", text: str) -> SavedView:
    try:
        view = find_view(workflow, user, UUID(text))
    except ValueError:
        view = None
    if view is None:
        raise Http404("There is no such view.")
    return view


def encode_place(place: Place) -> str:
    """Return where a page ends, for an address."""
    if place.value is None:
        return str(place.job_id)
    text = json.dumps([place.value, place.job_id], ensure_ascii=False)
    return "v" + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_place(text: str | None, *, by_value: bool) -> Place | None:
    """Read where a page ends; None for anything that never was that, or belongs to a list in another order."""
    if not text or len(text) > 2_000 or not text.isascii():
        return None
    if text.isdigit():
        return Place(int(text)) if len(text) < 19 and not by_value else None
    try:
        value, job_id = json.loads(base64.urlsafe_b64decode(text[1:] + "=" * (-len(text[1:]) % 4)))
    except (ValueError, TypeError, binascii.Error):
        return None
    right = text[0] == "v" and isinstance(value, str) and type(job_id) is int and 0 <= job_id < 2**63
    return Place(job_id, value) if right and by_value else None
