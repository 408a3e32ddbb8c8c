"""The page of a list that asks by values: its jobs, what to say about the index, and counts per value."""

from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict

from jobs.admin.job_filters import ListFilters
from jobs.admin.view_state import ViewState, decode_place, encode_place
from jobs.domain.job_filter import JobFilter
from jobs.domain.values import EMPTY, WHOLE, decode
from jobs.domain.view_address import parameter
from jobs.domain.view_filter import Op
from jobs.domain.view_spec import ViewFilter
from jobs.models import IndexedField, Job
from jobs.queries.indexed import get_fields
from jobs.queries.job_pages import PAGE_SIZE, get_value_page
from jobs.queries.value_counts import MOST_JOBS, MOST_VALUES, count_values
from jobs.queries.value_pages import LOOKED_THROUGH
from jobs.queries.value_scan import SCANNED, scan_jobs


@dataclass(slots=True)
class ListPage:
    """Jobs to show, where the pages beside them are, and what must be said about how they were found."""

    jobs: list[Job]
    older: str | None = None
    newer: str | None = None
    notes: list[str] = field(default_factory=list)
    filling: bool = False


@dataclass(slots=True)
class CountLink:
    """How many jobs hold a value, and the list of those."""

    text: str
    count: int
    query: str
    active: bool


def asks_by_value(state: ViewState) -> bool:
    """Say whether the index must answer."""
    return bool(state.spec.sort) or any(each.path != "job.state" for each in state.spec.filters)


def find_page(tenant_id: int, wanted: JobFilter, state: ViewState, query: QueryDict) -> ListPage:
    """Return the page of jobs that an address asks for."""
    known = get_fields(wanted.workflow_id or 0)
    asked = [*(each.path for each in wanted.values), *([state.spec.sort_path] if state.spec.sort else [])]
    missing = [path for path in asked if path not in known]
    if missing:
        names = ", ".join(f"“{state.label(path)}”" for path in dict.fromkeys(missing))
        note = f"{names} has no index yet: only the newest {SCANNED:,} jobs are looked through, newest first."
        jobs = scan_jobs(tenant_id, wanted, size=PAGE_SIZE)
        return ListPage(jobs, notes=[f"{note} Save this as a view, and all of them are."])
    by_value = state.sort is not None
    page = get_value_page(
        tenant_id,
        wanted,
        sort=state.sort,
        before=decode_place(query.get("before"), by_value=by_value),
        after=decode_place(query.get("after"), by_value=by_value),
    )
    filling = notes_of_filling(asked, known, state)
    notes = filling + ([_contains_note()] if any(each.contains for each in wanted.values) else [])
    older = None if page.older is None else encode_place(page.older)
    newer = None if page.newer is None else encode_place(page.newer)
    return ListPage(page.jobs, older, newer, notes, bool(filling))


def notes_of_filling(asked: list[str], known: dict[str, IndexedField], state: ViewState) -> list[str]:
    """Say which of the fields that are asked by are still being indexed, and how far that is."""
    return [
        f"“{state.label(path)}” is still being indexed: {known[path].percent} %. Older jobs are missing until then."
        for path in dict.fromkeys(asked)
        if path in known and known[path].state == IndexedField.State.FILLING
    ]


def unusable_for_actions(wanted: JobFilter) -> str:
    """Return why an action on all that match would not reach all of them; empty where it would."""
    known = get_fields(wanted.workflow_id or 0)
    for each in wanted.values:
        row = known.get(each.path)
        if row is None:
            return f"'{each.path}' has no index yet. Save this list as a view first, then act on all of it."
        if row.state == IndexedField.State.FILLING:
            return f"'{each.path}' is still being indexed: {row.percent} %. Wait until it is done."
    return ""


def _contains_note() -> str:
    return (
        f"“Contains” looks through {LOOKED_THROUGH:,} jobs, nearest first, and at the beginning of long texts only. "
        "Actions and exports look through all jobs."
    )


def value_counts(
    tenant_id: int, wanted: JobFilter, state: ViewState, filters: ListFilters, *, limit: int
) -> dict[str, Any] | None:
    """Return how many jobs hold each value of the field that the view counts, each with a link; None without one."""
    path = state.spec.count
    if not path:
        return None
    known = get_fields(wanted.workflow_id or 0)
    asked = [path, *(each.path for each in wanted.values)]
    if any(each not in known for each in asked):
        return {"label": state.label(path), "links": [], "note": "It is counted once the view is saved and indexed."}
    found = count_values(tenant_id, wanted, path, limit=limit)
    notes = notes_of_filling([path], known, state)
    if found.more:
        notes.append(f"There are more than {MOST_VALUES} different values; these are some of them.")
    if found.of_newest:
        notes.append(f"Of the newest {MOST_JOBS:,} that match.")
    links = [_link(path, value, count, state, filters) for value, count in found.counts]
    return {"label": state.label(path), "links": links, "note": " ".join(notes)}


def _link(path: str, value: str, count: int, state: ViewState, filters: ListFilters) -> CountLink:
    text = decode(value) or "empty"
    if value == EMPTY:
        condition = ViewFilter(path=path, op=Op.EMPTY, value="true")
    else:
        condition = ViewFilter.model_construct(path=path, op=Op.IS, value=text)
    name = parameter(condition)
    active = filters.text.get(name) == condition.value
    query = "" if len(value) > WHOLE + 1 else filters.query(**{name: "" if active else condition.value})
    return CountLink(text if len(text) <= 40 else f"{text[:39]}…", count, query, active)
